"""A thousand ordinary tools: what is made once for a catalog, and that no step of decoding goes through its tools."""

import pytest
import torch

from toolgen import catalog, checkpoints, schemas
from toolgen.conversations import RETRIEVE
from toolgen.decoding import Decoder
from toolgen.grammar import Schema
from toolgen.records import BadRecord

SIZE = 1000
SHAPE = checkpoints.Shape(vocab_size=500, hidden_size=8, intermediate_size=8, num_layers=1, num_heads=1)


class NeverListed(dict):
    """What may be looked up, but not gone through."""

    def __iter__(self):
        raise AssertionError("a step of decoding goes through all tools")

    keys = values = items = __iter__


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    tools = catalog.build([
        {"name": f"tool_{i}", "description": f"Does thing {i}.", "parameters": {
            "type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": i}}, "required": ["n"]}}
        for i in range(SIZE)
    ], [])  # fmt: skip
    model, tokenizer = checkpoints.from_scratch(['do thing {"n":12}'] * 5, tools, SHAPE, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    return Decoder(checkpoints.Checkpoint(model, tokenizer, tools, checkpoints.Info("agent_tuning", "from_scratch")))


def test_every_tool_has_its_row(decoder):
    words = checkpoints.encode_text(" tool 7 Does thing 7.", decoder.tokenizer)
    table = decoder.model.get_input_embeddings().weight
    [index] = [i for i, tool in decoder.grammar.tools.items() if tool.name == "tool_7"]
    assert torch.equal(table[index], table[words].mean(0))
    assert len(decoder.grammar.start.next) == SIZE


def test_no_schema_is_read_before_its_tool_is_called(decoder):
    fresh = Decoder(checkpoints.Checkpoint(decoder.model, decoder.tokenizer, decoder.catalog, None))
    behind = list(fresh.grammar.start.next.values())
    assert all(isinstance(state, Schema) for state in behind)
    assert fresh.grammar.step(fresh.grammar.start, min(fresh.grammar.tools)) is not None
    assert ["_matcher" in vars(state) for state in behind] == [True] + [False] * (SIZE - 1)


def test_a_step_goes_through_no_tools(decoder, monkeypatch):
    """From the start, within arguments and behind them, whether the best token is allowed or not."""
    monkeypatch.setattr(decoder.grammar.start, "next", NeverListed(decoder.grammar.start.next))
    monkeypatch.setattr(decoder.grammar, "tools", NeverListed(decoder.grammar.tools))
    first, state = min(decoder._opening.tolist()[:-1]), decoder.grammar.start
    logits = torch.arange(len(decoder.tokenizer), 0, -1.0)
    logits[first] = 1e4
    barred, written = decoder.tokenizer.pad_token_id, []
    with pytest.raises(AssertionError, match="goes through"):
        list(decoder.grammar.tools)
    for _ in range(30):
        index, state = decoder._bound(barred, state, logits)
        written.append(index)
        if index == decoder.grammar.end or len(written) > 1 and index == first:
            break
    assert written[0] == first and len(written) > 3
    assert state.part == "tool" or index == decoder.grammar.end


def test_a_mask_is_no_longer_than_the_rest_of_the_vocabulary(decoder):
    state = decoder.grammar.step(decoder.grammar.start, min(decoder.grammar.tools))
    assert 0 < max(state.allowed()) < min(decoder.grammar.tools)
    assert state.step(max(decoder.grammar.tools)) is None and state.allowed()


def test_the_best_tools_are_those_of_the_whole_ranking(decoder):
    queries = ["do thing 5", "thing", "twelve"]
    whole = decoder.ranked_tools(queries, RETRIEVE, batch_size=2)
    assert decoder.ranked_tools(queries, RETRIEVE, batch_size=2, k=5) == [row[:5] for row in whole]
    assert [len(row) for row in whole] == [SIZE] * 3


def test_a_schema_that_cannot_be_followed_is_told_before_training():
    tools = catalog.build([{"name": "a"}, {"name": "b", "parameters": {"properties": {"c": {"not": {}}}}}], [])
    with pytest.raises(BadRecord, match="^b: decoding cannot follow"):
        schemas.check(tools)
