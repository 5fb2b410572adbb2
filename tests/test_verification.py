import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen import catalog as catalogs
from toolgen import splits
from toolgen.refining.verification import Rules, deduplicated, heldout_combinations, verified

TOOLS = catalogs.load("data/catalog.json")
WINDOW = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}
RULES = Rules(TOOLS, frozenset({("WINDOW_POS&&set", "rear left")}), heldout_phrasing=0.5, seed=0, dedupe="calls")
HELD, TRAINED = (
    next(name for name in map(str, range(100)) if splits.is_held_out(0, name, 0.5) == side) for side in (True, False)
)


def reply(query: str = "open my window to 10", calls: object = (WINDOW,), split: str | None = None, **more) -> dict:
    text = json.dumps({"query": query, "answers": list(calls), **more})
    return {"id": query, "teacher": "offline", "prompt_sha": "", "text": text} | ({"split": split} if split else {})


def in_area(area: int) -> dict:
    return {"name": WINDOW["name"], "arguments": WINDOW["arguments"] | {"areaId": area}}


def test_an_example_says_what_it_is_split_and_compared_by():
    example = verified(reply(calls=[WINDOW | {"arguments": WINDOW["arguments"] | {"value": "10"}}]), RULES)
    assert example["calls"] == [WINDOW] and example["repairs"] == ["parsed_string"]
    assert example["end_state"] == {"WINDOW_POS": {"16": 10}}
    assert example["words"] == "open my window to #".split()
    assert example["place"] == splits.position(0, "open my window to #")
    assert (example["slice"], example["split"]) == (splits.SEEN, None)
    assert json.loads(json.dumps(example)) == example


@pytest.mark.parametrize(
    ("phrases", "area", "slice_"),
    [
        ([TRAINED], 16, splits.SEEN),
        ([HELD], 16, splits.PHRASING),
        ([TRAINED], 256, splits.COMBINATION),
        ([TRAINED, HELD], 16, "mixed_phrases"),
        ([HELD], 256, "mixed_phrases"),
    ],
)
def test_slices_are_kept_apart(phrases, area, slice_):
    found = verified(reply(calls=[in_area(area)], phrases=phrases), RULES)
    assert found.get("reason", found.get("slice")) == slice_


@pytest.mark.parametrize("split", splits.SPLITS)
def test_a_row_that_brings_its_split_is_of_no_slice_of_ours(split):
    example = verified(reply(phrases=[TRAINED, HELD], split=split), RULES)
    assert (example["slice"], example["split"]) == (splits.OWN, split)


@given(st.text(max_size=60) | st.just(json.dumps({"query": "q", "answers": [{"name": "f", "arguments": {}}]})))
def test_every_reply_is_an_example_or_a_rejection(text):
    row = verified({"id": "1", "teacher": "offline", "text": text}, RULES)
    assert set(row) == {"id", "reason", "detail", "example"} or row["calls"] == []


def test_rows_that_their_source_holds_out_are_neither_dropped_nor_a_reason_to_drop():
    rows = [verified(reply(split=split), RULES) for split in ("eval", None, "eval", "validation", "train", None)]
    reasons = [row.get("reason") for row in deduplicated(rows, 0.8)]
    assert reasons == [None, None, None, None, "near_duplicate", "near_duplicate"]


def test_combinations_are_writes_of_back_seats_and_the_like():
    chosen = heldout_combinations(TOOLS, 0, 4)
    assert len(chosen) == 4 and chosen <= heldout_combinations(TOOLS, 0, 5)
    for name, place in chosen:
        tool = TOOLS.by_name[name]
        assert tool.writes and place in tool.vehicle_property.places and "front" not in place
