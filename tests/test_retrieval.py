"""Tools ranked by a model, against the same sums done one query and one step at a time."""

import pytest
import torch

from toolgen.conversations import RETRIEVE, encode_prompt
from toolgen.evaluation import retrieval

QUERIES = ["open the window", "", "set my seat to 21 degrees and shut the sunroof please", "open the window"]


@torch.inference_mode()
def by_hand(checkpoint, query):
    """1 - product of (1 - p) over greedy steps, without batches, padding or a cache."""
    tokenizer = checkpoint.tokenizer
    ids = tokenizer.convert_tokens_to_ids([tool.token for tool in checkpoint.catalog.tools])
    written = encode_prompt(query, RETRIEVE, tokenizer, retrieval.MAX_PROMPT)
    missed = torch.ones(len(ids))
    for _ in range(retrieval.MAX_STEPS):
        shares = checkpoint.model(torch.tensor([written])).logits[0, -1].softmax(-1)
        missed *= 1 - shares[ids]
        best = int(shares[ids].argmax())
        if shares[tokenizer.eos_token_id] > shares[ids[best]]:
            break
        written.append(ids[best])
    return 1 - missed


@pytest.mark.parametrize("batch_size", [1, 3])
def test_scores_are_those_of_one_query_at_a_time(small, batch_size):
    scores = retrieval.scores(small, QUERIES, batch_size)
    for row, query in zip(scores, QUERIES, strict=True):
        assert torch.allclose(row, by_hand(small, query), atol=1e-5)
    assert torch.allclose(scores[0], scores[3], atol=1e-6)


def test_no_queries_have_no_scores(small):
    assert retrieval.scores(small, [], batch_size=2).shape == (0, len(small.catalog.tools))


def test_a_model_that_ends_at_once_is_asked_once(small):
    """Its first distribution is then the whole score."""
    end = small.tokenizer.eos_token_id
    passes = []

    def ends(module, arguments, output):
        passes.append(1)
        output.logits[..., end] = 100.0

    handle = small.model.register_forward_hook(ends)
    scores = retrieval.scores(small, QUERIES, batch_size=8)
    handle.remove()
    assert passes == [1] and float(scores.max()) < 1e-6
