"""Beam search for sequences of tool tokens, as a query that needs several tools asks for them."""

import torch
from transformers import DynamicCache, PreTrainedModel

from . import padding

MOST_TOOLS = 8  # in one sequence


def best_sequences(
    model: PreTrainedModel, prompts: list[list[int]], tools: torch.Tensor, end: int, pad: int, beams: int
) -> list[list[list[int]]]:
    """The `beams` most probable sequences of `tools` (token ids) behind each prompt, best first, without their end.

    A sequence's probability is the product of its tokens', its end included, each among the tools and the end alone.
    Sequences are cut at MOST_TOOLS. With fewer than `beams` possible ones, the rest are left out.
    """
    rows, width = len(prompts), beams
    columns = torch.cat((tools, tools.new_tensor([end])))
    over = len(tools)  # the column of the end
    read = padding.inputs(prompts, pad, model.device)
    cache = DynamicCache(config=model.config)
    written = torch.full((rows, width, 0), over, device=model.device)
    total = torch.full((rows, width), -torch.inf, device=model.device)
    total[:, 0] = 0.0
    for step in range(MOST_TOOLS):
        logits = model(**read, past_key_values=cache, logits_to_keep=1).logits[:, -1, columns].float()
        scores = logits.log_softmax(-1).view(rows, -1, len(columns))
        if step == 0:
            cache.batch_repeat_interleave(width)
            read = {name: tensor.repeat_interleave(width, 0) for name, tensor in read.items()}
            scores = scores.expand(rows, width, len(columns))
        else:
            ended = written[..., -1] == over
            scores = scores.masked_fill(ended[..., None], -torch.inf)
            scores[..., over] = scores[..., over].masked_fill(ended, 0.0)  # what has ended goes on as it is
        total, best = (total[..., None] + scores).flatten(1).topk(width)
        parent, column = best // len(columns), best % len(columns)
        written = torch.cat((written.gather(1, parent[..., None].expand(-1, -1, step)), column[..., None]), -1)
        if bool((column == over).all()):
            break
        chosen = (parent + width * torch.arange(rows, device=parent.device)[:, None]).flatten()
        cache.batch_select_indices(chosen)
        read = padding.following(read, chosen, columns[column.flatten()])
    return [
        [
            [int(columns[i]) for i in sequence if i != over]
            for sequence, score in zip(of_row.tolist(), scores.tolist(), strict=True)
            if score > -torch.inf
        ]
        for of_row, scores in zip(written, total, strict=True)
    ]
