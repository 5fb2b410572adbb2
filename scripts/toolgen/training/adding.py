"""Tools that are added to a trained model: their tokens' rows are all that is trained.

Every other weight stays as it is, so what the model writes otherwise can change only where a new token outbids it.
"""

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from .. import checkpoints
from ..catalog import Catalog
from ..checkpoints import Checkpoint


def extended(checkpoint: Checkpoint, tools: Catalog) -> tuple[Checkpoint, list[int]]:
    """`checkpoint` over the larger catalog `tools`, and the new tokens' ids. Model and tokenizer change in place."""
    new = [tool for tool in tools.tools if tool.token not in checkpoint.catalog.by_token]
    ids = checkpoints.add_tokens(checkpoint.model, checkpoint.tokenizer, checkpoints.meanings(new))
    return replace(checkpoint, catalog=tools), ids


def train_rows(model: PreTrainedModel, ids: list[int]) -> None:
    """Have training change nothing but the rows `ids` of the embeddings and, where it is untied, of the output layer.

    The gradient of all other rows is zero, and the optimizers leave such a row as it is to the last bit, since they
    decay no embedding.
    """
    model.requires_grad_(False)
    tables = {id(table.weight): table.weight for table in (model.get_input_embeddings(), model.get_output_embeddings())}
    for table in tables.values():
        trained = torch.zeros(len(table), 1)
        trained[ids] = 1.0
        table.requires_grad_(True)
        table.register_hook(lambda gradient, trained=trained: gradient * trained.to(gradient))
