"""Scores per slice, by hand: right, wrong, unreadable, undone, asked for nothing."""

import pytest

from toolgen import catalog, scoring


def call(name, area, value=None):
    verb = "get" if value is None else "set"
    arguments = {"propertyName": name, "areaId": area} | ({} if value is None else {"value": value})
    return {"name": f"{verb}IntProperty", "arguments": arguments}


@pytest.fixture(scope="module")
def tools(catalog_path):
    return catalog.load(catalog_path)


OPEN, SHUT, READ = call("WINDOW_POS", 16, 10), call("WINDOW_POS", 16, 0), call("WINDOW_POS", 16)
ROWS = [
    {"query": "open up", "kind": "single", "accept": [[OPEN]], "slice": "spoken_dev"},
    {"query": "shut it", "kind": "single", "accept": [[SHUT], [READ]], "slice": "spoken_dev"},
    {"query": "hello", "kind": "no-call", "accept": [[]], "slice": "spoken_test"},
    {"query": "how far is it open", "kind": "single", "accept": [[READ]], "slice": "spoken_test"},
]


def test_slices_hold_the_halves_and_the_whole_of_the_spoken_set():
    assert scoring.slices(ROWS) == {"spoken": [0, 1, 2, 3], "spoken_dev": [0, 1], "spoken_test": [2, 3]}


def test_call_scores_by_hand(tools):
    scores = scoring.by_slice(ROWS, [[OPEN], [READ], [], None], tools, seed=0)
    assert scores["spoken"]["exact_match"]["value"] == 0.75
    assert scores["spoken"]["valid_calls"]["value"] == 0.75
    assert scores["spoken_dev"]["exact_match"] == {"value": 1.0, "n": 2, "low": 1.0, "high": 1.0}
    assert scores["spoken"]["exact_match_by_kind"]["no-call"]["value"] == 1.0
    assert scores["spoken"]["abstention"]["recall"] == 1.0
    assert scores["spoken"]["abstention"]["precision"] == 0.5


def test_a_write_that_is_undone_counts_as_undone(tools):
    assert scoring.same_end_state([SHUT, OPEN], [[OPEN]], tools)
    assert not scoring.same_end_state([OPEN, SHUT], [[OPEN]], tools)
    assert not scoring.same_end_state([], [[READ]], tools), "a reading leaves no trace in the car and is still wanted"


def test_an_unreadable_answer_to_a_request_without_calls_is_wrong(tools):
    assert scoring.by_slice(ROWS[2:3], [None], tools, seed=0)["spoken_test"]["exact_match"]["value"] == 0.0


def test_retrieval_leaves_out_rows_that_want_no_tool(tools):
    best = ["WINDOW_POS&&set", "WINDOW_POS&&get"]
    scores = scoring.retrieval_scores(ROWS, [best, best, best, best], tools)
    assert scores["spoken"]["n"] == 3
    assert scores["spoken_test"] == {"n": 1, "recall_at_1": 0.0, "recall_at_3": 1.0, "recall_at_5": 1.0, "mrr": 0.5,
                                     "ndcg_at_1": 0.0, "ndcg_at_3": 0.6309, "ndcg_at_5": 0.6309}  # fmt: skip
