import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import process
from rapidfuzz.distance import Indel

from toolgen import catalog
from toolgen.bank import phrases
from toolgen.duplicates import NearDuplicates, group_of, masked, masked_calls, masked_words, without_numbers
from toolgen.teachers import offline


def call(value: object, area: int = 16, name: str = "WINDOW_POS") -> dict:
    return {"name": "setIntProperty", "arguments": {"propertyName": name, "areaId": area, "value": value}}


def kept(threshold: float, *rows: tuple[str, list[dict]]) -> list[bool]:
    fresh = NearDuplicates(threshold)
    return [fresh.is_new(said(query, calls), group_of(calls, "calls")) for query, calls in rows]


def said(query: str, calls: list[dict]) -> list[str]:
    return masked_words(without_numbers(query), calls)


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


def rouge_l(one: list[str], other: list[str]) -> float:
    return 2 * lcs(one, other) / (len(one) + len(other))


def exhaustive(threshold: float, rows: list[tuple[list[str], str]]) -> list[bool]:
    """Which rows are kept when each is compared with every row kept before it."""
    kept, new = [], []
    for words, group in rows:
        near = any(
            group == other and (words == known or rouge_l(words, known) > threshold + 1e-9) for known, other in kept
        )
        new.append(not near)
        kept += [] if near else [(words, group)]
    return new


def test_punctuation_is_a_word_and_quoted_arguments_are_masked():
    assert said("Window down, please!", []) == ["window", "down", ",", "please"]
    call = {"name": "search", "arguments": {"propertyName": "cinema", "near": ["New York"], "price": 21}}
    assert said("a cinema in new york, for 21", [call]) == ["a", "cinema", "in", "#", ",", "for", "#"]
    assert said("a newer cinema", [{"name": "search", "arguments": {"text": "new"}}]) == ["a", "newer", "cinema"]


def test_the_rule_of_the_seed_is_blind_to_calls():
    opened, closed = [call(10)], [call(True)]
    assert group_of(opened, "calls") != group_of(closed, "calls")
    assert group_of(opened, "seed") == group_of(closed, "seed") == group_of([], "seed")


def test_of_near_duplicates_the_first_is_kept():
    one, two, three = "a b c d e f g h i j", "a b c d e f g h i k", "a b c d e f g h l k"
    rows = [(one.split(), ""), (two.split(), ""), (three.split(), "")]
    fresh = NearDuplicates(0.85)  # one and two are near, two and three, but not one and three
    assert [fresh.is_new(*row) for row in rows] == [True, False, True]
    fresh = NearDuplicates(0.85)
    assert [fresh.is_new(*row) for row in (rows[1], rows[0], rows[2])] == [True, False, False]


sentences = st.lists(st.sampled_from("a b open the window 雪 🚗".split()), min_size=1, max_size=8)
thresholds = st.integers(0, 20).map(lambda twentieth: twentieth / 20)
many_rows = st.lists(st.tuples(sentences, st.sampled_from(["", "x"])), max_size=20)


@given(sentences, sentences, thresholds)
def test_rouge_l_is_the_textbooks(one, other, threshold):
    fresh = NearDuplicates(threshold)
    assert fresh.is_new(one, "")
    assert fresh.is_new(other, "") == (one != other and rouge_l(one, other) <= threshold + 1e-9)


@given(many_rows, thresholds)
def test_the_index_keeps_what_an_exhaustive_comparison_keeps(rows, threshold):
    fresh = NearDuplicates(threshold)
    assert [fresh.is_new(*row) for row in rows] == exhaustive(threshold, rows)


@given(many_rows, sentences, thresholds.filter(lambda threshold: threshold < 1))
def test_every_match_is_found_once(rows, words, threshold):
    known = NearDuplicates(threshold)
    assert [known.add(*row) for row in rows] == list(range(len(rows)))
    near = [i for i, (other, group) in enumerate(rows) if group == "x" and rouge_l(words, other) > threshold + 1e-9]
    assert sorted(known.matches(words, "x")) == near


@given(many_rows, thresholds)
def test_what_was_kept_is_kept_again(rows, threshold):
    fresh, again = NearDuplicates(threshold), NearDuplicates(threshold)
    kept = [row for row in rows if fresh.is_new(*row)]
    assert all(again.is_new(*row) for row in kept)


@pytest.mark.parametrize("rule", ("calls", "seed"))
def test_recall_of_the_index_on_the_teachers_queries(catalog_path, rule):
    """Of the rows that an exhaustive comparison of 5,000 drops, 99% are wanted; the filter is exact."""
    tools = catalog.load(catalog_path)
    bank = phrases.load(catalog_path.parent / "phrases", tools)
    rows = []
    for reply in offline.replies(bank, tools, 5000, 0, offline.Mix(no_call=0.12, joined=0.36, noise=0.15)):
        written = json.loads(reply["text"])
        rows.append((said(written["query"], written["answers"]), group_of(written["answers"], rule)))
    fresh = NearDuplicates(0.8)
    found = {i for i, row in enumerate(rows) if not fresh.is_new(*row)}
    kept: dict[str, list[list[str]]] = {}
    wanted = set()
    for i, (words, group) in enumerate(rows):
        others = kept.setdefault(group, [])
        if process.extractOne(words, others, scorer=Indel.normalized_similarity, score_cutoff=0.8 + 1e-4):
            wanted.add(i)
        else:
            others.append(words)
    assert len(wanted) > 20
    assert len(wanted & found) >= 0.99 * len(wanted)
    assert found == wanted


def test_words_may_be_as_many_as_they_like():
    fresh = NearDuplicates(0.8)
    words = [f"w{i}" for i in range(70_000)]
    assert fresh.is_new(words, "")
    assert fresh.is_new(["w55040", "w55041", "w57088"], "")
    assert not fresh.is_new(["w55040", "w55041", "w57088"], "")
    assert fresh.is_new([], "") and not fresh.is_new([], "")
