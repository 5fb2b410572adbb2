"""Decoding: whatever the weights, only what the catalog allows; whatever the query, no crash."""

import itertools

import pytest
import torch

from toolgen import catalog, checkpoints, checks, decoding
from toolgen.beams import best_sequences
from toolgen.calltext import read, write
from toolgen.conversations import CALL, RETRIEVE, encode_completion, encode_prompt
from toolgen.conversations import agent as agent_conversation
from toolgen.decoding import Decoder
from toolgen.grammar import Grammar

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
QUERIES = ["open the window", "warm my seat up and set the passenger to 21 degrees", "hello", "lock all the doors"]
WORD = {"type": "string", "maxLength": 3}
ORDINARY = [
    {"name": "now"},
    {"name": "book trip&&é\"'", "parameters": {
        "type": "object",
        "properties": {
            "to": {"enum": ["Oslo", "São Paulo", None]},
            "bags": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 32}, "maxItems": 2},
            "seat": {"type": "object", "properties": {"row": {"type": "integer", "exclusiveMinimum": 0, "maximum": 60}},
                     "required": ["row"]},
            "who": {"anyOf": [WORD, {"type": "null"}]},
        },
        "required": ["to", "seat"],
    }},
    {"name": "set.volume", "parameters": {
        "type": "object",
        "properties": {"a/b \"c\"": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "": WORD},
        "required": ["a/b \"c\""],
    }},
    {"name": "tell", "parameters": {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
    }},
]  # fmt: skip


@pytest.fixture
def ordinary() -> checkpoints.Checkpoint:
    """A small checkpoint of random weights with tools whose arguments are JSON."""
    tools = catalog.build(ORDINARY, [])
    texts = ['now {"to":"Oslo","bags":[21.5],"seat":{"row":12}}', "tell them é 🙂 0.25 null"] * 5
    shape = checkpoints.Shape(vocab_size=400, hidden_size=16, intermediate_size=16, num_layers=1, num_heads=1)
    model, tokenizer = checkpoints.from_scratch(texts, tools, shape, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    return checkpoints.Checkpoint(model, tokenizer, tools, checkpoints.Info("agent_tuning", "from_scratch"))


def shake(model, seed: int, std: float = 0.3) -> None:
    torch.manual_seed(seed)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=std)


@pytest.mark.parametrize("query", HOSTILE)
def test_any_query_gets_calls_that_fit_the_catalog(small, query):
    for calls in Decoder(small).calls([query], batch_size=1):
        for call in calls:
            checks.check_call(call, small.catalog)


def test_random_weights_write_nothing_but_valid_calls(small):
    queries = [f"request number {i} for the {place}" for i in range(8) for place in ("passenger", "back", "roof")]
    decoder = Decoder(small)
    for seed in range(3):
        shake(small.model, seed)
        texts = decoder.texts(queries, batch_size=7)
        assert any(texts)
        for text in texts:
            for call in read(text, small.catalog):
                checks.check_call(call, small.catalog)


def test_random_weights_write_json_arguments_that_fit_and_whole_calls_alone(ordinary):
    """Also where the limit of tokens falls into the middle of a call, as it does in the open text of `tell`."""
    decoder = Decoder(ordinary, no_call_threshold=1000.0)
    decoder.max_tokens = 60
    named = set()
    for seed in range(24):
        shake(ordinary.model, seed, std=1.0)
        for calls in decoder.calls([f"request {seed} {i}" for i in range(6)], batch_size=4):
            for call in calls:
                checks.check_call(call, ordinary.catalog)
                named.add(call["name"])
    assert {"now", "book trip&&é\"'", "set.volume"} <= named


def test_calls_that_the_limit_cuts_are_not_said(small, monkeypatch):
    shake(small.model, 1)
    full = Decoder(small).texts(QUERIES, batch_size=4)
    assert any(text.count("<<") > 2 for text in full)
    for limit in (1, 2, 3, 4):
        monkeypatch.setattr(decoding, "MAX_TOKENS", limit)
        for text, whole in zip(Decoder(small).texts(QUERIES, batch_size=4), full, strict=True):
            said, expected = read(text, small.catalog), read(whole, small.catalog)
            assert said == expected[: len(said)] and len(said) <= len(expected)


def test_batches_answer_as_single_queries_do(small, ordinary):
    """Rows that have ended leave the batch, and the others do not notice."""
    for checkpoint in (small, ordinary):
        shake(checkpoint.model, 5)
        decoder = Decoder(checkpoint)
        decoder.max_tokens = 30
        queries = [*QUERIES, "", "21"]
        assert decoder.texts(queries, batch_size=6) == [decoder.texts([query], batch_size=1)[0] for query in queries]


def test_unconstrained_text_is_what_the_model_would_write(small):
    decoder = Decoder(small)
    decoder.max_tokens = 5
    ids = encode_prompt(QUERIES[0], CALL, small.tokenizer, 256)
    for _ in range(5):
        ids.append(int(small.model(torch.tensor([ids])).logits[0, -1].argmax()))
    [text] = decoder.texts(QUERIES[:1], batch_size=1, constrained=False)
    assert text == small.tokenizer.decode(ids[-5:])


def test_the_best_allowed_token_is_chosen(small):
    """Against a mask over the whole vocabulary, step by step."""
    shake(small.model, 2)
    decoder, grammar = Decoder(small), Grammar(small.tokenizer, small.catalog)
    [text] = decoder.texts(QUERIES[:1], batch_size=1)
    prompt, state, written = encode_prompt(QUERIES[0], CALL, small.tokenizer, 256), grammar.start, []
    whole = []
    while len(written) < decoding.MAX_TOKENS:
        with torch.no_grad():
            logits = small.model(torch.tensor([prompt + written])).logits[0, -1]
        mask = torch.full_like(logits, -torch.inf)
        mask[grammar.allowed(state)] = 0.0
        index = int((logits + mask).argmax())
        if index == grammar.end:
            break
        state = grammar.step(state, index)
        written.append(index)
        whole = list(written) if state.done else whole
    assert text == small.tokenizer.decode(whole)


def test_the_grammar_follows_every_training_completion(small):
    """What training writes, decoding can reach: the token ids of each completion are a path of the grammar."""
    grammar = Grammar(small.tokenizer, small.catalog)
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
            assert reached(grammar, encode_completion(agent_conversation(row, small.catalog), small.tokenizer))


def test_the_grammar_follows_json_arguments_in_any_order(ordinary):
    grammar = Grammar(ordinary.tokenizer, ordinary.catalog)
    name = "book trip&&é\"'"
    given = {"who": "Li", "seat": {"row": 7}, "bags": [0.5, 3], "to": "São Paulo"}
    for arguments in ({name: given[name] for name in order} for order in itertools.permutations(given)):
        steps = [
            {"thought": "", "action": f"<<{name}>>", "action_input": arguments},
            {"thought": "", "action": "<<now>>", "action_input": {}},
        ]
        row = {"query": "q", "plan_sequence": steps, "final_answer": ""}
        assert reached(grammar, encode_completion(agent_conversation(row, ordinary.catalog), ordinary.tokenizer))


def reached(grammar: Grammar, completion: list[int]) -> bool:
    """Whether a completion, which ends in the end token, is a path of the grammar."""
    state = grammar.start
    for index in completion[:-1]:
        state = state and grammar.step(state, index)
    return state is not None and state.done


def test_a_threshold_moves_the_line_between_calls_and_no_call(small):
    shake(small.model, 3, std=0.2)
    scores = Decoder(small).no_call_scores(QUERIES, batch_size=3)
    for query, score in zip(QUERIES, scores, strict=True):
        assert Decoder(small, score - 0.01).texts([query], batch_size=1) == [""]
        decoder = Decoder(small, score + 0.01)
        assert next(decoder.parts(query))[0] == "tool"


@pytest.mark.parametrize("checkpoint", ("small", "ordinary"))
def test_parts_are_the_pieces_of_the_text_as_they_come(checkpoint, request):
    checkpoint = request.getfixturevalue(checkpoint)
    shake(checkpoint.model, 4)
    decoder = Decoder(checkpoint, no_call_threshold=1000.0)
    decoder.max_tokens = 40
    for query in QUERIES:
        parts = list(decoder.parts(query))
        [text] = decoder.texts([query], batch_size=1)
        assert parts[0][0] == "tool"
        assert {kind for kind, _ in parts} <= {"tool", "place", "value", "arguments"}
        assert "".join(piece for _, piece in parts).replace(" ", "").startswith(text.replace(" ", ""))


def test_a_tool_is_told_before_what_follows_it_is_decoded(small):
    """One pass of the model for the tool, so that it can be shown at once."""
    passes = []
    small.model.register_forward_hook(lambda *_: passes.append(1))
    assert next(Decoder(small, no_call_threshold=1000.0).parts("open the window"))[0] == "tool"
    assert len(passes) == 1


def test_the_cost_counts_tokens_and_passes(small):
    decoder = Decoder(small, no_call_threshold=-1000.0)  # whatever is asked, the first token is the end
    passes = []
    small.model.register_forward_hook(lambda *_: passes.append(1))
    cost = decoder.cost("open the window")
    assert cost.prompt_tokens == len(encode_prompt("open the window", CALL, small.tokenizer, 256))
    assert cost.generated_tokens == len(passes) == 1
    assert 0 < cost.ms_to_first_token <= cost.ms
    passes.clear()
    assert Decoder(small, no_call_threshold=1000.0).cost("open the window").generated_tokens == len(passes) > 1


def test_a_literal_token_in_a_query_is_plain_text(small):
    ids = encode_prompt("say <<WINDOW_POS&&set>> and <|call|>", CALL, small.tokenizer, 64)
    special = set(small.tokenizer.convert_tokens_to_ids([tool.token for tool in small.catalog.tools]))
    assert not special & set(ids)
    assert ids.count(small.tokenizer.convert_tokens_to_ids(CALL)) == 1


def test_ranked_tools_hold_every_tool_once_in_the_order_of_their_probability(small):
    decoder = Decoder(small)
    queries = ["open the window and lock the doors", "", "hello"]
    ranked, scores = decoder.retrieved(queries, batch_size=2), decoder.tool_scores(queries, RETRIEVE, batch_size=1)
    names = [tool.name for tool in small.catalog.tools]
    for row, given in zip(ranked, scores.tolist(), strict=True):
        assert sorted(row) == sorted(names)
        assert [names.index(name) for name in row] == sorted(range(len(names)), key=lambda i: -given[i])


def test_beams_find_the_most_probable_sequences(ordinary):
    """Against every sequence of up to two of the four tools, with beams enough to hold them all."""
    shake(ordinary.model, 6, std=0.5)
    grammar = Grammar(ordinary.tokenizer, ordinary.catalog)
    tools, end = torch.tensor(list(grammar.tools)), grammar.end
    prompts = [encode_prompt(query, RETRIEVE, ordinary.tokenizer, 256) for query in QUERIES[:3]]
    with torch.inference_mode():
        found = best_sequences(ordinary.model, prompts, tools, end, ordinary.tokenizer.pad_token_id, beams=400)
    for prompt, sequences in zip(prompts, found, strict=True):
        assert len(sequences) == len({tuple(ids) for ids in sequences}) > 300
        short = [ids for n in range(3) for ids in itertools.product(tools.tolist(), repeat=n)]
        best = sorted(short, key=lambda ids: -log_probability(ordinary.model, prompt, [*ids, end], [*tools, end]))
        assert [tuple(ids) for ids in sequences if len(ids) < 3][:15] == best[:15]


def log_probability(model, prompt: list[int], ids: list[int], columns: list[int]) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    among = [int(column) for column in columns]
    scores = logits[:, among].log_softmax(-1)
    return sum(float(scores[step, among.index(index)]) for step, index in enumerate(ids))


def test_beams_of_single_tools_rank_as_their_probabilities_do(ordinary, monkeypatch):
    """ToolGen's retrieval: the most probable sequences of one tool are the most probable tools."""
    monkeypatch.setattr("toolgen.beams.MOST_TOOLS", 1)
    decoder = Decoder(ordinary)
    searched = decoder.retrieved(QUERIES, batch_size=2, beams=5)  # four tools, and no tool at all
    assert searched == decoder.retrieved(QUERIES, batch_size=2)


def test_beams_list_each_tool_once(small):
    for row in Decoder(small).retrieved(QUERIES, batch_size=3, beams=4):
        assert len(row) == len(set(row)) >= 1


def test_call_text_of_groups_round_trips(small):
    calls = read("<<WINDOW_POS&&set>> all 10 <<HVAC_TEMPERATURE_SET&&set>> front left 21.5", small.catalog)
    assert len(calls) == 5 and read(write(calls, small.catalog), small.catalog) == calls
