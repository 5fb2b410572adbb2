"""Turn replies into a dataset: checked by executing every call on a simulated car, deduplicated, split by hash.

reads   params.yaml (catalog, refine), data/generated/replies.jsonl, the catalog, the spoken evaluation set
writes  data/refined/dataset.jsonl     Mobile Actions form, with split and slice
        data/refined/rejected.jsonl    {"id", "reason", "detail", "example"}
        metrics/refine.json            what was kept, repaired, rejected, and why

About a minute for 60,000 replies.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tqdm import tqdm

from toolgen import calltext, catalog, checks, console, dataset, params, records, splits
from toolgen.duplicates import NearDuplicates, masked

REPLIES, METRICS = "data/generated/replies.jsonl", "metrics/refine.json"
DATASET, REJECTED = "data/refined/dataset.jsonl", "data/refined/rejected.jsonl"
SLICES = ("seen_phrasing", "heldout_phrasing", "heldout_combination")


@dataclass(frozen=True)
class Example:
    """A reply that was understood: `shape` is its query with numbers masked, `slice` the kind of row it can be."""

    id: str
    query: str
    calls: list[dict]
    shape: str
    slice: str


def main() -> None:
    options = params.read()
    settings = options.refine
    tools = catalog.load(options.catalog)
    spoken = {masked(row["query"]) for row in records.read_jsonl(settings.spoken)}
    combinations = heldout_combinations(tools, settings)
    repairs: Counter[str] = Counter()
    rejections: list[dict] = []

    examples = list(verified(tools, settings, combinations, repairs, rejections))
    if not examples:
        raise console.Mistake(f"{REPLIES} holds no usable reply: see {REJECTED}, or run `make data` again")
    split = divided(examples, spoken, settings, rejections)

    rng = random.Random(settings.seed)
    rows = (
        dataset.row(example.query, example.calls, name, example.slice, tools, rng)
        for name, members in split.items()
        for example in members
    )
    records.write_jsonl(REJECTED, rejections)
    records.write_jsonl(DATASET, rows)
    records.write_json(METRICS, {
        "kept": {name: len(members) for name, members in split.items()},
        "eval_by_slice": {name: sum(example.slice == name for example in split["eval"]) for name in SLICES},
        "repairs": dict(sorted(repairs.items())),
        "rejected": dict(sorted(Counter(row["reason"] for row in rejections).items())),
        "heldout_combinations": sorted(" ".join(pair) for pair in combinations),
    })  # fmt: skip
    kept = ", ".join(f"{len(members):,} {name}" for name, members in split.items())
    print(f"refine: {kept}, {len(rejections):,} rejected -> {DATASET}")


def verified(
    tools: catalog.Catalog, settings: params.Refine, combinations: set, repairs: Counter, rejections: list[dict]
) -> Iterator[Example]:
    """Yield the replies that pass every check and say something new; append the others to `rejections`."""
    fresh = NearDuplicates(settings.rouge_threshold)
    for reply in tqdm(list(records.read_jsonl(REPLIES)), desc="refine", unit="reply", mininterval=1):
        written: object = reply["text"]
        try:
            written = checks.parse_reply(reply["text"])
            repaired = [checks.repair_call(call, tools) for call in written["answers"]]
            calls = [call for call, _ in repaired]
            checks.check_example(written["query"], calls, tools)
            checks.check_verdict(written)
            slice_ = slice_of(calls, written.get("phrases", []), tools, combinations, settings)
            shape = masked(written["query"])
            if not fresh.is_new(shape, calls):
                raise checks.Rejected("near_duplicate")
        except checks.Rejected as fault:
            rejections.append({"id": reply["id"], "reason": fault.reason, "detail": fault.detail, "example": written})
            continue
        repairs.update(name for _, done in repaired for name in done)
        yield Example(reply["id"], written["query"], calls, shape, slice_)


def slice_of(
    calls: list[dict], phrases: list[str], tools: catalog.Catalog, combinations: set, settings: params.Refine
) -> str:
    """Which slice of the evaluation a row could serve; raises Rejected where it mixes what is kept apart."""
    sides = {splits.is_held_out(settings.seed, name, settings.heldout_phrasing) for name in phrases}
    if len(sides) > 1:
        raise checks.Rejected("mixed_phrases")
    combined = any((tool.name, place_of(tool, text)) in combinations for tool, text in calltext.segments(calls, tools))
    if combined and sides == {True}:
        raise checks.Rejected("mixed_phrases", "a held-out phrase in a held-out combination")
    return SLICES[2] if combined else SLICES[1] if sides == {True} else SLICES[0]


def place_of(tool: catalog.Tool, text: str) -> str:
    words = text.split()
    return " ".join(words[:-1] if tool.writes else words)


def heldout_combinations(tools: catalog.Catalog, settings: params.Refine) -> set[tuple[str, str]]:
    """Tools with a place that the training rows never name together, though they name each in other company."""
    pairs = [
        f"{tool.name} {area.name}"
        for tool in tools.tools
        if tool.vehicle_property and tool.writes and len(tool.vehicle_property.groups) > 2
        for area in tool.vehicle_property.areas[2:]  # the two front seats are too common to go without
    ]
    chosen = splits.lowest(settings.seed, pairs, settings.heldout_combinations)
    return {tuple(pair.split(" ", 1)) for pair in chosen}


def divided(
    examples: list[Example], spoken: set[str], settings: params.Refine, rejections: list[dict]
) -> dict[str, list[Example]]:
    """Examples by split. No masked query stands on two sides, nor in training and in the spoken set."""

    def chosen(slice_: str, count: int, taken: set[str]) -> set[str]:
        names = [example.shape for example in examples if example.slice == slice_ and example.shape not in taken]
        return splits.lowest(settings.seed, names, count)

    held_out = {slice_: chosen(slice_, settings.num_eval, spoken) for slice_ in SLICES}
    eval_shapes = set().union(*held_out.values())
    validation = chosen(SLICES[0], settings.num_validation, spoken | eval_shapes)
    split: dict[str, list[Example]] = {"train": [], "validation": [], "eval": []}
    for example in examples:
        if example.shape in spoken:
            name = None
        elif example.shape in held_out[example.slice]:
            name = "eval"
        elif example.shape in validation and example.slice == SLICES[0]:
            name = "validation"
        elif example.slice == SLICES[0] and example.shape not in eval_shapes | validation:
            name = "train"
        else:
            name = None
        if name is not None:
            split[name].append(example)
        else:
            rejections.append({
                "id": example.id, "reason": "leaks_evaluation", "detail": example.slice,
                "example": {"query": example.query, "answers": example.calls},
            })  # fmt: skip
    return split


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord))
