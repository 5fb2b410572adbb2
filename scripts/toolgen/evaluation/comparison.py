"""Two evaluations of the same rows side by side: paired tests, and which differences are real."""

import statistics
from dataclasses import dataclass

from ..catalog import Catalog
from . import answers, metrics, scoring, uncertainty

SLICES = ("seen_phrasing", "heldout_phrasing", "heldout_combination", "spoken", "spoken_noisy", "own_split")
RIGHT_OR_WRONG = ("exact_match", "tool_accuracy")  # by McNemar's test
SHARES = ("soft_accuracy", "ndcg_at_5")  # by the paired bootstrap
REAL = 0.05


class OtherRows(ValueError):
    """Predictions that are not of the rows they should be of."""


@dataclass(frozen=True)
class Difference:
    """The mean of a measure in two evaluations, and the p-value of no difference, corrected for all of them."""

    slice: str
    measure: str
    n: int
    a: float
    b: float
    p: float

    @property
    def real(self) -> bool:
        return self.p < REAL


def check_rows(rows: list[dict], predictions: list[dict], source: str) -> None:
    """Raises OtherRows unless `predictions` answer the queries of `rows` in order; `source` opens the message."""
    wanted, found = [row["query"] for row in rows], [row.get("query") for row in predictions]
    if wanted == found:
        return
    first = next((i for i, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), None)
    where = f"row {first + 1} is of another query" if first is not None else "the others agree"
    raise OtherRows(f"{source}: predictions of other rows than the evaluation set's ({len(found)} against "
                    f"{len(wanted)}; {where}): compare revisions that were evaluated on the same data")  # fmt: skip


def differences(
    rows: list[dict], a: list[dict], b: list[dict], tools: Catalog, seed: int
) -> list[Difference]:
    """What differs between the predictions `a` and `b`, both of `rows`, slice by slice; Holm-corrected together."""
    found = []
    for name, indices in scoring.slices(rows).items():
        if name not in SLICES:
            continue
        gold = [rows[i] for i in indices]
        sides = [_row_scores(gold, [side[i] for i in indices], tools) for side in (a, b)]
        for measure in (*RIGHT_OR_WRONG, *SHARES):
            one, other = (side.get(measure) for side in sides)
            if one is None or other is None:
                continue  # an older evaluation that kept no ranks
            test = uncertainty.mcnemar(one, other) if measure in RIGHT_OR_WRONG else (
                uncertainty.paired_bootstrap(one, other, seed)
            )  # fmt: skip
            found.append(Difference(name, measure, len(one), statistics.mean(one), statistics.mean(other), test))
    corrected = uncertainty.holm([difference.p for difference in found])
    return [
        Difference(each.slice, each.measure, each.n, each.a, each.b, p)
        for each, p in zip(found, corrected, strict=True)
    ]


def _row_scores(rows: list[dict], predictions: list[dict], tools: Catalog) -> dict[str, list[float]]:
    called = [(row, own["calls"]) for row, own in zip(rows, predictions, strict=True) if "accept" in row]
    given = [answers.of_text(text, tools) for _, text in called]
    scores = {
        measure: scoring.row_scores(measure, [row for row, _ in called], given, tools)
        for measure in ("exact_match", "tool_accuracy", "soft_accuracy")
        if called
    }
    ranks = [row["ranks"] for row in predictions if row.get("ranks")]
    if ranks:
        # The ranks of the wanted tools say all there is to know: rank i stands for the tool at rank i.
        scores["ndcg_at_5"] = [metrics.ndcg_at_k(range(1, max(own) + 1), own, 5) for own in ranks]
    return scores
