"""What must hold at the end of a training stage, before its checkpoint takes the place of the last one.

Tool tokens are lost in ways that no loss curve shows: rows that never were trained or never were saved, old rows that
drift, tied tables that come apart, an adapter that changes when it is merged. Each is looked for here.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from .. import checkpoints
from ..checkpoints import Checkpoint
from ..conversations import Conversation, encode_prompt

PROBES = 64
NEAR = {"float32": 1e-3, "bfloat16": 0.05}  # logits closer than this, in their deviations, may change their order


class FailedGate(ValueError):
    """A stage whose result must not be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Rows:
    """The rows of both tables, embeddings and output layer, as they were: the new ones, and a digest of the others."""

    new: list[torch.Tensor]
    old: list[str]


def rows(checkpoint: Checkpoint) -> Rows:
    """What `changed` compares with. Old rows are digested only for an adapter, which has to leave them alone."""
    ids = checkpoint.tokenizer.convert_tokens_to_ids(checkpoints.new_tokens(checkpoint.catalog, checkpoint.tokenizer))
    with torch.no_grad():
        tables = [table.weight for table in _tables(checkpoint)]
        new = [table[ids].float().cpu() for table in tables]
        old = [_digest(table, ids) for table in tables] if checkpoint.info.adapter else []
    return Rows(new, old)


def changed(before: Rows, checkpoint: Checkpoint) -> None:
    """Raises FailedGate unless training has changed the new rows and, with an adapter, no other row."""
    after = rows(checkpoint)
    for name, was, now in zip(("embeddings", "output layer"), before.new, after.new, strict=True):
        if torch.equal(was, now):
            raise FailedGate(f"training has not changed the tool tokens' rows of the {name}")
        if not torch.isfinite(now).all():
            raise FailedGate(f"the tool tokens' rows of the {name} are not finite: lower the learning_rate")
    if before.old != after.old:
        raise FailedGate("training an adapter has changed rows of tokens that are none of the tools'")


def others(checkpoint: Checkpoint, ids: list[int]) -> dict[str, str]:
    """A digest of every weight, but for the rows `ids` of both tables: what `alone` compares with."""
    tables = {id(table.weight) for table in _tables(checkpoint)}
    return {
        name: _digest(weight.detach(), ids if id(weight) in tables else [])
        for name, weight in checkpoint.model.named_parameters()
    }


def alone(before: dict[str, str], checkpoint: Checkpoint, ids: list[int]) -> None:
    """Raises FailedGate unless training has left every weight as it was, but for the rows `ids` of both tables."""
    moved = [name for name, digest in others(checkpoint, ids).items() if digest != before[name]]
    if moved:
        raise FailedGate(f"training the added tools' rows has changed other weights: {', '.join(moved[:3])}")


def whole(checkpoint: Checkpoint) -> None:
    """Raises FailedGate unless every tool token has one row, and tables that the configuration ties are one."""
    config = checkpoint.model.config.get_text_config()
    entries = [table.weight.shape[0] for table in _tables(checkpoint)]
    if any(count != config.vocab_size or count < len(checkpoint.tokenizer) for count in entries):
        raise FailedGate(
            f"{len(checkpoint.tokenizer)} tokens, {entries} rows and a vocab_size of {config.vocab_size} do not agree"
        )
    for token in checkpoints.new_tokens(checkpoint.catalog, checkpoint.tokenizer):
        ids = checkpoint.tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise FailedGate(f"{token} is {len(ids)} tokens of the tokenizer, not one")
    embeddings, output = (table.weight for table in _tables(checkpoint))
    if config.tie_word_embeddings and not torch.equal(embeddings, output):
        raise FailedGate("embeddings and output layer are tied in the configuration, but have come apart")
    if not config.tie_word_embeddings and embeddings.data_ptr() == output.data_ptr():
        raise FailedGate("embeddings and output layer are not tied in the configuration, but have become one")


def survives(checkpoint: Checkpoint, folder: Path, examples: list[Conversation], max_length: int) -> None:
    """Raises FailedGate unless `checkpoint`, read back from `folder`, and merged, answers as it does in memory.

    An answer is the most likely token behind the prompt of an example; PROBES of `examples` are asked.
    """
    prompts = [
        encode_prompt(example.text, example.mark, checkpoint.tokenizer, max_length)
        for example in examples[:: max(len(examples) // PROBES, 1)][:PROBES]
    ]
    wanted = _logits(checkpoint, prompts)
    near = NEAR[checkpoint.info.dtype if checkpoint.info.adapter else "float32"] * wanted.std(1)
    for how in (checkpoints.load, checkpoints.merged) if checkpoint.info.adapter else (checkpoints.load,):
        again = how(folder)
        whole(again)
        found = _logits(again, prompts).argmax(1)
        lost = wanted.max(1).values - wanted.gather(1, found[:, None])[:, 0] > near
        if lost.any():
            raise FailedGate(
                f"{int(lost.sum())} of {len(prompts)} probes have another answer once the checkpoint is saved and "
                f"{'merged' if how is checkpoints.merged else 'loaded'}"
            )


def _tables(checkpoint: Checkpoint) -> tuple[torch.nn.Module, torch.nn.Module]:
    return checkpoint.model.get_input_embeddings(), checkpoint.model.get_output_embeddings()


def _digest(table: torch.Tensor, without: list[int]) -> str:
    kept = torch.ones(len(table), dtype=torch.bool)
    kept[without] = False
    digest = hashlib.blake2b()
    for start in range(0, len(table), 4096):
        part = table[start : start + 4096].cpu()[kept[start : start + 4096]]
        digest.update(part.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


@torch.no_grad()
def _logits(checkpoint: Checkpoint, prompts: list[list[int]]) -> torch.Tensor:
    """The logits [prompts, vocabulary] behind each prompt, one at a time so that no padding plays a part."""
    model, device = checkpoint.model.eval(), checkpoint.model.get_input_embeddings().weight.device
    return torch.stack([
        model(input_ids=torch.tensor([prompt], device=device), logits_to_keep=1).logits[0, -1].float().cpu()
        for prompt in prompts
    ])  # fmt: skip
