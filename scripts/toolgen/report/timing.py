"""What the clock and the memory said: metrics/timing/, which is not in git."""

from collections.abc import Iterator
from typing import Any

from .files import STAGES, branch, metrics
from .parts import Section, Table, number, plain, words

PROMPT = "prompt_method"
COLUMNS = {"seconds": "seconds", "examples_per_second": "examples per second", "peak_memory_mb": "peak memory, MB"}


def section() -> Section:
    found = {stage: timing for stage in STAGES if (timing := metrics(f"timing/{stage}"))}
    missing = [] if "evaluate" in found else ["There is no metrics/timing/evaluate.json: run `make evaluate`."]
    stages = [
        (stage, *(plain(timing[key]) if number(timing.get(key)) else "–" for key in COLUMNS))
        for stage, timing in found.items()
    ]
    tables = []
    if stages:
        tables.append(Table("Stages", (("stage", "text"), *((said, "number") for said in COLUMNS.values())), stages))
    tables += beside_the_prompt_method(found.get("evaluate", {}))
    for stage, timing in found.items():
        others = {key: value for key, value in timing.items() if key not in COLUMNS and not key.startswith(PROMPT)}
        rows = [(name, plain(value)) for name, value in leaves(others)]
        if rows:
            tables.append(Table(f"In detail: {stage}", (("reading", "text"), ("value", "number")), rows))
    lead = "Measured where the stages ran; readings of two machines do not compare."
    return Section("Timing", lead if tables else "", tables=tables, missing=missing)


def beside_the_prompt_method(timing: dict[str, Any]) -> list[Table]:
    """What the model takes, and what it would with the whole catalog in its prompt."""
    own, theirs = dict(leaves(timing)), dict(leaves(branch(timing, PROMPT)))
    rows = [
        (name, plain(own[name]), plain(value), f"{value / own[name]:,.1f} times" if own[name] else "–")
        for name, value in theirs.items()
        if name in own
    ]
    columns = (("reading", "text"), ("tool tokens", "number"), ("catalog in the prompt", "number"), ("more", "number"))
    return [Table("One query, beside the same model with the catalog in its prompt", columns, rows)] if rows else []


def leaves(found: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    """Every number, with the words of its path."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, words(key)))
        elif number(value):
            yield ", ".join((*path, words(key))), value
