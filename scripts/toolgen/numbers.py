"""One plain form for what people say: lower case, no punctuation, numbers as digits.

Every query passes through `normalise` before a model sees it, in training and in use alike. Number words become
digits, fractions percentages, Fahrenheit Celsius; all the rest is left to the model.
"""

import re
import unicodedata

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " \
    "seventeen eighteen nineteen".split()  # fmt: skip
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
UNITS = {word: number for number, word in enumerate(ONES)} | {word: 10 * (i + 2) for i, word in enumerate(TENS)}
UNITS |= {"fourty": 40, "ninty": 90}
ORDINAL = {"third": 3, "fourth": 4, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
ORDINAL |= {f"{word}s": parts for word, parts in ORDINAL.items()}
COUNTED = set("to at level levels setting speed notch notches percent degree degrees by stage on minus position".split())
MAX_LENGTH = 2000  # characters of a query that are read


def normalise(query: str) -> str:
    """The query as the model reads it. Never longer than MAX_LENGTH characters."""
    text = unicodedata.normalize("NFKC", query[: 2 * MAX_LENGTH]).lower()
    text = text.replace("’", "'").replace("‘", "'").replace("−", "-").replace("–", "-")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=\d)(°|º)", " degrees ", text)
    text = re.sub(r"(?<=\d)%", " percent", text)
    text = re.sub(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ", text)
    text = re.sub(r"'(?=s\b|re\b|m\b|ve\b|ll\b|d\b|t\b)", "", text)
    text = re.sub(r"(?<![\w.])-(?=\d)|(?<=\s)-(?=\d)", " minus ", text)
    text = re.sub(r"(\d)/(\d)", r"\1 / \2", text)
    text = re.sub(r"(\d+)\.(\d+)", r"\1<dot>\2", text)
    words = re.findall(r"\d+<dot>\d+|\d+|[^\W\d_]+|[/<>&]+|[^\s\w.,!?;:\"'()\[\]{}*~`|\\^$#@%+=_-]", text)
    words = [word.replace("<dot>", ".") for word in words]
    return " ".join(_fahrenheit(_signs(_percentages(_numbers(words)))))[:MAX_LENGTH]


def _numbers(words: list[str]) -> list[str]:
    """Number words as digits: `twenty two and a half` -> `22.5`."""
    out: list[str] = []
    i = 0
    while i < len(words):
        value, used = _number_at(words, i)
        if used == 0 or (used == 1 and words[i] == "one" and not _is_counted(words, i)):
            out.append(words[i])
            i += 1
            continue
        i += used
        if words[i : i + 3] == ["and", "a", "half"]:
            value, i = value + 0.5, i + 3
        elif words[i : i + 1] == ["point"] and i + 1 < len(words) and _digit(words[i + 1]) is not None:
            digits = ""
            i += 1
            while i < len(words) and (digit := _digit(words[i])) is not None:
                digits, i = digits + str(digit), i + 1
            value += float(f"0.{digits}")
        out.append(f"{value:g}" if abs(value) < 1e6 else str(value))
    return out


def _is_counted(words: list[str], i: int) -> bool:
    """Whether the word `one` at `i` is a number rather than a pronoun."""
    before = words[i - 1] if i else ""
    after = words[i + 1] if i + 1 < len(words) else ""
    return before in COUNTED or after in COUNTED - {"on", "to", "at", "by"} or after == "point" or (
        words[i + 1 : i + 4] == ["and", "a", "half"]
    )


def _number_at(words: list[str], i: int) -> tuple[float, int]:
    """The number that starts at word `i` and how many words it takes (0: none starts here)."""
    if re.fullmatch(r"\d+(\.\d+)?", words[i]):
        value = float(words[i])
        return (int(value) if value.is_integer() else value), 1
    total, used = 0, 0
    if words[i] in UNITS:
        total, used = UNITS[words[i]], 1
        if words[i] in TENS and i + 1 < len(words) and words[i + 1] in ONES[1:10]:
            total, used = total + UNITS[words[i + 1]], 2
    elif words[i] == "a" and words[i + 1 : i + 2] == ["hundred"]:
        total, used = 1, 1
    elif words[i] == "hundred" and (i == 0 or words[i - 1] != "a"):
        return 100, 1
    if used and words[i + used : i + used + 1] == ["hundred"]:
        total, used = total * 100, used + 1
        follow = i + used + (words[i + used : i + used + 1] == ["and"])
        if follow < len(words) and words[follow] in UNITS:
            rest, more = _number_at(words, follow)
            total, used = total + rest, follow + more - i
    return total, used


def _digit(word: str) -> int | None:
    if re.fullmatch(r"\d", word):
        return int(word)
    return ONES.index(word) if word in ONES[:10] else None


def _percentages(words: list[str]) -> list[str]:
    """Fractions as percentages: `a quarter` and `3 / 4` -> `25 percent` and `75 percent`."""
    text = f" {' '.join(words)} "
    text = re.sub(r" per cent ", " percent ", text)

    def share(match: re.Match) -> str:
        count = 1 if match[1] in ("a", "one") else int(match[1])
        parts = ORDINAL.get(match[2]) or int(match[2].removeprefix("/ "))
        return f" {_plain(100 * count / parts)} percent " if 0 < count <= parts else match[0]

    text = re.sub(r" (a|one|1|2|3|4) (third|quarter|fifth|thirds|quarters|fifths|/ \d) ", share, text)
    text = re.sub(r" half ?way | one half | 1 half | in half | half ", " half ", text)
    return text.split()


def _signs(words: list[str]) -> list[str]:
    """`minus 2` and `negative 2` -> `-2`."""
    return re.sub(r"\b(?:minus|negative) (?=\d)", "-", " ".join(words)).split()


def _fahrenheit(words: list[str]) -> list[str]:
    """`72 degrees fahrenheit` -> `22 degrees`, to the nearest half degree Celsius."""

    def celsius(match: re.Match) -> str:
        return f"{_plain(round((float(match[1]) - 32) / 1.8 * 2) / 2)} degrees"

    text = " ".join(words)
    text = re.sub(r"(-?\d+(?:\.\d+)?) (?:degrees? )?(?:fahrenheit|f)\b", celsius, text)
    text = re.sub(r"(-?\d+(?:\.\d+)?) (?:degrees? )?(?:celsius|centigrade|c)\b", r"\1 degrees", text)
    return text.split()


def _plain(number: float) -> str:
    return f"{round(number, 1):g}"
