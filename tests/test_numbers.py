import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toolgen.numbers import MAX_LENGTH, ONES, TENS, UNITS, normalise


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Set it to twenty two, please!", "set it to 22 , please"),
        ("twenty-two", "22"),
        ("seventeen", "17"),
        ("max fan; aim it at the floor - now. Thanks!", "max fan , aim it at the floor , now , thanks"),
        ("zero", "0"),
        ("fourty five", "45"),
        ("a hundred", "100"),
        ("hundred", "100"),
        ("one hundred", "100"),
        ("two hundred and thirty five", "235"),
        ("a hundred and ten", "110"),
        ("a hundred ten", "110"),
        ("hundred and ten", "110"),
        ("one hundred and one hundred", "101 100"),
        ("007", "7"),
        ("12345678901234567890", "12345678901234567890"),
        ("1,000,000", "1000000"),
        ("10,000 km", "10000 km"),
        ("1,000km", "1000 km"),
        ("front, rear and 3,4", "front , rear and 3 4"),
        ("٢٢", "22"),
    ],
)
def test_whole_numbers(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("22.5", "22.5"),
        ("21.0", "21"),
        ("at 21.", "at 21"),
        ("twenty two point five", "22.5"),
        ("twenty two point zero five", "22.05"),
        ("22 point 5", "22.5"),
        ("22 point fifty five", "22.55"),
        ("1 point 0 point 5", "1.5"),
        ("point five", "point 5"),
        ("1.5 point five", "1.5 point 5"),
        ("twenty two and a half", "22.5"),
        ("one and a half", "1.5"),
        ("21½ degrees", "21.5 degrees"),
        ("1.2.3", "1.2 3"),
        ("999999.9", "999999.9"),
    ],
)
def test_decimals(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("30%", "30 percent"),
        ("30 %", "30 percent"),
        ("thirty per cent", "30 percent"),
        ("five%", "5 percent"),
        ("a third", "33.3 percent"),
        ("two thirds", "66.7 percent"),
        ("a quarter", "25 percent"),
        ("three quarters", "75 percent"),
        ("one fifth", "20 percent"),
        ("3/4", "75 percent"),
        ("1 / 2", "50 percent"),
        ("½", "50 percent"),
        ("1/0", "1 / 0"),
        ("4 thirds", "4 thirds"),
        ("half", "half"),
        ("halfway", "half"),
        ("half way", "half"),
        ("half-way", "half"),
        ("in half", "half"),
        ("one half", "half"),
        ("a quarter a quarter", "25 percent 25 percent"),
        ("super cents per center", "super cents per center"),
    ],
)
def test_shares(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("72 degrees fahrenheit", "22 degrees"),
        ("72 fahrenheit", "22 degrees"),
        ("72°F", "22 degrees"),
        ("72 f", "22 degrees"),
        ("seventy two degrees Fahrenheit", "22 degrees"),
        ("70 F", "21 degrees"),
        ("71 F", "21.5 degrees"),
        ("minus 4 fahrenheit", "-20 degrees"),
        ("0 f", "-18 degrees"),
        ("32 f", "0 degrees"),
        ("21.5°C", "21.5 degrees"),
        ("21º", "21 degrees"),
        ("21℃", "21 degrees"),
        ("22 celsius", "22 degrees"),
        ("22 degrees centigrade", "22 degrees"),
        ("22 degrees", "22 degrees"),
        ("72 f f", "22 degrees"),
        ("9" * 400 + " f", "9" * 400 + " f"),
        ("turn it to f", "turn it to f"),
    ],
)
def test_degrees(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize("fahrenheit", range(-20, 121))
def test_fahrenheit_goes_to_the_nearest_half_degree(fahrenheit):
    celsius = float(normalise(f"{fahrenheit} degrees fahrenheit").removesuffix(" degrees"))
    assert (2 * celsius).is_integer()
    assert abs(celsius - (fahrenheit - 32) / 1.8) <= 0.25 + 1e-9


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("minus two", "-2"),
        ("minus 2.5", "-2.5"),
        ("negative ten", "-10"),
        ("minus one", "-1"),
        ("-2", "-2"),
        ("to −2", "to -2"),
        ("between 3-4", "between 3 4"),
        ("roof-5", "roof 5"),
        ("5 minus 3", "5 -3"),
    ],
)
def test_signs(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("level one", "level 1"),
        ("one notch", "1 notch"),
        ("turn it to one", "turn it to 1"),
        ("this one", "this one"),
        ("no one", "no one"),
        ("80 percent, one more thing", "80 percent , one more thing"),
        ("one point of view", "one point of view"),
        ("one point five", "1.5"),
    ],
)
def test_one_is_a_number_or_a_pronoun(said, read):
    assert normalise(said) == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("22c", "22 degrees"),
        ("fan4", "fan 4"),
        ("4x4", "4 x 4"),
        ("I'm cold, what's up?", "im cold , whats up"),
        ("I’m cold", "im cold"),
        ("the driver's seat", "the drivers seat"),
        ("three o'clock", "3 o clock"),
        ("ＯＰＥＮ　ｉｔ", "open it"),
        ("Öffne das Fenster, Ä", "öffne das fenster , ä"),
        ("open 🚗👍 it", "open 🚗 👍 it"),
        ("open\x00the\u200bdoor\tnow\r\n", "open the door now"),
        ("\ud800 half a pair", "half a pair"),
        ("<<WINDOW_POS&&set>> all 10", "<< window pos && set >> all 10"),
        ("", ""),
        (" !?.,", ""),
    ],
)
def test_what_is_no_number(said, read):
    assert normalise(said) == read


def test_every_number_word_below_a_thousand():
    def words(number: int) -> str:
        if number < 20:
            return ONES[number]
        if number < 100:
            return TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")
        return f"{ONES[number // 100]} hundred" + (f" and {words(number % 100)}" if number % 100 else "")

    for number in range(1000):
        assert normalise(f"to {words(number)}") == f"to {number}"


@pytest.mark.parametrize("word", ["nine ", "5% ", "9", "half ", "a ", "⑳", "<", "-1 ", "ﷺ", "point five "])
def test_ten_thousand_words_are_cut(word):
    assert len(normalise(word * 10_000)) <= MAX_LENGTH


VOCABULARY = st.sampled_from(
    [*UNITS, *"a and half way halfway in one to on at level percent per cent degrees notch point minus negative "
     "hundred third thirds quarter quarters fahrenheit celsius f c the window my seat's i'm 0 1 2 3 4 10 22.5 -2 "
     "1/2 72 30% 21° 1,000 / , . - - ' °F <<X&&set>>".split()]
)  # fmt: skip


@given(st.lists(VOCABULARY, max_size=9).map(" ".join))
def test_a_second_pass_changes_nothing(text):
    assume(not re.search(r"point (\S+) (third|quarter|/)", text))  # `zero point a quarter` is nobody's number
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(max_size=40))
def test_any_text_has_one_plain_form(text):
    once = normalise(text)
    once.encode("utf-8")
    assert once == once.strip() and "  " not in once and "\n" not in once
    assert not re.search(r"[A-Z?!\"]", once)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("68 Fahrenheit for me, 74 for the passenger", "20 degrees for me , 23.5 degrees for the passenger"),
        ("72 for her and 70°F for me", "22 degrees for her and 21 degrees for me"),
        ("70°F and charge to 80 percent", "21 degrees and charge to 80 percent"),
        ("70°F and the fan to 5", "21 degrees and the fan to 5"),
        ("72 for her", "72 for her"),
    ],
)
def test_a_unit_named_once_holds_for_the_sentence(said, read):
    assert normalise(said) == read == normalise(read)
