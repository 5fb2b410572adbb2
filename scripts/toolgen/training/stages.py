"""What the three training scripts share: settings out of params, curves, gates, metrics, the saved folder."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live

from .. import checkpoints, records
from ..checkpoints import Checkpoint
from ..conversations import Conversation
from ..params import Train, Training
from . import devices, gates, general, loop, resuming

WORK = Path("models/.work")
MISTAKES = (checkpoints.BadCheckpoint, loop.BadTraining, gates.FailedGate)


def run(
    stage: str, checkpoint: Checkpoint, rows: list[Conversation], options: Training, train: Train, catalog_path: str,
    finish: Callable[[Checkpoint], dict] = lambda checkpoint: {},
) -> None:  # fmt: skip
    """Train `checkpoint` on `rows`, and write models/<stage>/, metrics/<stage>.json and plots/<stage>/.

    A run that was killed goes on from its work folder. A result that fails a gate replaces nothing. `finish` is one
    more gate: it is given the trained checkpoint before it is saved, and what it returns joins the metrics.
    """
    if options.num_epochs == 0:
        skip(stage, checkpoint, catalog_path, f"{stage}.num_epochs is 0")
        return
    if not rows:
        raise loop.BadTraining(f"nothing to train on: {stage} has no rows")
    started = time.monotonic()
    checkpoints.to_device(checkpoint)
    chat = general.read(train.general_data, checkpoint.tokenizer, options.max_length)
    given = general.replayed(rows, chat, train.general_share, options.seed)
    settings = loop.Settings(**options.model_dump(exclude={"replay", "num_epochs_alone"}))
    compute = loop.Compute(
        dtype=checkpoint.info.dtype,
        **train.model_dump(include={"num_processes", "device_batch_size", "packing", "gradient_checkpointing",
                                    "save_minutes"}),
    )  # fmt: skip
    trained = [weight for weight in checkpoint.model.parameters() if weight.requires_grad]
    digest = resuming.fingerprint((stage, settings, compute, checkpoint.info, given), trained)
    before, perplexity = gates.rows(checkpoint), {}
    if chat:
        perplexity["before"] = general.perplexity(checkpoint, chat, options.max_length)
    work = WORK / f"{stage}-{digest}"
    with curves(stage) as record:
        result = loop.train(checkpoint.model, checkpoint.tokenizer, given, settings, work, record, compute)
    if not devices.main_process():
        return
    if (work / loop.WHOLE).exists():
        checkpoint = checkpoints.with_weights(work / loop.WHOLE, checkpoint)
    if chat:
        perplexity["after"] = general.perplexity(checkpoint, chat, options.max_length)
        result["general_perplexity"] = perplexity
    checkpoint = checkpoints.of_stage(checkpoint, stage)
    gates.changed(before, checkpoint)
    gates.whole(checkpoint)
    result |= finish(checkpoint)
    checkpoints.save(
        f"models/{stage}", checkpoint, catalog_path,
        check=lambda folder: gates.survives(checkpoint, folder, rows, options.max_length),
    )  # fmt: skip
    for folder in WORK.glob(f"{stage}-*"):
        shutil.rmtree(folder)
    parameters = sum(weight.numel() for weight in checkpoint.model.parameters())
    records.write_json(f"metrics/{stage}.json", result | {"parameters": parameters})
    seconds = time.monotonic() - started
    records.write_json(f"metrics/timing/{stage}.json", {
        "seconds": round(seconds, 1),
        "examples_per_second": round(options.batch_size * result["steps"] / seconds, 1),
        "peak_memory_mb": loop.memory_mb(),
    })  # fmt: skip
    print(f"{stage}: {len(given):,} examples, {result['steps']:,} steps, loss {result['loss']} -> models/{stage}")


def skip(stage: str, checkpoint: Checkpoint, catalog_path: str, reason: str) -> None:
    """Pass `checkpoint` on as it is: a stage without training leaves the same kind of outputs as any other."""
    if devices.main_process():
        checkpoints.save(f"models/{stage}", checkpoints.of_stage(checkpoint, stage), catalog_path)
        records.write_json(f"metrics/{stage}.json", {"skipped": reason})
        Path(f"plots/{stage}").mkdir(parents=True, exist_ok=True)
        print(f"{stage}: skipped, {reason} -> models/{stage}")


@contextmanager
def curves(stage: str) -> Iterator[Callable[[dict], None]]:
    """Yields what `loop.train` wants as `record`. The pace is no result: its curves go where DVC does not look."""
    if not devices.main_process():
        yield lambda point: None
        return
    options = {"dvcyaml": None, "save_dvc_exp": False, "report": None, "monitor_system": False}
    with Live(dir=f"plots/{stage}", **options) as results, Live(dir=f"metrics/timing/{stage}", **options) as timing:

        def record(point: dict) -> None:
            shown = ((results, ("loss", "learning_rate")), (timing, ("tokens_per_second", "memory_mb")))
            for live, names in shown:
                live.step = point["step"]
                for name in names:
                    live.log_metric(name, float(point[name]), timestamp=False)

        yield record


def replayed(
    rows: list[Conversation], earlier: list[list[Conversation]], share: float, seed: int
) -> list[Conversation]:
    """`rows` and, against forgetting, about `share` of their number from each list of `earlier` examples."""
    rng = random.Random(seed)
    count = int(share * len(rows))
    return rows + [rng.choice(examples) for examples in earlier for _ in range(count) if examples]
