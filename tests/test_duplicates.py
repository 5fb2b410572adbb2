import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen.duplicates import NearDuplicates, masked, masked_calls


def call(value: object, area: int = 16, name: str = "WINDOW_POS") -> dict:
    return {"name": "setIntProperty", "arguments": {"propertyName": name, "areaId": area, "value": value}}


def kept(threshold: float, *rows: tuple[str, list[dict]]) -> list[bool]:
    fresh = NearDuplicates(threshold)
    return [fresh.is_new(masked(query), calls) for query, calls in rows]


def test_numbers_are_masked_however_they_are_said():
    assert masked("Set it to 22.5!") == masked("set it to twenty two and a half") == "set it to #"
    assert masked("minus 2") == masked("to -7.5").removeprefix("to ") == "#"
    assert masked("a quarter") == masked("30%") == "# percent"


def test_calls_differ_in_all_but_numbers():
    assert masked_calls([call(10)]) == masked_calls([call(-2.5)])
    others = [[], [call(True)], [call("10")], [call(10, area=64)], [call(10, name="DOOR_POS")], [call(10)] * 2]
    assert len({masked_calls(calls) for calls in [[call(10)], *others]}) == 1 + len(others)
    swapped = {"arguments": dict(reversed(call(10)["arguments"].items())), "name": "setIntProperty"}
    assert masked_calls([swapped]) == masked_calls([call(10)])


def test_the_same_words_are_said_once():
    assert kept(1.0, ("Open it to 5", [call(5)]), ("open it to seven!", [call(7)]), ("open this to 5", [call(5)])) == [
        True,
        False,
        True,
    ]


def test_nearly_the_same_words_are_said_once():
    one = ("please roll the passenger window all the way down", [call(10, 64)])
    assert kept(0.8, one, ("please roll the passenger window all the way down now", [call(10, 64)])) == [True, False]
    assert kept(0.8, one, ("passenger window down", [call(10, 64)])) == [True, True]


@pytest.mark.parametrize(
    "pair",
    [
        [
            ("open the passenger window please", [call(True, 64)]),
            ("close the passenger window please", [call(False, 64)]),
        ],
        [
            ("open the left window for me please", [call(10, 16)]),
            ("open the right window for me please", [call(10, 64)]),
        ],
        [("turn the heat on", [call(True)]), ("turn the heat on", [])],
    ],
    ids=["open/close", "left/right", "call/no call"],
)
def test_minimal_pairs_survive(pair):
    assert kept(0.5, *pair) == [True, True]


def lcs(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence, as the textbook has it."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one, 1):
        for j, another in enumerate(other, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if word == another else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


sentences = st.lists(st.sampled_from("a b open the window 雪 🚗".split()), min_size=1, max_size=8)


@given(sentences, sentences, st.integers(0, 20).map(lambda twentieth: twentieth / 20))
def test_rouge_l_is_the_textbooks(one, other, threshold):
    fresh = NearDuplicates(threshold)
    assert fresh.is_new(" ".join(one), [])
    rouge_l = 2 * lcs(one, other) / (len(one) + len(other))
    assert fresh.is_new(" ".join(other), []) == (one != other and rouge_l <= threshold + 1e-9)


@given(st.lists(st.tuples(sentences, st.booleans()), max_size=12))
def test_no_two_kept_rows_are_near_duplicates(rows):
    fresh = NearDuplicates(0.7)
    left = [(words, value) for words, value in rows if fresh.is_new(" ".join(words), [call(value)])]
    for i, (one, value) in enumerate(left):
        for other, another in left[:i]:
            assert value != another or 2 * lcs(one, other) / (len(one) + len(other)) <= 0.7 + 1e-9


def test_words_may_be_as_many_as_they_like():
    fresh = NearDuplicates(0.8)
    words = [f"w{i}" for i in range(70_000)]  # more than there are characters below the surrogates
    assert fresh.is_new(" ".join(words), [])
    assert fresh.is_new("w55040 w55041 w57088", [])
    assert not fresh.is_new("w55040 w55041 w57088", [])
    assert fresh.is_new("", []) and not fresh.is_new("", [])
