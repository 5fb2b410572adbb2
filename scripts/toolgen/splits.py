"""Which side of a split something is on: decided by a hash, so that it stays there when the data grows."""

import hashlib
import heapq
from collections.abc import Iterable, Sequence

SEEN, PHRASING, COMBINATION = SLICES = ("seen_phrasing", "heldout_phrasing", "heldout_combination")
OWN = "own_split"  # the slice of rows that bring their split along
SPLITS = ("train", "validation", "eval")


def position(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on `seed` and `name` alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64


def is_held_out(seed: int, name: str, share: float) -> bool:
    """Whether `name` is one of the about `share` that are held out."""
    return position(seed, name) < share


def lowest(seed: int, names: list[str], count: int) -> set[str]:
    """The `count` names that the hash puts first."""
    return set(sorted(set(names), key=lambda name: position(seed, name))[:count])


def divided(
    places: Sequence[float], slices: Sequence[str], own: Sequence[str | None], closed: set[float], num_eval: int,
    num_validation: int,
) -> list[str | None]:  # fmt: skip
    """The split of each row, or None for a row that would leak.

    places: the position of each row's masked query, by which rows are the same; `own`: the split that a row brings
    along, which is kept; `closed`: positions that nothing may be trained on. Of every slice the `num_eval` lowest
    positions are for evaluation, of SEEN the next `num_validation` for validation; the rest of SEEN is trained on.
    """
    brought = {place for place, split in zip(places, own, strict=True) if split is not None}
    closed_by_own = {place for place, split in zip(places, own, strict=True) if split in ("validation", "eval")}

    def chosen(slice_: str, count: int, taken: set[float]) -> set[float]:
        free = {place for place, name in zip(places, slices, strict=True) if name == slice_ and place not in taken}
        return set(heapq.nsmallest(count, free))

    taken = closed | brought
    held_out = {slice_: chosen(slice_, num_eval, taken) for slice_ in SLICES}
    evaluated = set().union(*held_out.values())
    validation = chosen(SEEN, num_validation, taken | evaluated)

    def split_of(place: float, slice_: str, split: str | None) -> str | None:
        if split is not None:
            return None if split == "train" and place in closed else split
        if place in closed or place in closed_by_own:
            return None
        if place in held_out[slice_]:
            return "eval"
        if slice_ != SEEN or place in evaluated:
            return None
        return "validation" if place in validation else "train"

    return [split_of(*row) for row in zip(places, slices, own, strict=True)]


def displaced(earlier: Iterable[str | None], now: Iterable[str | None]) -> int:
    """How many rows were held out by an earlier division, of the first rows alone, and are trained on now."""
    return sum(
        before in ("validation", "eval") and after == "train" for before, after in zip(earlier, now, strict=False)
    )
