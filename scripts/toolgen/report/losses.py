"""The learning curves of the three training stages."""

import csv
import math
from pathlib import Path

from . import charts
from .files import TRAINED, metrics
from .parts import Figure, Section, number, plain

COUNTS = {"examples": "examples", "steps": "steps", "parameters": "weights"}


def section() -> Section:
    figures, missing = [], []
    for stage in TRAINED:
        found = metrics(stage) or {}
        if found.get("skipped"):
            missing.append(f"{stage} was skipped: {found['skipped']}.")
            continue
        path = Path(f"plots/{stage}/plots/metrics/loss.tsv")
        points = loss(path) if path.is_file() else []
        if not points:
            missing.append(f"There is no curve in {path}: run `make train`.")
            continue
        counts = [f"{plain(found[key])} {said}" for key, said in COUNTS.items() if number(found.get(key))]
        figures.append(Figure(f"{stage}: {', '.join(counts)}" if counts else stage, charts.curve(stage, points)))
    return Section("Learning curves", "Training loss by step, on logarithmic axes.", figures=figures, missing=missing)


def loss(path: Path) -> list[tuple[int, float]]:
    """(step, loss) of DVCLive's table; rows that hold no finite number are left out."""
    points = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            try:
                step, value = int(row["step"]), float(row["loss"])
            except (KeyError, TypeError, ValueError):
                continue
            if math.isfinite(value):
                points.append((step, value))
    return points
