"""The worst answers to the spoken set's dev half, out of the table that `evaluate` writes. Of the test half there are
scores alone."""

import re
from pathlib import Path

from .parts import Section, Table

PATH = Path("metrics/worst.md")
KINDS = {"wanted": "marked", "answered": "marked", "soft": "number"}


def section() -> Section:
    title = "Worst cases"
    if not PATH.is_file():
        return Section(title, missing=[f"There is no {PATH}: run `make evaluate`."])
    lines = PATH.read_text(encoding="utf-8").splitlines()
    lead = " ".join(line for line in lines if line and not line.startswith("|"))
    head, _, *rows = [cells(line) for line in lines if line.startswith("|")] or [(), ()]
    columns = tuple((name, KINDS.get(name, "text")) for name in head)
    whole = [row for row in rows if len(row) == len(columns)]
    table = Table("Worst answers, spoken, dev half", columns, whole, stacked=True)
    return Section(title, lead, tables=[table] if whole else [])


def cells(line: str) -> tuple[str, ...]:
    """The cells of a line of a Markdown table; `\\|` is a bar within one."""
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
