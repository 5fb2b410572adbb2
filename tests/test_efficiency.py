"""What an answer costs: tokens counted, times in order, and nothing left behind between two queries."""

import torch
from transformers import DynamicCache

from toolgen import catalog
from toolgen.conversations import encode_text
from toolgen.decoding import Decoder
from toolgen.evaluation import efficiency, prompting

OPEN = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}
ROWS = [{"query": "open up", "accept": [[OPEN]]}, {"query": "hello", "accept": [[]]}]


def few_tools():
    return catalog.build([{"name": "beep", "description": "Make a noise", "parameters": {"type": "object"}}], [])


def test_costs_of_both_methods(small):
    own = efficiency.of_decoder(Decoder(small), ["open the window", "hello"])
    theirs = efficiency.of_prompt_method(small, ROWS, few_tools())
    for cost in (own, theirs):
        assert 0 < cost["ms_to_first_token"]["median"] <= cost["ms_per_query_single"]["median"]
    assert own["model_bytes"] == 4 * sum(weight.numel() for weight in small.model.parameters())
    catalog_tokens = len(encode_text(prompting.instruction(few_tools()), small.tokenizer))
    lengths = [len(encode_text(row["query"], small.tokenizer)) for row in ROWS]
    assert theirs["prompt_tokens"] == round(catalog_tokens + sum(lengths) / 2, 2)
    answers = [len(encode_text(prompting.written_out(row["accept"][0]), small.tokenizer)) for row in ROWS]
    assert theirs["generated_tokens"] == round(sum(answers) / 2 + 1, 2)


def test_a_catalog_longer_than_the_position_limit_is_read(small, catalog_path):
    tools = catalog.load(catalog_path)
    theirs = efficiency.of_prompt_method(small, ROWS[:1], tools)
    assert theirs["prompt_tokens"] > small.model.config.max_position_embeddings


def test_the_catalog_read_beforehand_serves_every_query(small):
    """Two queries behind one cache give what each gives behind its own."""
    prefix, first, second = ([5, 6, 7, 8], [9, 10], [11, 12, 13])
    cache = DynamicCache(config=small.model.config)
    with torch.inference_mode():
        efficiency._write(small.model, cache, prefix, [])
        efficiency._write(small.model, cache, first, [14])
        cache.crop(len(prefix) - cache.get_seq_length())
        behind = small.model(torch.tensor([second]), past_key_values=cache).logits[0, -1]
        alone = small.model(torch.tensor([prefix + second])).logits[0, -1]
    assert torch.allclose(behind, alone, atol=1e-5)


def test_times_more():
    own = {"prompt_tokens": 10.0, "ms_per_query_single": {"median": 2.0}}
    theirs = {"prompt_tokens": 5000.0, "ms_per_query_single": {"median": 900.0},
              "ms_per_query_catalog_cached": {"median": 80.0}}  # fmt: skip
    assert efficiency.times(theirs, own) == {
        "prompt_tokens": 500.0, "ms_per_query_single": 450.0, "ms_per_query_catalog_cached": 40.0}  # fmt: skip


def test_percentiles():
    assert efficiency.percentiles([3.0, 1.0, 2.0]) == {"median": 2.0, "p95": 3.0}
    assert efficiency.percentiles(list(range(1, 101))) == {"median": 50.5, "p95": 95}
