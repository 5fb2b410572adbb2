"""Imported examples in refine: what is checked, what is put right, what they are compared by."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen import catalog, splits
from toolgen.checks import REASONS
from toolgen.refining.leaks import Leak, Row, audit
from toolgen.refining.verification import Rules, deduplicated, verified

TOOLS = catalog.build([
    {"name": "play song", "parameters": {"type": "object", "properties": {
        "title": {"type": "string"}, "volume": {"type": "integer", "maximum": 10}}, "required": ["title"]}},
    {"name": "stop"},
], [])  # fmt: skip
RULES = Rules(TOOLS, frozenset(), heldout_phrasing=0.5, seed=0, dedupe="calls")
PLAY = {"name": "play song", "arguments": {"title": "Blue", "volume": 7}}
SAID = {"name": "play song", "arguments": {"title": "Blue", "volume": "7"}}
STOP = {"name": "stop", "arguments": {}}
HISTORY = [{"role": "user", "content": "play Red"}, {"role": "assistant", "content": None, "tool_calls": [PLAY]}]


def made(example: dict, **reply) -> dict:
    text = json.dumps({"query": "play Blue"} | example)
    return verified({"id": "1", "teacher": "imported", "text": text} | reply, RULES)


@pytest.mark.parametrize(("example", "calls", "more"), [
    ({"answers": [SAID, STOP]}, [PLAY, STOP], {}),
    ({"answers": []}, [], {}),
    ({"accept": [[SAID], [STOP, SAID]]}, [PLAY], {"accept": [[PLAY], [STOP, PLAY]]}),
    ({"accept": []}, [], {"accept": [[]]}),
    ({"relevant_tools": ["stop"]}, [], {"relevant_tools": ["stop"]}),
    ({"history": HISTORY, "answers": [STOP]}, [STOP], {"history": HISTORY}),
    ({"steps": [SAID | {"thought": "a", "observation": "b"}], "final_answer": "c"}, [PLAY],
     {"steps": [PLAY | {"thought": "a", "observation": "b"}], "final_answer": "c"}),
])  # fmt: skip
def test_calls_are_put_right_wherever_they_stand(example, calls, more):
    found = made(example)
    assert found["calls"] == calls and found.get("more", {}) == more and found["end_state"] is None
    assert found["repairs"] == ["parsed_string"] * json.dumps(example).count('"7"')
    assert (found["slice"], found["split"]) == (splits.SEEN, None)
    assert made(example, split="eval")["slice"] == splits.OWN


@pytest.mark.parametrize(("example", "reason"), [
    ({"answers": [{"name": "stop", "arguments": {}}, {"name": "play song", "arguments": {}}]}, "bad_schema"),
    ({"accept": [[PLAY], [PLAY | {"arguments": {"title": "Blue", "volume": 11}}]]}, "bad_schema"),
    ({"answers": [{"name": "no such", "arguments": {}}]}, "bad_form"),
    ({"answers": [PLAY], "accept": [[PLAY]]}, "bad_form"),
    ({"steps": [PLAY], "final_answer": ""}, "bad_form"),
    ({"relevant_tools": "stop"}, "bad_form"),
    ({"query": " ", "answers": []}, "empty_query"),
    ({"query": "x" * 3000, "answers": []}, "query_too_long"),
])  # fmt: skip
def test_what_does_not_fit_is_rejected_with_its_reason(example, reason):
    assert made(example)["reason"] == reason


ITEMS = st.none() | st.dictionaries(st.sampled_from(["name", "arguments"]), st.just("stop") | st.just({}))
VALUES = st.none() | st.text(max_size=4) | st.lists(ITEMS, max_size=2)
KEYS = ("query", "answers", "accept", "steps", "history", "relevant_tools", "final_answer")


@given(st.text(max_size=40) | st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES)).map(json.dumps))
def test_every_text_is_an_example_or_a_rejection(text):
    found = verified({"id": "1", "teacher": "imported", "text": text}, RULES)
    assert found.get("reason", REASONS[0]) in REASONS


def test_near_duplicates_have_the_same_turns_before_them_and_the_same_tools():
    rows = [
        made({"answers": [STOP]}), made({"answers": [STOP], "history": HISTORY}), made({"relevant_tools": ["stop"]}),
        made({"relevant_tools": ["play song"]}), made({"answers": [STOP], "history": HISTORY}),
        made({"relevant_tools": ["stop"]}),
    ]  # fmt: skip
    assert [row.get("reason") for row in deduplicated(rows, 0.8)] == [None, None, "near_duplicate", None,
                                                                     "near_duplicate", "near_duplicate"]  # fmt: skip


def test_the_same_words_after_other_turns_are_no_leak():
    rows = [Row("train", False, "yes please", [STOP]), Row("eval", False, "yes please", [STOP], {"history": HISTORY})]
    assert audit(lambda: iter(rows), [], 0.8, "calls")["own_split"] == {"masked_equal": 0, "near_identical": 0}
    with pytest.raises(Leak):
        audit(lambda: iter([rows[0], Row("eval", False, "yes please", [STOP])]), [], 0.8, "calls")
