import os
import subprocess
import sys

import pytest

from toolgen.evaluation import baselines
from toolgen.evaluation.fusion import best_first

DESCRIPTIONS = ["Read: the temperature outside", "Write: the fan speed", "Write: the temperature of the cabin"]
TOOLS = ["<<OUTSIDE&&get>>", "<<FAN&&set>>", "<<CABIN&&set>>"]

QUERIES = ["make it warmer", "turn the heat up", "open the window", "window down please", "fan on", "set the fan to 2"]
LABELS = ["heat", "heat", "window", "window", "fan", "fan"]
CALLS = [[{"name": label, "arguments": {"value": i}}] for i, label in enumerate(LABELS)]


def classifier(queries, labels):
    names, margins = baselines.tfidf_margins(queries, labels, seed=0)
    return lambda asked: [[names[i] for i in row] for row in best_first(margins(asked)).tolist()]


def both(queries, labels):
    return baselines.bm25(queries, labels), classifier(queries, labels)


def test_bm25_ranks_descriptions():
    rank = baselines.bm25(DESCRIPTIONS, TOOLS)
    assert rank(["how fast is the fan", "the cabin temperature"]) == [
        ["<<FAN&&set>>", "<<OUTSIDE&&get>>", "<<CABIN&&set>>"],
        ["<<CABIN&&set>>", "<<OUTSIDE&&get>>", "<<FAN&&set>>"],
    ]


def test_bm25_scores_a_label_by_its_best_document():
    # Three middling documents of `many` do not add up to the one good document of `one`.
    documents = ["red car here now", "red car there then", "red bus", "red car wheel"]
    assert baselines.bm25(documents, ["many", "many", "many", "one"])(["red car wheel"]) == [["one", "many"]]


@pytest.mark.parametrize("make", [0, 1])
def test_queries_find_their_labels(make):
    rank = both(QUERIES, LABELS)[make]
    rankings = rank(["warmer", "the window", "fan 2"])
    assert [ranking[0] for ranking in rankings] == ["heat", "window", "fan"]
    assert all(sorted(ranking) == ["fan", "heat", "window"] for ranking in rankings)


@pytest.mark.parametrize("make", [0, 1])
def test_a_query_may_have_several_labels(make):
    labels = [["heat"], ["heat"], ["window"], ["window", "window"], ["fan"], ["fan", "heat"]]
    rank = both(QUERIES, labels)[make]
    assert set(rank(["set the fan to 2"])[0][:2]) == {"fan", "heat"}
    assert rank(["open the window"])[0][0] == "window"


@pytest.mark.parametrize("make", [0, 1])
def test_rankings_of_nothing_known_are_full(make):
    rank = both(QUERIES, LABELS)[make]
    for ranking in rank(["", "   ", "?!", "xyzzy", "日本", "a", "the"]):
        assert sorted(ranking) == ["fan", "heat", "window"]
    assert rank([]) == []


@pytest.mark.parametrize("make", [0, 1])
def test_one_and_two_labels(make):
    assert both(["warm", "hot"], ["heat", "heat"])[make](["warm", ""]) == [["heat"], ["heat"]]
    rank = both(["warm", "hot", "breeze", "wind"], ["heat", "heat", "fan", "fan"])[make]
    assert rank(["warm", "wind"]) == [["heat", "fan"], ["fan", "heat"]]


@pytest.mark.parametrize("make", [baselines.bm25, classifier])
def test_bad_training_data_is_refused(make):
    with pytest.raises(ValueError, match="2 texts against 1"):
        make(["a fan", "a seat"], ["fan"])
    with pytest.raises(ValueError, match="no text has a label"):
        make([], [])
    with pytest.raises(ValueError, match="no text has a label"):
        make(["fan"], [[]])
    with pytest.raises(ValueError):
        make(["", "?"], ["fan", "seat"])


def test_bm25_keeps_labels_of_documents_without_words():
    assert baselines.bm25(["", "fan"], ["silent", "fan"])(["fan", "x"]) == [["fan", "silent"], ["silent", "fan"]]


def test_nearest_query_copies_calls():
    answer = baselines.nearest_query(QUERIES, CALLS)
    assert answer(["turn up the heat", "fan on", "fan 2", "open my window"]) == [CALLS[1], CALLS[4], CALLS[5], CALLS[2]]


def test_nearest_query_without_a_known_word_makes_no_call():
    answer = baselines.nearest_query([*QUERIES, "how are you"], [*CALLS, []])
    assert answer(["", "xyzzy", "how do you do"]) == [[], [], []]
    assert answer([]) == []
    with pytest.raises(ValueError, match="6 texts against 1"):
        baselines.nearest_query(QUERIES, [[]])


def test_words_that_tell_calls_apart_are_kept():
    assert baselines._words(["Turn the fan ON, not off: 2 to 22.5", ""]) == [
        ["turn", "fan", "on", "not", "off", "2", "22", "5"],
        [],
    ]


def test_same_rankings_in_another_process():
    """Vocabularies are built from sets of strings, whose order differs from process to process."""
    program = (
        "from toolgen.evaluation import baselines as b\n"
        f"q, l, t = {QUERIES!r}, {LABELS!r}, ['the fan is on', 'up', '']\n"
        "print(b.bm25(q, l)(t), b.tfidf_margins(q, l, 3)[1](t).tolist(), b.nearest_query(q, [[x] for x in l])(t))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": "scripts", "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
