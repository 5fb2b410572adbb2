"""Tools ranked by the model alone: how probable it is that each one's token is written behind the retrieval mark.

A request for two things is answered with two tokens, and what follows the first one names the second. So the tokens
are decoded greedily up to the end token, and with p(t, s) the probability of tool t at step s

    score(t) = 1 - product over s of (1 - p(t, s))

the probability that t is written at all, were the steps independent.
"""

import torch

from .. import padding
from ..checkpoints import Checkpoint
from ..conversations import RETRIEVE, encode_prompt

MAX_STEPS = 8  # tools of one query
MAX_PROMPT = 256


@torch.inference_mode()
def scores(checkpoint: Checkpoint, queries: list[str], batch_size: int) -> torch.Tensor:
    """The score of each tool for each query: queries x tools, float32, 0 to 1."""
    tokenizer, model = checkpoint.tokenizer, checkpoint.model.eval()
    ids = tokenizer.convert_tokens_to_ids([tool.token for tool in checkpoint.catalog.tools])
    columns = torch.tensor([*ids, tokenizer.eos_token_id], device=model.device)
    written = [encode_prompt(query, RETRIEVE, tokenizer, MAX_PROMPT) for query in queries]
    unwritten = torch.ones(len(queries), len(ids))  # the probability that a tool has not been written yet
    live = range(len(queries))
    for _ in range(MAX_STEPS):
        live, waiting = [], sorted(live, key=lambda i: len(written[i]))  # by length, so that padding is rare
        for start in range(0, len(waiting), batch_size):
            batch = waiting[start : start + batch_size]
            read = padding.inputs([written[i] for i in batch], tokenizer.pad_token_id, model.device)
            shares = model(**read, logits_to_keep=1).logits[:, -1].float().softmax(-1)[:, columns].cpu()
            unwritten[batch] *= 1 - shares[:, :-1]
            for i, best in zip(batch, shares.argmax(-1).tolist(), strict=True):
                if best < len(ids):
                    written[i].append(ids[best])
                    live.append(i)
    return 1 - unwritten
