"""The grammar of call texts: what the trie lists, what is left to the schema, and which catalogs are refused."""

import random

import pytest
from llguidance.hf import from_tokenizer

from toolgen import calltext, catalog, checkpoints, checks, grammar
from toolgen.grammar import Grammar
from toolgen.records import BadRecord

SHAPE = checkpoints.Shape(vocab_size=500, hidden_size=8, intermediate_size=8, num_layers=1, num_heads=1)


def tokenizer_for(tools: catalog.Catalog):
    model, tokenizer = checkpoints.from_scratch(["front left rear 21 -3.5 [1,2] \"radio\""] * 5, tools, SHAPE, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    return tokenizer


def one_property(**fields) -> catalog.Catalog:
    """A car with one property that can be written, by default in two places."""
    places = [{"id": 1, "name": "front left"}, {"id": 4, "name": "front right"}]
    limits = {key: fields.pop(key) for key in ("minimum", "maximum") if key in fields}
    item = {"name": "P", "access": "WriteOnly", "areas": [place | limits for place in places], **fields}
    accessor = f"set{catalog.ACCESSOR[item['type']][0]}Property"
    return catalog.build([{"name": accessor, "parameters": {"type": "object", "properties": {}}}], [item])


def walks(tools: catalog.Catalog, count: int) -> list[str]:
    """Whole call texts, each token drawn from those allowed; what closes a value is drawn more often."""
    found, draw = Grammar(tokenizer_for(tools), tools), random.Random(0)
    closing = {i for i in range(len(found.tokenizer)) if found.tokenizer.decode([i])[:1] in ('"', "]")}
    texts = []
    while len(texts) < count:
        state, ids, whole = found.start, [], []
        while len(ids) < 40:
            allowed = found.allowed(state)
            ends = [found.end] if ids and state.done else [i for i in allowed if i in closing]
            index = draw.choice(ends if ends and draw.random() < 0.4 else allowed)
            if index == found.end:
                break
            state, ids = found.step(state, index), [*ids, index]
            if state.done:
                whole = ids
        texts.append(found.tokenizer.decode(whole, clean_up_tokenization_spaces=False))
    return texts


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "String"},
        {"type": "IntArray"},
        {"type": "FloatArray"},
        {"type": "Integer"},
        {"type": "Long", "minimum": 0, "maximum": 2**31 - 1},
        {"type": "Float", "minimum": -0.25},
        {"type": "Float", "minimum": 0.01, "maximum": 0.05},
        {"type": "Float", "minimum": 16.05, "maximum": 28.0},
        {"type": "Boolean"},
        {"type": "String", "areas": [{"id": 0, "name": "car"}]},
    ],
    ids=str,
)
def test_values_of_every_type_fit_whether_listed_or_not(fields):
    tools = one_property(**fields)
    said = [calltext.read(text, tools) for text in walks(tools, 30)]
    assert sum(map(bool, said)) >= 8
    for call in (call for calls in said for call in calls):
        checks.check_call(call, tools)


def test_tenths_stay_within_a_range_whose_ends_are_none():
    assert grammar.value_texts([{"type": "number", "minimum": 16.05, "maximum": 16.38}]) == ["16.1", "16.2", "16.3"]
    assert grammar.value_texts([{"type": "number", "minimum": 1.1, "maximum": 1.3}]) == ["1.1", "1.2", "1.3"]


def test_a_value_for_a_group_fits_every_place_of_it():
    ranges = [{"type": "integer", "minimum": low, "maximum": low + 3} for low in (0, 2)]
    assert grammar.value_texts(ranges) == ["2", "3"]


def test_what_is_too_long_to_list_is_not_listed():
    assert grammar.value_texts([{"type": "integer", "minimum": 0, "maximum": 2**40}]) is None
    assert grammar.value_texts([{"type": "number", "minimum": 0.01, "maximum": 0.05}]) is None
    assert grammar.value_texts([{"type": "string"}]) is None


def test_masks_are_those_of_the_whole_tokenizer():
    """The tool tokens are kept from llguidance; what it allows is the same."""
    tools = catalog.build([{"name": "f", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}], [])
    found, draw = Grammar(tokenizer_for(tools), tools), random.Random(0)
    [behind] = found.start.next.values()
    state, whole = behind.opened(), grammar.Schema(behind.grammar, lambda: from_tokenizer(found.tokenizer)).opened()
    for _ in range(60):
        allowed = state.allowed()
        assert allowed == whole.allowed()
        index = draw.choice([index for index in allowed if index != found.end] or [None])
        if index is None:
            break
        state.step(index), whole.step(index)


def test_the_start_allows_what_may_be_asked_for_and_the_end(small):
    found = Grammar(small.tokenizer, small.catalog)
    tokens = small.tokenizer.convert_ids_to_tokens(found.allowed(found.start))
    assert "<<RANGE_REMAINING&&get>>" in tokens and "<<RANGE_REMAINING&&set>>" not in tokens
    assert tokens[-1] == small.tokenizer.eos_token and len(tokens) == len(set(tokens)) == 80


@pytest.mark.parametrize("name", ("a<b", "a>b", ""))
def test_a_name_that_call_text_cannot_hold_is_refused(name):
    tools = catalog.build([{"name": name}], [])
    with pytest.raises(BadRecord, match="cannot be called"):
        Grammar(tokenizer_for(tools), tools)


def test_a_tool_without_a_token_is_refused(small):
    tools = catalog.build([{"name": "new_tool"}], [])
    with pytest.raises(BadRecord, match="no token for the tool new_tool"):
        Grammar(small.tokenizer, tools)
