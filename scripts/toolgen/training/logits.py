"""The logits that a loss on completions reads, and no others: the output layer costs a small model as much as a layer,
and of a batch of short requests four positions in five are prompt."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from ..conversations import Conversation
from .batches import Encoder, padded


def of_completions(
    model: PreTrainedModel, batch: dict[str, torch.Tensor], called: torch.nn.Module | None = None
) -> torch.Tensor:
    """The logits [tokens, vocabulary] at `batch`'s kept [tokens]: positions in all its rows end to end.

    `called` is `model` as it is called where several devices share it. `batch` holds no labels.
    """
    kept, inputs = batch["kept"], {name: value for name, value in batch.items() if name != "kept"}
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: (given[0].flatten(0, 1)[kept],))
    try:
        return (called or model)(**inputs, use_cache=False).logits
    finally:
        hook.remove()


@torch.no_grad()
def mean_loss(model: PreTrainedModel, encode: Encoder, rows: list[Conversation], batch_size: int) -> float:
    """The mean loss of the completions' tokens, in nats, without noise. Leaves `model` in evaluation mode."""
    model.eval()
    total = count = 0.0
    for start in range(0, len(rows), batch_size):
        batch = padded([encode.plain(row) for row in rows[start : start + batch_size]], encode.tokenizer.pad_token_id)
        inputs = {name: value.to(model.get_input_embeddings().weight.device) for name, value in batch.items()}
        labels = inputs.pop("labels")
        total += cross_entropy(of_completions(model, inputs).float(), labels, reduction="sum").item()
        count += len(labels)
    return total / count
