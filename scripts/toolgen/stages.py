"""What the three training scripts share: settings out of params, the curve, the metrics, the saved folder."""

import random
import resource
import time
from pathlib import Path

from dvclive import Live

from . import checkpoints, records, training
from .checkpoints import Checkpoint
from .conversations import Conversation
from .params import Training


def run(stage: str, checkpoint: Checkpoint, rows: list[Conversation], options: Training, catalog_path: str) -> None:
    """Train `checkpoint` on `rows`, and write models/<stage>/, metrics/<stage>.json and plots/<stage>/."""
    settings = training.Settings(**options.model_dump(exclude={"replay"}))
    started = time.monotonic()
    with Live(dir=f"plots/{stage}", dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False) as live:

        def record(step: int, loss: float, learning_rate: float) -> None:
            live.step = step
            live.log_metric("loss", loss, timestamp=False)
            live.log_metric("learning_rate", learning_rate, timestamp=False)

        result = training.train(
            checkpoint.model, checkpoint.tokenizer, rows, settings, Path("models/.work") / stage, record
        )
    checkpoints.save(f"models/{stage}", checkpoints.of_stage(checkpoint, stage), catalog_path)
    parameters = sum(weight.numel() for weight in checkpoint.model.parameters())
    records.write_json(f"metrics/{stage}.json", result | {"parameters": parameters})
    seconds = time.monotonic() - started
    records.write_json(f"metrics/timing/{stage}.json", {
        "seconds": round(seconds, 1),
        "examples_per_second": round(len(rows) * options.num_epochs / seconds, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    })  # fmt: skip
    print(f"{stage}: {len(rows):,} examples, {result['steps']:,} steps, loss {result['loss']} -> models/{stage}")


def replayed(
    rows: list[Conversation], earlier: list[list[Conversation]], share: float, seed: int
) -> list[Conversation]:
    """`rows` and, against forgetting, about `share` of their number from each list of `earlier` examples."""
    rng = random.Random(seed)
    count = int(share * len(rows))
    return rows + [rng.choice(examples) for examples in earlier for _ in range(count) if examples]
