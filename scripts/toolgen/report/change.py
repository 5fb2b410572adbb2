"""What changed since the last commit: metrics/*.json there against those in the working directory."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .files import branch, metrics
from .parts import Score, Section, Table, plain, score, words

TITLE = "Change since the last commit"


def section() -> Section:
    if not git("rev-parse", "--verify", "HEAD"):
        return Section(TITLE, missing=["There is no commit to compare with: run `git commit` in a git repository."])
    scores, counts, same = [], [], 0
    for path in sorted(Path("metrics").glob("*.json")):
        before, now = committed(path), metrics(path.stem) or {}
        for key, first, second in pairs(before, now):
            if first is not None and second is not None and first.value == second.value:
                same += 1
            elif path.stem == "evaluate":
                scores.append((key, first, second))
            else:
                counts.append((f"{path.stem}: {' '.join(map(words, key))}", first, second))
    if not scores and not counts:
        return Section(TITLE, f"None: all {same:,} figures in metrics/ are those of the last commit.")
    scores.sort(key=lambda found: (found[0][-1] != "exact_match", found[0][0] != "calls", -size(*found[1:])))
    tables = []
    if scores:
        columns = (("score", "text"), ("then", "score"), ("now", "score"), ("change", "text"), ("verdict", "text"))
        rows = [(", ".join(map(words, key)), first, second, *verdict(first, second)) for key, first, second in scores]
        tables.append(Table("Scores that changed", columns, rows, shown=12, stacked=True))
    if counts:
        columns = (("figure", "text"), ("then", "number"), ("now", "number"))
        rows = [(key, *(plain(each.value) if each else "–" for each in found)) for key, *found in counts]
        tables.append(Table("Counts and losses that changed", columns, rows, shown=12, stacked=True))
    lead = (f"{len(scores) + len(counts):,} figures changed, {same:,} did not. Whether a difference is real is for a "
            "paired test on the predictions to say: `make compare`.")  # fmt: skip
    return Section(TITLE, lead, tables=tables)


def size(first: Score | None, second: Score | None) -> float:
    return abs(second.value - first.value) if first and second else 0.0


def verdict(first: Score | None, second: Score | None) -> tuple[str, str]:
    """The difference, and whether the score now lies within the interval that it had then."""
    if first is None or second is None:
        return "", "new" if first is None else "gone"
    change = second.value - first.value
    said = f"{'▲' if change > 0 else '▼'} {100 * change:+.1f} points".replace("-", "−")
    if first.low is None or first.high is None:
        return said, ""
    inside = first.low <= second.value <= first.high
    return said, "within the earlier interval" if inside else "outside the earlier interval"


def pairs(before: dict, now: dict) -> Iterator[tuple[tuple[str, ...], Score | None, Score | None]]:
    """Every figure of either, by its path."""
    first, second = dict(figures(before)), dict(figures(now))
    for key in dict.fromkeys((*first, *second)):
        yield key, first.get(key), second.get(key)


def figures(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Score]]:
    if (single := score(found)) is not None:
        yield path, single
    elif isinstance(found, dict):
        for key, value in found.items():
            if key != "n":
                yield from figures(value, (*path, key))


def committed(path: Path) -> dict:
    """The object in `path` as the last commit has it; {} where it has none."""
    try:
        return branch(json.loads(git("show", f"HEAD:./{path.as_posix()}") or "{}"))
    except json.JSONDecodeError:
        return {}


def git(*words: str) -> str:
    """What git prints; the empty text where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
