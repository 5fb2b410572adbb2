"""Which tool was called for which: the pairs that were confused, most often first."""

import csv
from collections import Counter
from pathlib import Path

from . import charts
from .parts import Section, Table

PATH = Path("plots/evaluate/confusion.csv")


def section() -> Section:
    title = "Confusion of tools"
    if not PATH.is_file():
        return Section(title, missing=[f"There is no {PATH}: run `make evaluate`."])
    with PATH.open(encoding="utf-8", newline="") as file:
        pairs = Counter((row.get("actual") or "", row.get("predicted") or "") for row in csv.DictReader(file))
    asked = Counter()
    for (actual, _), count in pairs.items():
        asked[actual] += count
    confused = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    if not confused:
        return Section(title, f"None: {pairs.total():,} requests for one tool, all answered with it.")
    rows = [
        (actual, predicted, charts.bar([count], max(confused.values())), f"{count:,} of {asked[actual]:,}")
        for (actual, predicted), count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))
    ]
    wrong = sum(confused.values())
    lead = (f"Of {pairs.total():,} requests for one tool {wrong:,} were answered with another first call or none. "
            "Only those are listed.")  # fmt: skip
    columns = (("asked for", "code"), ("called", "code"), ("times", "chart"), ("of all that asked for it", "number"))
    return Section(title, lead, tables=[Table("Confused pairs", columns, rows, shown=15)])
