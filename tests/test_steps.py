"""Trajectories: what is learnt of them, what may be written in a turn, and how turns are scored."""

import pytest

from toolgen import calltext, catalog, checkpoints, turns
from toolgen.conversations import FINISH, MAX_STEPS, STEP, agent, agent_turns
from toolgen.evaluation import steps
from toolgen.trajectories import MAX_THOUGHT, Turn, TurnDecoder, TurnGrammar

CATALOG = catalog.build([
    {"name": "look up", "parameters": {
        "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}},
    {"name": "stop&&it"},
], [])  # fmt: skip
ROW = {
    "query": "what is an otter",
    "plan_sequence": [{"thought": "I look.", "action": "<<look up>>", "action_input": {"word": "otter"}}],
    "observations": ["a swimmer"],
    "final_answer": "It swims.",
}
LOOKED = {"name": "look up", "arguments": {"word": "otter"}}


@pytest.fixture(scope="module")
def decoder():
    texts = ["what is an otter", '{"word":"otter"}', "it swims and looks"] * 5
    model, tokenizer = checkpoints.from_scratch(texts, CATALOG, checkpoints.Shape(400, 32, 64, 1, 2), 0)
    checkpoints.add_tool_tokens(model, tokenizer, CATALOG, steps=True)
    return TurnDecoder(checkpoints.Checkpoint(model, tokenizer, CATALOG, checkpoints.Info("agent_tuning", "")))


def test_a_trajectory_is_one_example_a_turn():
    first, last = agent_turns(ROW, CATALOG)
    assert first.text == ROW["query"] and first.mark == last.mark == STEP
    assert first.completion == (("", (" I look.",)), ("<<look up>>", (' {"word":"otter"}',)))
    assert last.text == f'< look up {{"word": "otter"}} = a swimmer{turns.SEPARATOR}what is an otter'
    assert last.completion == ((FINISH, (" It swims.",)),)


def test_a_row_without_observations_is_one_turn_as_ever():
    row = {key: ROW[key] for key in ("query", "plan_sequence", "final_answer")}
    assert agent_turns(row, CATALOG) == [agent(row, CATALOG)]


def test_a_trajectory_has_its_limit():
    row = ROW | {"plan_sequence": ROW["plan_sequence"] * 20, "observations": ["a"] * 20}
    found = agent_turns(row, CATALOG)
    assert len(found) == MAX_STEPS and all(turn.completion[-1][0] == "<<look up>>" for turn in found)


def test_any_turn_that_is_written_can_be_read(decoder):
    for text in ("what is an otter", "stop", "日本"):
        (turn,) = decoder.turns([text], 1)
        assert isinstance(turn.thought, str)
        assert turn.call is None or (turn.call["name"] in CATALOG.function_names and turn.answer is None)


def test_a_turn_is_a_thought_then_one_call_or_the_end(decoder):
    grammar: TurnGrammar = decoder.grammar
    plain = next(iter(grammar.plain))
    state = grammar.start
    for _ in range(MAX_THOUGHT):
        state = grammar.step(state, plain)
    assert grammar.step(state, plain) is None and grammar.end not in grammar.allowed(state)
    stop, look = decoder.tokenizer.convert_tokens_to_ids(["<<stop&&it>>", "<<look up>>"])
    assert {stop, look, grammar.finish} == set(grammar.allowed(state))
    state = grammar.step(state, stop)
    for index in decoder.tokenizer(" {}", add_special_tokens=False)["input_ids"]:
        state = grammar.step(state, index)
    assert state.done and grammar.step(state, look) is None
    answer = grammar.step(grammar.start, grammar.finish)
    assert answer.done and grammar.step(answer, look) is None and grammar.step(answer, plain) is not None


def test_the_written_ids_become_a_turn(decoder):
    encode = decoder.tokenizer.convert_tokens_to_ids
    text = decoder.tokenizer(" it looks", add_special_tokens=False)["input_ids"]
    arguments = decoder.tokenizer(' {"word":"otter"}', add_special_tokens=False)["input_ids"]
    assert decoder._turn([*text, encode("<<look up>>"), *arguments]) == Turn("it looks", LOOKED)
    assert decoder._turn([encode(FINISH), *text]) == Turn("", answer="it looks")
    assert calltext.write([LOOKED], CATALOG) == '<<look up>> {"word":"otter"}'


def test_turns_are_scored_behind_what_was_recorded():
    row = {"query": "q", "steps": [LOOKED | {"thought": "", "observation": ""}] * 2, "final_answer": "a"}
    right, wrong = Turn("", LOOKED), Turn("", LOOKED | {"arguments": {"word": "cat"}})
    end = Turn("", answer="b")
    found = steps.scores([row, row, row], [[right, right, end], [right, wrong, end], [end, right, right]], 0)
    assert {name: score["n"] for name, score in found.items()} == {
        "next_tool_accuracy": 6, "next_call_exact_match": 6, "finish": 3, "goes_on": 6, "trajectory_exact_match": 3,
    }  # fmt: skip
    assert {name: score["value"] for name, score in found.items()} == {
        "next_tool_accuracy": 0.8333, "next_call_exact_match": 0.6667, "finish": 0.6667, "goes_on": 0.8333,
        "trajectory_exact_match": 0.3333,
    }  # fmt: skip
    assert steps.written([right, end]) == [{"thought": "", **LOOKED}, {"thought": "", "Finish": "b"}]
