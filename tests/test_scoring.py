"""Scores per slice, by hand: right, wrong, unreadable, undone, asked for nothing."""

import pytest

from toolgen import catalog
from toolgen.evaluation import answers, scoring, worst


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
FUNCTIONS = [
    {"name": "book", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
]


def given(tools, *all_calls):
    return [answers.of_calls(calls, tools) for calls in all_calls]


# What is wrong with an answer whatever was asked.


@pytest.mark.parametrize(
    ("text", "hallucinated", "invalid"),
    [
        ("", False, False),
        ("<<WINDOW_POS&&set>> front left 10", False, False),
        ("<<WINDOW_POS&&set>> front left 99", False, True),
        ("<<WINDOW_POS&&set>> on the roof 10", False, True),
        ("<<WINDOW_POS&&melt>> front left 10", True, True),
        ("<<WINDOW_POS&&set>> front left 10 <<FRIDGE&&get>>", True, True),
        ("certainly!", False, True),
    ],
)
def test_answers_of_call_texts(tools, text, hallucinated, invalid):
    answer = answers.of_text(text, tools)
    assert (answer.hallucinated, answer.invalid) == (hallucinated, invalid)


def test_answers_of_calls(tools):
    fridge = {"name": "getIntProperty", "arguments": {"propertyName": "FRIDGE", "areaId": 1}}
    eject = {"name": "ejectDriver", "arguments": {}}
    read = given(tools, [OPEN], [], [fridge], [OPEN, eject], [call("WINDOW_POS", 16, 99)], None)
    assert [answer.hallucinated for answer in read] == [False, False, True, True, False, False]
    assert [answer.invalid for answer in read] == [False, False, True, True, True, True]


def test_a_token_within_json_names_no_tool():
    ordinary = catalog.build(FUNCTIONS, [])
    assert not answers.of_text('<<book>> {"city": "<<Oslo>>"}', ordinary).invalid
    assert not answers.of_text('<<book>> {"town": "<<Oslo>> \\" <<Rome>>"} oops', ordinary).hallucinated
    assert answers.of_text('<<book>> {"city": "Oslo"} <<fly>> {}', ordinary).hallucinated


# Calls.


def test_slices_hold_the_halves_and_the_whole_of_the_spoken_set():
    assert scoring.slices(ROWS) == {"spoken": [0, 1, 2, 3], "spoken_dev": [0, 1], "spoken_test": [2, 3]}
    noisy = [*ROWS, ROWS[0] | {"slice": "spoken_noisy"}]
    assert scoring.slices(noisy)["spoken"] == [0, 1, 2, 3] and scoring.slices(noisy)["spoken_noisy"] == [4]


def test_call_scores_by_hand(tools):
    scores = scoring.by_slice(ROWS, given(tools, [OPEN], [READ], [], None), tools, seed=0)
    assert scores["spoken"]["exact_match"]["value"] == 0.75
    assert scores["spoken"]["invalid_calls"]["value"] == 0.25
    assert scores["spoken"]["hallucinated_tools"]["value"] == 0.0
    assert scores["spoken_dev"]["exact_match"] == {"value": 1.0, "n": 2, "low": 1.0, "high": 1.0}
    assert scores["spoken"]["exact_match_by_kind"]["no-call"]["value"] == 1.0
    assert set(scoring.CALL_MEASURES) < set(scores["spoken"])
    assert set(scoring.by_slice(ROWS, given(tools, [], [], [], []), tools, 0, brief=True)["spoken"]) == {
        "exact_match", "tool_accuracy", "hallucinated_tools", "invalid_calls", "abstention"}  # fmt: skip


def test_abstention_by_hand(tools):
    shares = scoring.abstention(ROWS, given(tools, [], [READ], [], None), seed=0)
    assert {name: (share["value"], share["n"]) for name, share in shares.items()} == {
        "precision": (0.5, 2), "recall": (1.0, 1), "refused": (0.3333, 3)}  # fmt: skip
    silent = scoring.abstention(ROWS[:2], given(tools, [OPEN], [READ]), seed=0)
    assert silent["precision"] == silent["recall"] == {"value": None, "n": 0}


def test_an_unreadable_answer_is_wrong_by_every_measure(tools):
    scores = scoring.by_slice(ROWS[2:3], given(tools, None), tools, seed=0)["spoken_test"]
    assert {name: scores[name]["value"] for name in scoring.CALL_MEASURES} == dict.fromkeys(scoring.CALL_MEASURES, 0.0)
    assert scores["abstention"]["recall"]["value"] == 0.0


def test_by_property_counts_rows_that_are_new(tools):
    lock = {"name": "setBooleanProperty", "arguments": {"propertyName": "DOOR_LOCK", "areaId": 1, "value": True}}
    both = {"query": "open up and lock", "kind": "parallel", "accept": [[OPEN, lock]], "slice": "seen_phrasing"}
    rows = [*ROWS, both, *(ROWS[0] | {"slice": name} for name in scoring.NOT_NEW)]
    scores = scoring.by_property(rows, given(tools, [OPEN], [OPEN], [], [READ], [OPEN, lock], [], []), tools, seed=0)
    assert {name: (score["value"], score["n"]) for name, score in scores.items()} == {
        "DOOR_LOCK": (1.0, 1), "WINDOW_POS": (0.75, 4)}  # fmt: skip


# The end state of the car.


def test_a_write_that_is_undone_counts_as_undone(tools):
    assert scoring.same_end_state([SHUT, OPEN], [[OPEN]], tools)
    assert not scoring.same_end_state([OPEN, SHUT], [[OPEN]], tools)
    assert not scoring.same_end_state([OPEN, SHUT], [[]], tools), "nobody knows that it was shut before"
    assert not scoring.same_end_state([], [[READ]], tools), "a reading leaves no trace in the car and is still wanted"
    assert not scoring.same_end_state([call("WINDOW_POS", 16, 99)], [[OPEN]], tools)


def test_order_and_other_windows_in_the_end_state(tools):
    other = call("WINDOW_POS", 64, 10)
    assert scoring.same_end_state([other, OPEN], [[OPEN, other]], tools)
    assert scoring.same_end_state([READ, OPEN], [[OPEN, READ]], tools)
    assert not scoring.same_end_state([READ, READ], [[READ]], tools)
    assert not scoring.same_end_state([other], [[OPEN]], tools)


def test_ordinary_tools_change_no_car():
    ordinary = catalog.build(FUNCTIONS, [])
    oslo, rome = ({"name": "book", "arguments": {"city": city}} for city in ("Oslo", "Rome"))
    assert scoring.same_end_state([rome, oslo], [[oslo, rome]], ordinary)
    assert not scoring.same_end_state([oslo, oslo], [[oslo]], ordinary)
    assert not scoring.same_end_state([{"name": "fly", "arguments": {}}], [[oslo]], ordinary)


# BFCL's way.


def test_declared_match_takes_alternatives_and_defaults(tools):
    assert scoring.declared_match([call("WINDOW_POS", 64, 10)], [[OPEN], [call("WINDOW_POS", 64, 5)]], tools)
    assert not scoring.declared_match([call("WINDOW_POS", 64, 3)], [[OPEN], [call("WINDOW_POS", 64, 5)]], tools)
    nights = {"nights": {"type": "integer", "default": 1}, "city": {"type": "string"}}
    hotels = catalog.build([{"name": "book", "parameters": {"type": "object", "properties": nights}}], [])
    gold = [[{"name": "book", "arguments": {"city": "Oslo"}}]]
    assert scoring.declared_match([{"name": "book", "arguments": {"city": "Oslo", "nights": 1}}], gold, hotels)
    assert not scoring.declared_match([{"name": "book", "arguments": {"city": "Oslo", "nights": 2}}], gold, hotels)


# Retrieval.


def test_retrieval_leaves_out_rows_that_want_no_tool(tools):
    best = ["WINDOW_POS&&set", "WINDOW_POS&&get"]
    scores = scoring.retrieval_scores(ROWS, [best, best, best, best], tools, seed=0)
    assert scores["spoken"]["mrr"]["n"] == 3
    assert {name: score["value"] for name, score in scores["spoken_test"].items()} == {
        "recall_at_1": 0.0, "recall_at_3": 1.0, "recall_at_5": 1.0, "mrr": 0.5,
        "ndcg_at_1": 0.0, "ndcg_at_3": 0.6309, "ndcg_at_5": 0.6309,
        "ndcg_at_1_paper_compat": 0.0, "ndcg_at_3_paper_compat": 0.6309, "ndcg_at_5_paper_compat": 0.6309,
    }  # fmt: skip


def test_the_paper_counts_only_what_its_five_beams_found(tools):
    row = ROWS[0] | {"accept": [[OPEN, READ]]}
    ranked = ["WINDOW_POS&&set", *"abcd", "WINDOW_POS&&get"]
    scores = scoring.retrieval_scores([row], [ranked], tools, seed=0)["spoken"]
    assert scores["ndcg_at_5_paper_compat"]["value"] == 1.0
    assert scores["ndcg_at_5"]["value"] == 0.6131  # 1 / (1 + 1 / log2(3))
    assert scoring.relevant_ranks(row, ranked, tools) == [1, 6]


# The worst answers.


def test_the_worst_are_shown_first_and_only_where_they_may_be_read(tools):
    texts = ["<<WINDOW_POS&&set>> front left 5", "oops", "<<WINDOW_POS&&get>> front left", ""]
    rows = [ROWS[0] | {"query": "open | `up`\nplease"}, *ROWS[1:]]
    lines = worst.table(rows, texts, [answers.of_text(text, tools) for text in texts], tools).splitlines()
    assert lines[0].startswith("The worst 2 of 2")
    assert lines[4].startswith("| shut it | single | `<<WINDOW_POS&&set>> front left 0` or `<<WINDOW_POS&&get>>")
    assert lines[4].endswith("| `oops` | 0.00 |")
    assert lines[5].startswith("| open \\| `up` please |") and lines[5].endswith("| 0.67 |")
    assert len(lines) == 6


def test_right_answers_are_not_among_the_worst(tools):
    read = given(tools, [OPEN], [READ], [], [READ])
    assert worst.table(ROWS, ["", "", "", ""], read, tools).startswith("The worst 0 of 0")
