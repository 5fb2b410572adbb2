"""The noise that speech recognition and thumbs make: one or two slips, which leave the meaning alone."""

import random
import re

from ..bank.slips import Slips
from ..numbers import ONES, PARTS, TENS, UNITS

# Words that `normalise` reads, and those that a measure is made of: nothing is put between them, and no letter is lost.
MEASURES = {*UNITS, *PARTS, *(f"{part}s" for part in PARTS), "a", "hundred", "half", "halfway", "way", "and", "point",
            "minus", "negative", "per", "cent", "percent", "degrees", "fahrenheit", "celsius"}  # fmt: skip
NUMBER = re.compile(r"(?<![\w.-])(\d{1,2})(?:\.(\d))?(?![\w.°%])")


def noisy(text: str, slips: Slips, rng: random.Random) -> str:
    """`text` with one or two of: dropped `the`, filler, false start, homophone, number word, typo."""
    for slip in rng.sample(SLIPS, rng.choice((1, 1, 2))):
        text = slip(text, slips, rng)
    return text


def _dropped_article(text: str, slips: Slips, rng: random.Random) -> str:
    return re.sub(r"\bthe ", "", text, count=rng.choice((1, 2)))  # never "a", which may be part of a measure


def _filler(text: str, slips: Slips, rng: random.Random) -> str:
    words = text.split()
    gaps = [i for i, word in enumerate(words) if not _is_measure(word)]
    if gaps:
        words.insert(rng.choice(gaps), rng.choice(slips.fillers))
    return " ".join(words)


def _false_start(text: str, slips: Slips, rng: random.Random) -> str:
    return f"{rng.choice(slips.false_starts)} {text}"


def _homophone(text: str, slips: Slips, rng: random.Random) -> str:
    words = text.split()
    found = [i for i, word in enumerate(words) if word in slips.homophones]
    if found:
        i = rng.choice(found)
        words[i] = rng.choice(slips.homophones[words[i]])
    return " ".join(words)


def _number_word(text: str, slips: Slips, rng: random.Random) -> str:
    return NUMBER.sub(_spelled, text)


def _spelled(match: re.Match) -> str:
    number = int(match[1])
    words = ONES[number] if number < 20 else TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")
    return words + (f" point {ONES[int(match[2])]}" if match[2] else "")


def _typo(text: str, slips: Slips, rng: random.Random) -> str:
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha() and not _is_measure(word)]
    if long:
        i = rng.choice(long)
        word = words[i]
        at = rng.randrange(1, len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[i] = rng.choice((word[:at] + word[at + 1 :], swapped, word[:at] + word[at] + word[at:]))
    return " ".join(words)


def _is_measure(word: str) -> bool:
    return word.lower().strip(",.;") in MEASURES or any(character.isdigit() for character in word)


SLIPS = (_dropped_article, _filler, _false_start, _homophone, _number_word, _typo)
