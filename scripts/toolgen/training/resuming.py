"""What a killed training run needs to go on as if nothing had happened.

A work folder holds the stock Trainer's checkpoints (weights, optimizer, schedule, generators, log) and a file `latest`
that names the last one that is complete. Which rows a step sees, and with what noise, hangs on the seed and its number
alone (batches.py).
"""

import hashlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import TrainerCallback

from ..records import written_whole

LATEST = "latest"


def fingerprint(parts: Iterable[object], weights: Iterable[torch.Tensor]) -> str:
    """Sixteen hex digits of `parts` (anything whose repr is its value), `weights`, and the code of this package."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(repr(part).encode())
    for weight in weights:
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    package = Path(__file__).parent
    modules = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    for path in sorted(Path(name) for name in modules if package in Path(name).parents):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def latest(work: Path) -> Path | None:
    """The last complete checkpoint of a work folder."""
    named = work / LATEST
    return work / named.read_text(encoding="utf-8") if named.is_file() else None


class Saving(TrainerCallback):
    """Has the Trainer save once `minutes` have passed since the last time; None never does.

    Not between two readings of the loss, though: the part of their mean that is there would be lost.
    """

    def __init__(self, minutes: float | None, work: Path):
        self.minutes, self.work, self.since = minutes, work, time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.minutes is None or state.global_step == state.max_steps:
            return
        due = torch.tensor(time.monotonic() - self.since >= 60 * self.minutes, dtype=torch.int, device=args.device)
        if args.world_size > 1:  # clocks differ; all processes save together or none does
            torch.distributed.broadcast(due, 0)
        control.should_save = bool(due)

    def on_save(self, args, state, control, **kwargs):
        self.since = time.monotonic()
        if state.is_world_process_zero:
            with written_whole(self.work / LATEST) as file:
                file.write(f"checkpoint-{state.global_step}")
