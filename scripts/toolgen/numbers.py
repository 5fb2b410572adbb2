"""One plain form for what people say: lower case, numbers as digits, a comma wherever a sentence breaks.

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
NUMBER_STARTS = {*UNITS, "a", "hundred"}
PARTS = {"third": 3, "quarter": 4, "fifth": 5}
MAX_LENGTH = 2000  # characters of a query that are read

# `one` is a number next to these words, and a pronoun elsewhere.
BEFORE_ONE = set("to at by on level levels setting speed notch stage position minus negative".split())
AFTER_ONE = set("level levels setting speed notch notches percent degree degrees stage position".split())

TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "−": "-", "–": "-", "—": " - ", "⁄": "/"})
BREAK, BREAK_MARK = re.compile(r"\s*[,;:.!?]+(?=\s)|\s-+(?=\s)"), "\x1f"  # the mark cannot be printed
HALF_SIGN = re.compile(r"(?<=\d) ?½")
DIGIT = re.compile(r"\d")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
MINUS_SIGN = re.compile(r"(?<![\w.])-(?=\d)")
SILENT_APOSTROPHE = re.compile(r"'(?=(?:s|re|m|ve|ll|d|t)\b)")
WORD = re.compile(r"\x1f|\d+\.\d+|\d+|[^\W\d_]+|[/<>&]+|[^\s\w.,!?;:\"'()\[\]{}*~`|\\^$#@%+=_-]")
# From here on, words stand between single blanks.
PER_CENT = re.compile(r"(?<!\S)per cent(?!\S)")
HALF = re.compile(r"(?<!\S)(?:(?:in|one|1) )*half(?: ?way)*(?!\S)")
SHARE = re.compile(r"(?<!\S)(a|one|[1-4]) (?:(third|quarter|fifth)s?|/ (\d))(?!\S)")
NEGATIVE = re.compile(r"(?<!\S)(?:minus|negative) (?=\d)")
FIGURE = re.compile(r"(?<!\S)([5-9]\d(?:\.5)?)(?: degrees)?(?! percent| degrees|\S)")
DEGREES = re.compile(r"(?<!\S)(-?\d{1,6}(?:\.\d+)?)(?: degrees?)?((?: (?:fahrenheit|f|celsius|centigrade|c))+)(?!\S)")


def normalise(query: str) -> str:
    """The query as the model reads it, at most MAX_LENGTH characters; a second pass changes nothing that people say."""
    text = query[:MAX_LENGTH]
    if not text.isascii():
        text = HALF_SIGN.sub(".5", text.replace("º", "°"))
        text = unicodedata.normalize("NFKC", text).translate(TYPOGRAPHY)[:MAX_LENGTH]
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    text = text.lower().replace("°", " degrees ").replace("%", " percent ")
    if "'" in text:
        text = SILENT_APOSTROPHE.sub("", text)
    if DIGIT.search(text):
        text = MINUS_SIGN.sub(" minus ", THOUSANDS.sub("", text))
    text = " ".join(WORD.findall(BREAK.sub(f" {BREAK_MARK} ", text)))
    if BREAK_MARK in text:
        text = re.sub(r"\x1f( \x1f)*", ",", text).strip(" ,")
    if "per cent" in text:
        text = PER_CENT.sub("percent", text)
    if "half" in text:
        text = HALF.sub("half", text)
    text = SHARE.sub(_percentage, " ".join(_numbers(text.split(" "))))
    if DIGIT.search(text):
        text = DEGREES.sub(_celsius, _in_one_unit(NEGATIVE.sub("-", text)))
    return text[:MAX_LENGTH].rstrip()


def verbatim(query: str) -> str:
    """The query as a model reads it whose tools take words as they were said: one blank wherever there are blanks.

    Case, units and digits stay, so that arguments can be copied; at most MAX_LENGTH characters.
    """
    text = unicodedata.normalize("NFC", query[:MAX_LENGTH])
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _numbers(words: list[str]) -> list[str]:
    """Number words as digits: `twenty two and a half` -> `22.5`."""
    out: list[str] = []
    i = 0
    while i < len(words):
        value, used = _number_at(words, i)
        if used == 0 or _is_pronoun(words, i, used):
            out.append(words[i])
            i += 1
            continue
        i += used
        while isinstance(value, int) and (decimals := _decimals_at(words, i))[1]:
            value, i = _whole(float(f"{value}.{decimals[0]}")), i + decimals[1]
        out.append(_plain(value))
    return out


def _number_at(words: list[str], i: int) -> tuple[float, int]:
    """The number that starts at word `i` and how many words it takes (0: none starts here)."""
    if words[i][:1].isdecimal():
        return (_whole(float(words[i])) if "." in words[i] else int(words[i])), 1
    if words[i] not in NUMBER_STARTS:
        return 0, 0
    value, used = _below_hundred_at(words, i)
    hundred = i + 1 if words[i] == "a" else i + used
    if words[hundred : hundred + 1] == ["hundred"]:
        value, used = 100 * (value if used else 1), hundred + 1 - i
        follow = hundred + 1 + (words[hundred + 1 : hundred + 2] == ["and"])
        rest, more = _below_hundred_at(words, follow)
        if more:
            value, used = value + rest, follow + more - i
    return value, used


def _below_hundred_at(words: list[str], i: int) -> tuple[int, int]:
    if i >= len(words) or words[i] not in UNITS:
        return 0, 0
    value = UNITS[words[i]]
    if value >= 20 and i + 1 < len(words) and words[i + 1] in ONES[1:10]:
        return value + UNITS[words[i + 1]], 2
    return value, 1


def _decimals_at(words: list[str], i: int) -> tuple[str, int]:
    """The decimals that `and a half` or `point ...` at word `i` add to the number before, and how many words."""
    if words[i : i + 3] == ["and", "a", "half"]:
        return "5", 3
    digits, start = "", i
    if words[i : i + 1] == ["point"]:
        i += 1
        while i < len(words) and "." not in words[i] and (number := _number_at(words, i))[1]:
            digits += words[i] if words[i].isdecimal() else str(number[0])
            i += number[1]
    return digits, i - start if digits else 0


def _is_pronoun(words: list[str], i: int, used: int) -> bool:
    if used > 1 or words[i] != "one":
        return False
    counted = words[i - 1 : i] and words[i - 1] in BEFORE_ONE or words[i + 1 : i + 2] and words[i + 1] in AFTER_ONE
    return not counted and _decimals_at(words, i + 1)[1] == 0


def _percentage(match: re.Match) -> str:
    """Fractions as percentages: `a quarter` and `3 / 4` -> `25 percent` and `75 percent`."""
    count = 1 if match[1] in ("a", "one") else int(match[1])
    parts = PARTS[match[2]] if match[2] else int(match[3])
    return f"{_plain(round(100 * count / parts, 1))} percent" if count <= parts else match[0]


def _in_one_unit(text: str) -> str:
    """A unit named once holds for the sentence: in `68 fahrenheit for me and 74 for her` both are Fahrenheit."""
    if not any(match[2].split()[0][0] == "f" for match in DEGREES.finditer(text)):
        return text
    return FIGURE.sub(lambda match: f"{match[1]} fahrenheit", text)


def _celsius(match: re.Match) -> str:
    """`72 degrees fahrenheit` -> `22 degrees`, to the nearest half degree Celsius; Celsius loses its name."""
    degrees, units = match[1], match[2].split()
    if units[0][0] == "f":
        degrees = _plain(round((float(degrees) - 32) / 1.8 * 2) / 2)
    return f"{degrees} degrees"


def _whole(number: float) -> float:
    """`number` to six decimals, as an int where it is one."""
    number = round(number, 6)
    return int(number) if number.is_integer() else number


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")
