"""The last look at a dataset: does anything stand on two sides of a split?

Rows are read as they were written, and compared by the rule of `duplicates` alone, whatever led to their split.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..duplicates import NearDuplicates, before, group_of, masked_words, without_commas, without_numbers

SPOKEN = "spoken"  # the split of the spoken set, which is nobody's to divide


class Leak(Exception):
    """A query of one side of a split that we made stands, equal or nearly so, on another side of it."""


@dataclass(frozen=True)
class Row:
    """`own`: whether the row brought its split along; `more`: what else it knows, as in `group_of`."""

    split: str
    own: bool
    query: str
    calls: list[dict]
    more: dict = field(default_factory=dict)


def audit(rows: Callable[[], Iterable[Row]], spoken: list[dict], threshold: float, rule: str) -> dict:
    """Compare every row with those on the other sides of the split; memory grows with the rows that are held out.

    Raises Leak for a pair of rows that are both of our splitting. Where one brought its split along it is counted:
    "own_split" has the rows that equal one on another side, numbers masked, and those that nearly do. Of `spoken`,
    rows {"query", "accept"}, those are counted that some training row nearly repeats.
    """
    known: list[Row] = []  # what is held out
    near = NearDuplicates(threshold)
    equal: dict[str, list[int]] = defaultdict(list)  # masked query -> numbers in `known`

    def forms(row: Row) -> tuple[str, list[str], str]:
        text = without_numbers(row.query)
        shape = without_commas(text) + before(row.more)
        return shape, masked_words(text, row.calls), group_of(row.calls, rule, row.more)

    def remember(row: Row) -> None:
        shape, words, group = forms(row)
        equal[shape].append(near.add(words, group))
        known.append(row)

    def found(row: Row) -> dict[int, str]:
        """The rows of other sides, as numbers in `known`, that `row` equals or else nearly repeats."""
        shape, words, group = forms(row)
        numbers = dict.fromkeys(near.matches(words, group), "near_identical")
        numbers |= dict.fromkeys(equal.get(shape, ()), "masked_equal")
        return {number: kind for number, kind in numbers.items() if known[number].split != row.split}

    counts = {"masked_equal": 0, "near_identical": 0}
    near_spoken: set[str] = set()

    def compare(row: Row) -> None:
        kinds = set()
        for number, kind in found(row).items():
            other = known[number]
            if other.split == SPOKEN:
                near_spoken.add(other.query)
            elif row.own or other.own:
                kinds.add(kind)
            else:
                raise Leak(f"{kind}: {row.query!r} ({row.split}) and {other.query!r} ({other.split})")
        if kinds:
            counts["masked_equal" if "masked_equal" in kinds else "near_identical"] += 1

    for row in rows():
        if row.split != "train":
            compare(row)
            remember(row)
    for row in spoken:
        for calls in row["accept"]:
            remember(Row(SPOKEN, True, row["query"], calls))
    for row in rows():
        if row.split == "train":
            compare(row)
    return {"own_split": counts, "spoken_rows_with_near_training_row": len(near_spoken)}
