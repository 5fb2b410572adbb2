"""What a reply becomes: an example that was checked by executing its calls, or a rejection with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import calltext, splits
from ..catalog import Catalog, Tool
from ..checks import IMPORTED, Rejected, check_verdict, parse_reply
from ..dataset import MORE
from ..duplicates import NearDuplicates, before, group_of, masked_words, without_commas, without_numbers
from . import brought


@dataclass(frozen=True)
class Rules:
    """What a reply is held against. `combinations`: tools with a place that are kept apart for evaluation."""

    catalog: Catalog
    combinations: frozenset[tuple[str, str]]
    heldout_phrasing: float
    seed: int
    dedupe: str


def verified(reply: dict, rules: Rules) -> dict:
    """A reply as an example, or as a rejection {"id", "reason", "detail", "example"}.

    An example has its id, query, calls and end state; `slice`, the kind of row it can be; `split`, if it brings one
    along; `place`, the position of its masked query, by which it is split; `words` and `group`, by which it is
    compared; the names of its repairs; and, of an imported example, `more` of what it knows. All of it is JSON.
    """
    written: object = reply["text"]
    try:
        imported = reply["teacher"] == IMPORTED
        written = brought.parsed(reply["text"], rules.catalog) if imported else parse_reply(reply["text"])
        found = brought.calls_of(written, rules.catalog, MORE if imported else ())
        check_verdict(written)
        query, calls, more, split = written["query"], found["calls"], found["more"], reply.get("split")
        slice_ = slice_of(calls, written.get("phrases", []), rules) if split is None else splits.OWN
    except Rejected as fault:
        return rejection(reply["id"], fault.reason, fault.detail, written)
    text = without_numbers(query)
    return {
        "id": reply["id"], "query": query, "calls": calls, "end_state": found["end_state"],
        "slice": slice_, "split": split, "place": splits.position(rules.seed, without_commas(text) + before(more)),
        "words": masked_words(text, calls), "group": group_of(calls, rules.dedupe, more),
        "repairs": found["repairs"], **({"more": more} if more else {}),
    }  # fmt: skip


def rejection(id_: str, reason: str, detail: str, example: object) -> dict:
    return {"id": id_, "reason": reason, "detail": detail, "example": example}


def deduplicated(rows: Iterable[dict], threshold: float) -> Iterator[dict]:
    """The same rows, with a rejection in place of each example that nearly repeats one before it.

    An example that its source holds out is never rejected here, and none is rejected because of it: `leaks` counts.
    """
    fresh = NearDuplicates(threshold)
    for row in rows:
        if "reason" in row or row["split"] in ("validation", "eval") or fresh.is_new(row["words"], row["group"]):
            yield row
        else:
            yield rejection(row["id"], "near_duplicate", "", {"query": row["query"], "answers": row["calls"]})


def slice_of(calls: list[dict], phrases: list[str], rules: Rules) -> str:
    """Which slice of the evaluation a row could serve; raises Rejected where it mixes what is kept apart."""
    sides = {splits.is_held_out(rules.seed, name, rules.heldout_phrasing) for name in phrases}
    if len(sides) > 1:
        raise Rejected("mixed_phrases")
    pieces = calltext.segments(calls, rules.catalog)
    combined = any((tool.name, _place_of(tool, text)) in rules.combinations for tool, text in pieces)
    if combined and sides == {True}:
        raise Rejected("mixed_phrases", "a held-out phrase in a held-out combination")
    return splits.COMBINATION if combined else splits.PHRASING if sides == {True} else splits.SEEN


def _place_of(tool: Tool, text: str) -> str:
    words = text.split()
    return " ".join(words[:-1] if tool.writes else words)


def heldout_combinations(catalog: Catalog, seed: int, count: int) -> frozenset[tuple[str, str]]:
    """Tools with a place that the training rows never name together, though they name each in other company."""
    pairs = [
        f"{tool.name} {area.name}"
        for tool in catalog.tools
        if tool.vehicle_property and tool.writes and len(tool.vehicle_property.groups) > 2
        for area in tool.vehicle_property.areas[2:]  # the two front seats are too common to go without
    ]
    return frozenset(tuple(pair.split(" ", 1)) for pair in splits.lowest(seed, pairs, count))
