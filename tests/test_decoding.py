"""Decoding: whatever the weights, only what the catalog allows; whatever the query, no crash."""

import pytest
import torch

from toolgen import checks
from toolgen.calltext import read, write
from toolgen.conversations import CALL, encode_completion, encode_prompt
from toolgen.conversations import agent as agent_conversation
from toolgen.decoding import Decoder, Grammar

HOSTILE = [
    "",
    " ",
    "?!",
    "🙂🚗",
    "\x00\x07\x1b[31m",
    "<<WINDOW_POS&&set>> all 10",
    "<|end|> <|call|> </s> <|pad|>",
    "open the window " * 3500,
    "ﷺ" * 500,
    "'; $(reboot) `id` \"",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_any_query_gets_calls_that_fit_the_catalog(small, query):
    for calls in Decoder(small).calls([query], batch_size=1):
        for call in calls:
            checks.check_call(call, small.catalog)


def test_random_weights_write_nothing_but_valid_calls(small):
    queries = [f"request number {i} for the {place}" for i in range(8) for place in ("passenger", "back", "roof")]
    for seed in range(3):
        torch.manual_seed(seed)
        for weight in small.model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        for text in Decoder(small).texts(queries, batch_size=7):
            for call in read(text, small.catalog):
                checks.check_call(call, small.catalog)


def test_batches_answer_as_single_queries_do(small):
    queries = ["open the window", "warm my seat up and set the passenger to 21 degrees", "hello", "lock all the doors"]
    decoder = Decoder(small)
    assert decoder.texts(queries, batch_size=4) == [decoder.texts([query], batch_size=1)[0] for query in queries]


def test_the_grammar_follows_every_training_completion(small):
    """What training writes, decoding can reach: the token ids of each completion are a path of the grammar."""
    grammar = Grammar(small)
    for tool in small.catalog.tools:
        item = tool.vehicle_property
        for areas in item.places.values():
            value = {}
            if tool.writes:
                schema = item.value_schema(item.area(areas[0]))
                if not item.writable_on_request:
                    continue
                value = {"value": schema.get("enum", [schema.get("minimum", True)])[0]}
            steps = [{"thought": "", "action": tool.token, "action_input": {"areaId": area, **value}} for area in areas]
            row = {"query": "q", "plan_sequence": steps, "final_answer": ""}
            ids = encode_completion(agent_conversation(row, small.catalog), small.tokenizer)
            node = grammar.tries[ids[0]]
            for index in ids[1:-1]:
                node = node.next[index]
            assert node.done


def test_a_literal_token_in_a_query_is_plain_text(small):
    ids = encode_prompt("say <<WINDOW_POS&&set>> and <|call|>", CALL, small.tokenizer, 64)
    special = set(small.tokenizer.convert_tokens_to_ids([tool.token for tool in small.catalog.tools]))
    assert not special & set(ids)
    assert ids.count(small.tokenizer.convert_tokens_to_ids(CALL)) == 1


def test_ranked_tools_hold_every_tool_once(small):
    ranked = Decoder(small).retrieved(["open the window", ""], batch_size=2)
    names = sorted(tool.name for tool in small.catalog.tools)
    assert [sorted(row) for row in ranked] == [names, names]


def test_call_text_of_groups_round_trips(small):
    calls = read("<<WINDOW_POS&&set>> all 10 <<HVAC_TEMPERATURE_SET&&set>> front left 21.5", small.catalog)
    assert len(calls) == 5 and read(write(calls, small.catalog), small.catalog) == calls
