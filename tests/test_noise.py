import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen.bank import slips
from toolgen.numbers import normalise
from toolgen.teachers import noise

ROOT = Path(__file__).parents[1]
SLIPS = slips.load(ROOT / "data/phrases")
seeds = st.integers(0, 10**6)


def slipped(slip, text: str, seed: int) -> str:
    return slip(text, SLIPS, random.Random(seed))


def numbers(text: str) -> list[str]:
    return re.findall(r"-?\d+(?:\.\d+)?(?: percent)?|half", normalise(text))


@given(seeds)
def test_the_same_seed_slips_the_same_way(seed):
    text = "open the passenger window a quarter and set the temperature to 22.5"
    assert slipped(noise.noisy, text, seed) == slipped(noise.noisy, text, seed)


MEASURED = [
    "open my window a quarter",
    "open the front windows three quarters of the way",
    "put the sunroof at 40 percent, please",
    "charge it to a hundred percent",
    "set the seat to minus 2 and the fan to 4",
    "move the seat to -7",
    "22.5 degrees on my side",
    "seventy two degrees fahrenheit in the back",
    "halfway down with the window",
    "twenty two and a half degrees",
    "twenty one point five degrees for the passenger",
]


@pytest.mark.parametrize("text", MEASURED)
@given(seed=seeds)
def test_no_slip_changes_a_number(text, seed):
    for slip in noise.SLIPS:
        if slip is not noise._homophone:  # `two` may well be written `too`
            assert numbers(slipped(slip, text, seed)) == numbers(text), slip


@given(seeds)
def test_only_the_is_dropped(seed):
    heard = slipped(noise._dropped_article, "open the window a touch and the door", seed)
    assert heard in ("open window a touch and the door", "open window a touch and door")


@given(seeds)
def test_a_typo_changes_one_long_word(seed):
    text = "close the passenger window three notches"
    heard = slipped(noise._typo, text, seed).split()
    different = [(old, new) for old, new in zip(text.split(), heard, strict=True) if old != new]
    assert len(different) <= 1  # two equal letters change places unseen
    for old, new in different:
        assert len(old) > 4 and old != "three" and old[0] == new[0]


@given(seeds)
def test_fillers_and_false_starts_only_add(seed):
    text = "close the passenger window"
    for slip in (noise._filler, noise._false_start):
        heard = slipped(slip, text, seed).split()
        for word in text.split():
            heard.remove(word)
        assert heard


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("set it to 22.5", "set it to twenty two point five"),
        ("fan 3, seat -2", "fan three, seat -2"),
        ("at 100 or 72°F or 30% or 2nd", "at 100 or 72°F or 30% or 2nd"),
    ],
)
def test_numbers_are_spelled_as_normalise_reads_them(text, heard):
    assert slipped(noise._number_word, text, 0) == heard
    assert normalise(heard) == normalise(text)


COMMANDS = set("open close lock unlock on off up down left right front rear back raise lower warmer cooler all both my "
               "passenger driver minus half".split())  # fmt: skip


def test_no_command_is_misheard_as_another():
    for word, heard in SLIPS.homophones.items():
        for alternative in heard:
            taken_apart = alternative.replace(" ", "") == word
            assert taken_apart or not (COMMANDS - {word}) & set(alternative.split()), (word, alternative)
            assert re.findall(r"\d+", normalise(alternative)) == [], (word, alternative)


def test_no_filler_is_a_command():
    for filler in SLIPS.fillers:
        assert not COMMANDS & set(filler.split()), filler
