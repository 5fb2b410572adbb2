"""Turn replies into a dataset: checked by executing every call on a simulated car, deduplicated, split by hash.

reads   params.yaml (catalog, refine), data/generated/replies.jsonl, the catalog, the spoken evaluation set
writes  data/refined/dataset.jsonl     Mobile Actions form, with split, slice and the end state of the car
        data/refined/rejected.jsonl    {"id", "reason", "detail", "example"}
        data/refined/README.md         the dataset card
        metrics/refine.json            what was kept, repaired, rejected, and why

About a minute for 60,000 replies. All is written, or nothing: a leak between the splits fails the stage.
"""

import json
import random
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tqdm import tqdm

from toolgen import catalog, checks, console, dataset, params, records, splits
from toolgen.duplicates import masked
from toolgen.refining import card, engines, leaks
from toolgen.refining.verification import Rules, heldout_combinations, rejection

REPLIES, METRICS = "data/generated/replies.jsonl", "metrics/refine.json"
DATASET, REJECTED = "data/refined/dataset.jsonl", "data/refined/rejected.jsonl"
CARD = "data/refined/README.md"


class Examples:
    """What passed every check, in a file without a name; memory keeps what decides on the split, column by column."""

    def __init__(self, file: IO[str]):
        self.file = file
        self.numbers, self.places = array("Q"), array("d")  # of its reply; of its masked query
        self.slices: list[str] = []
        self.brought: list[str | None] = []

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[dict]:
        self.file.seek(0)
        return map(json.loads, self.file)

    def add(self, number: int, example: dict) -> None:
        self.numbers.append(number)
        self.places.append(example["place"])
        self.slices.append(sys.intern(example["slice"]))
        self.brought.append(example["split"])
        kept = {key: example[key] for key in ("id", "query", "calls", "end_state", "slice", "more") if key in example}
        self.file.write(records.dumps(kept) + "\n")

    def divided(self, first: int, settings: params.Refine, closed: set[float]) -> list[str | None]:
        """The split of each of the first examples, as if there were no others."""
        columns = (self.places[:first], self.slices[:first], self.brought[:first])
        return splits.divided(*columns, closed, settings.num_eval, settings.num_validation)


def main() -> None:
    options = params.read()
    settings = options.refine
    tools = catalog.load(options.catalog)
    spoken = list(records.read_jsonl(settings.spoken)) if tools.properties else []  # it speaks to a car
    combinations = heldout_combinations(tools, settings.seed, settings.heldout_combinations)
    rules = Rules(tools, combinations, settings.heldout_phrasing, settings.seed, settings.dedupe)
    teachers, repairs, reasons, unknown = Counter(), Counter(), Counter(), Counter()

    with ExitStack() as stack:
        rejected = stack.enter_context(records.written_whole(REJECTED))
        output = stack.enter_context(records.written_whole(DATASET))
        spool = tempfile.TemporaryFile("w+", dir=Path(DATASET).parent, encoding="utf-8", newline="\n")
        examples = Examples(stack.enter_context(spool))

        def reject(row: dict) -> None:
            rejected.write(records.dumps(row) + "\n")
            reasons[row["reason"]] += 1
            if row["reason"] == "unknown_function":
                unknown[row["detail"]] += 1

        for number, row in enumerate(checked(rules, settings, teachers)):
            if "reason" in row:
                reject(row)
            else:
                examples.add(number, row)
                repairs.update(row["repairs"])
        if set(teachers) == {checks.IMPORTED}:
            settings = shared(examples, settings)
        enough(examples, settings, reasons, unknown, options.catalog)

        closed = {splits.position(settings.seed, masked(row["query"])) for row in spoken}
        split = examples.divided(len(examples), settings, closed)
        half = examples.divided(bisect_left(examples.numbers, teachers.total() / 2), settings, closed)
        for example, name in zip(examples, split, strict=True):
            if name is None:
                written = {"query": example["query"], "answers": example["calls"]}
                reject(rejection(example["id"], "leaks_evaluation", example["slice"], written))
        coverage = write_rows(output, examples, split, tools, settings)
        output.flush()
        found = leaks.audit(lambda: audited(output.name), spoken, settings.rouge_threshold, settings.dedupe)

        figures = {
            "replies": teachers.total(),
            "teachers": dict(sorted(teachers.items())),
            "kept": {name: split.count(name) for name in splits.SPLITS},
            "eval_by_slice": by_slice(examples.slices, split),
            "displaced": splits.displaced(half, split),
            "audit": found,
            "repairs": dict(sorted(repairs.items())),
            "rejected": dict(sorted(reasons.items())),
            "heldout_combinations": sorted(" ".join(pair) for pair in combinations),
        }
        stack.enter_context(records.written_whole(CARD)).write(card.card(figures, coverage, settings.license))
    records.write_json(METRICS, figures)
    if unknown:
        print(f"refine: {unknown.total():,} replies call a function that {options.catalog} lacks, most often "
              f"{unknown.most_common(1)[0][0]}")  # fmt: skip
    kept = ", ".join(f"{count:,} {name}" for name, count in figures["kept"].items())
    print(f"refine: {kept}, {reasons.total():,} rejected -> {DATASET}")


def checked(rules: Rules, settings: params.Refine, teachers: Counter) -> Iterator[dict]:
    """Yield, for each reply in order, an example or a rejection; counts the replies of each teacher."""
    replies = read_replies(settings.license, teachers)
    lines = sum(1 for _ in Path(REPLIES).open("rb")) if Path(REPLIES).is_file() else 0
    try:
        engine = {"local": engines.local, "ray": engines.on_ray}[settings.engine]
        rows = engine(replies, rules, settings.rouge_threshold)
        yield from tqdm(rows, total=lines, desc="refine", unit="reply", mininterval=1)
    except ImportError as error:
        raise console.Mistake(f"refine.engine is ray: pip install -r requirements-ray.txt ({error})") from None
    except ConnectionError as error:
        raise console.Mistake(f"refine.engine is ray: no cluster at RAY_ADDRESS ({error})") from None


def read_replies(license_: str | None, teachers: Counter) -> Iterator[dict]:
    """Yield the replies one by one. Raises BadRecord, with file and line, for what no teacher writes."""
    texts: dict[str, tuple[int, int]] = {}  # id -> line, hash of the text
    for line, reply in records.numbered(REPLIES):
        where = f"{REPLIES}:{line}"
        for key in ("id", "teacher", "text"):
            if not isinstance(reply.get(key), str):
                raise records.BadRecord(f"{where}: a reply needs {key}, a text")
        if reply.get("split") not in (None, *splits.SPLITS):
            raise records.BadRecord(f"{where}: split is one of {', '.join(splits.SPLITS)}, or left out")
        if reply["teacher"] not in ("offline", checks.IMPORTED) and license_ is None:
            raise console.Mistake(f"{where}: written by {reply['teacher']}: set refine.license in params.yaml to the "
                                  "terms under which you may use and share what it wrote")  # fmt: skip
        said = hash(reply["text"])
        earlier, same = texts.setdefault(reply["id"], (line, said))
        if same != said:
            raise records.BadRecord(f"{where}: the id {reply['id']} is that of another reply, in line {earlier}")
        teachers[reply["teacher"]] += 1
        yield reply


def shared(examples: Examples, settings: params.Refine) -> params.Refine:
    """Of imported examples without a split a tenth each is for evaluation and validation, where these ask for more."""
    places = {place for place, brought in zip(examples.places, examples.brought, strict=True) if brought is None}
    most = {name: min(getattr(settings, name), len(places) // 10) for name in ("num_eval", "num_validation")}
    return settings.model_copy(update=most)


def enough(examples: Examples, settings: params.Refine, reasons: Counter, unknown: Counter, catalog_path: str) -> None:
    """Raises Mistake where there is nothing to train on."""
    if not len(examples):
        why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3)) or "the file is empty"
        if unknown:
            why += f"; {catalog_path} lacks {unknown.most_common(1)[0][0]}"
        raise console.Mistake(f"{REPLIES} holds no usable reply ({why}): run `make data` again, or see to the catalog")
    ours = [place for place, brought in zip(examples.places, examples.brought, strict=True) if brought is None]
    wanted = settings.num_eval + settings.num_validation
    if ours and len(set(ours)) <= wanted:
        raise console.Mistake(f"{REPLIES} holds {len(set(ours)):,} usable queries, and refine.num_eval and "
                              f"num_validation ask for {wanted:,}: lower them, or generate more")  # fmt: skip


def write_rows(
    output: IO[str], examples: Examples, split: list[str | None], tools: catalog.Catalog, settings: params.Refine
) -> dict[str, dict[str, int]]:
    """Write the rows, split by split; the rows of each split that call each property or ordinary tool."""
    rng = random.Random(settings.seed)
    names = dict.fromkeys(property_name(tool) for tool in tools.tools)
    coverage = {name: dict.fromkeys(splits.SPLITS, 0) for name in names}
    for wanted in splits.SPLITS:
        for example, name in zip(examples, split, strict=True):
            if name != wanted:
                continue
            calls, more = example["calls"], example.get("more", {})
            row = dataset.row(example["query"], calls, example["end_state"], name, example["slice"], tools, rng,
                              settings.catalog_in_rows, more)  # fmt: skip
            output.write(records.dumps(row) + "\n")
            named = [tools.tool_of(call) for call in calls] or map(tools.by_name.get, more.get("relevant_tools", ()))
            for called in {property_name(tool) for tool in named}:
                coverage[called][name] += 1
    return coverage


def property_name(tool: catalog.Tool) -> str:
    return tool.vehicle_property.name if tool.vehicle_property else tool.name


def audited(path: str) -> Iterator[leaks.Row]:
    for row in records.read_jsonl(path):
        more = dataset.read(row)
        yield leaks.Row(row["split"], row["slice"] == splits.OWN, more["query"], more["calls"], more)


def by_slice(slices: list[str], split: list[str | None]) -> dict[str, int]:
    """The evaluation rows of each slice; of rows that brought their split only where there are any."""
    counts = Counter(slice_ for slice_, name in zip(slices, split, strict=True) if name == "eval")
    return {name: counts[name] for name in (*splits.SLICES, splits.OWN) if name in splits.SLICES or counts[name]}


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, leaks.Leak))
