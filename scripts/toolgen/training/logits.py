"""The logits that a loss on completions reads, and no others: the output layer costs a small model as much as a layer,
and of a batch of short requests four positions in five are prompt."""

import torch
from transformers import PreTrainedModel


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
