"""Arguments under a JSON Schema: whatever is written fits, and what cannot be followed is refused when it is read."""

import json
import random

import pytest
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from toolgen import calltext, catalog, checkpoints, checks, schemas
from toolgen.grammar import Written
from toolgen.records import BadRecord


@pytest.fixture(scope="module")
def tokenizer():
    shape = checkpoints.Shape(vocab_size=500, hidden_size=8, intermediate_size=8, num_layers=1, num_heads=1)
    texts = ['{"name":"x y","on":true,"level":-3.5e1,"list":[null,false]}', "open the window, é 🙂 to 21"] * 5
    return checkpoints.from_scratch(texts, catalog.build([], []), shape, seed=0)[1]


def walks(grammar: str, tokenizer, count: int = 12, limit: int = 150) -> list[str]:
    """Whole texts of `grammar`, each token drawn from those allowed; what closes a value is drawn more often."""
    closing = {i for i in range(len(tokenizer)) if tokenizer.decode([i])[:1] in ('"', "}", "]")}
    draw = random.Random(0)
    matcher, found = LLMatcher(from_tokenizer(tokenizer), LLMatcher.grammar_from_lark(grammar)), []
    for _ in range(count):
        state, ids = Written(matcher.deep_copy(), len(tokenizer)), []
        while len(ids) < limit and (allowed := [i for i in state.allowed() if i != tokenizer.eos_token_id]):
            ends = [i for i in allowed if i in closing]
            ids.append(draw.choice(ends if ends and draw.random() < 0.4 else allowed))
            assert state.step(ids[-1]) is state
        if not allowed:
            found.append(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
    return found


def taking(**arguments) -> dict:
    return {"type": "object", "properties": arguments, "required": list(arguments)}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"type": "object"},
        taking(a={}),
        taking(a=True, b={"description": "anything"}),
        taking(a={"type": "array"}, b={"type": "object"}),
        taking(a={"type": "number"}, b={"type": "integer"}),
        taking(a={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        taking(a={"type": "number", "minimum": 0.3, "maximum": 0.3}),
        taking(a={"type": "integer", "minimum": 3.2, "exclusiveMaximum": 6}),
        taking(a={"type": "number", "multipleOf": 0.1, "minimum": 0, "maximum": 3}),
        taking(a={"type": ["string", "null"], "maxLength": 4}),
        taking(a={"type": "string", "pattern": "^\\w{2}\\d$"}),
        taking(a={"type": "string", "format": "date"}),
        taking(a={"enum": ["x y", 1.5, None, {"k": [1]}, 'é\n"<<z>>']}),
        taking(a={"const": {"a": [1, 2.0]}}),
        taking(a={"anyOf": [{"type": "number"}, {"type": "null"}]}),
        taking(a={"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}),
        taking(a={"allOf": [taking(x={"type": "integer"}), {"properties": {"y": {"type": "number"}}}]}),
        taking(a={"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2, "maxItems": 4}),
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}},
        {"properties": {"a": {"properties": {"b": {"type": "integer"}}}}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a", "b"]},
        {"type": "object", "properties": {"a/b": {}, 'é"\\\n\t': {}, "": {}, "\u0001": {}}, "required": ["a/b", ""]},
        taking(tree={"$ref": "#/$defs/tree"})
        | {"$defs": {"tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}}}},
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
    ],
    ids=lambda parameters: json.dumps(parameters)[:60],
)
def test_whatever_is_written_fits(parameters, tokenizer):
    tools = catalog.build([{"name": "f", "parameters": parameters}], [])
    texts = walks(schemas.arguments_grammar("f", tools.tools[0].parameters), tokenizer)
    assert len(texts) >= 6
    for text in texts:
        [call] = calltext.read(f"<<f>>{text}", tools)
        checks.check_call(call, tools)
        json.dumps(call, ensure_ascii=False).encode("utf-8")


def test_arguments_are_compact_in_the_order_of_the_schema_and_none_is_made_up(tokenizer):
    parameters = {"type": "object", "properties": {"b": {"type": "boolean"}, "a": {"type": "null"}}, "required": ["b"]}
    texts = walks(schemas.arguments_grammar("f", parameters), tokenizer, count=40)
    assert set(texts) == {
        ' {"b":true}', ' {"b":false}', ' {"b":true,"a":null}', ' {"b":false,"a":null}'
    }  # fmt: skip


def test_numbers_stay_within_what_every_reader_holds(tokenizer):
    texts = walks(schemas.arguments_grammar("f", taking(a={"type": "number"}, b={})), tokenizer, count=40)
    numbers = [json.loads(text)["a"] for text in texts]
    assert len(numbers) > 20 and all(abs(number) <= schemas.LARGEST for number in numbers)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        (taking(a={"type": "array", "uniqueItems": True}), "uniqueItems"),
        (taking(a={"not": {}}), "not"),
        (taking(a={"type": "float"}), "Invalid type: float"),
        (taking(a={"type": "string", "pattern": "(?=a)"}), "look-ahead"),
        (taking(a={"type": "string", "pattern": "^[^\\w]$"}), "list the letters"),
        (taking(a={"type": "string", "format": "tea"}), "Unknown format: tea"),
        (taking(a={"type": "integer", "minimum": 9, "maximum": 3}), "nsatisfiable"),
        (taking(a={"type": "number", "minimum": 1e18}), "nsatisfiable"),
        (taking(a={"type": "number", "minimum": "3"}), "not supported between"),
        (taking(a={"type": "integer", "minimum": 1, "exclusiveMinimum": True}), "must be a number, not true"),
        (taking(a={"$ref": "#/nowhere"}), "/nowhere"),
        (taking(a={"$ref": "http://example.com/schema"}), "example.com"),
        (taking(a=[1]), "[1] where a schema belongs"),
        (taking(a={"type": "array", "items": [{}]}), "each place of an array"),
        (taking(a={"type": "object", "minProperties": 1}), "minProperties"),
        ({"type": "array"}, 'must be an object, not "array"'),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_what_cannot_be_followed_is_refused_in_one_line(parameters, complaint):
    with pytest.raises(BadRecord) as refusal:
        schemas.arguments_grammar("find", parameters)
    message = str(refusal.value)
    assert message.startswith("find: ") and complaint in message
    assert "\n" not in message and len(message) < 300
