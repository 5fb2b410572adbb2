"""Plain JSON Lines in a folder: `tools.jsonl` (or `tools.json`, a list), and examples.

tools.jsonl     {"name", "description", "parameters"}
train.jsonl, validation.jsonl, test.jsonl (the split eval), or examples.jsonl, whose rows may name a split:
                {"query", "answers": [{"name", "arguments"}]}   or   {"query", "relevant_tools": [name]}
                or   {"query", "steps": [{"thought", "name", "arguments", "observation"}], "final_answer"}
                and, with each, "history": [{"role", "content", "tool_calls"?}]

Read kindly: a tool or call wrapped as {"function": ...}, arguments or answers as JSON text, null for nothing.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .. import records
from ..records import BadRecord
from . import reading, turns
from .imported import KEYS, SPLIT_OF_FILE, Imported, check, merged, ordered, unread
from .parameters import tool
from .reading import bad
from .seen import add_arguments

SPLIT_NAMES = {"train": "train", "validation": "validation", "dev": "validation", "eval": "eval", "test": "eval"}


def read(source: Path) -> Imported:
    """Read the folder. Raises BadRecord with the file and line of what cannot be taken."""
    left_out, notes, cut = Counter(), [], []
    found = [(place, tool(record, place, left_out, cut)) for place, record in _tools(source)]
    imported = Imported(merged(found, notes), [], notes)
    tools = imported.catalog()
    files = {source / f"{name}.jsonl": split for name, split in {**SPLIT_OF_FILE, "examples": None}.items()}
    if not any(path.is_file() for path in files):
        raise BadRecord(f"{source}: expected examples, found none of {', '.join(path.name for path in files)}")
    for path in filter(Path.is_file, files):
        for place, record in reading.lines(path):
            example = _example(record, place, files[path], left_out)
            check(example, tools, place)
            imported.examples.append(example)
    others = sorted({path.name for path in source.glob("*.jsonl")} - {path.name for path in files} - {"tools.jsonl"})
    notes += [f"not read: {', '.join(others)}"] if others else []
    add_arguments(imported)
    notes += unread(left_out) + cut
    return imported


def write(imported: Imported, folder: Path) -> list[str]:
    """Write tools.jsonl and examples.jsonl; returns notes on what the form cannot hold: nothing."""
    records.write_jsonl(folder / "tools.jsonl", imported.functions)
    records.write_jsonl(folder / "examples.jsonl", imported.examples)
    return []


def _tools(source: Path) -> Iterator[tuple[str, dict]]:
    if (source / "tools.jsonl").is_file() or not (source / "tools.json").is_file():
        return reading.lines(source / "tools.jsonl")
    return reading.items(reading.document(source / "tools.json"), str(source / "tools.json"))


def _example(record: dict, place: str, split: str | None, left_out: Counter) -> dict:
    """A row in the project's form. What is null is not there, but `answers`: they are no call."""
    left_out.update(set(record) - {*KEYS, "id"})
    found = {"query": record.get("query"), "history": turns.history(record.get("history"), place, left_out)}
    own = record.get("split") or split
    if own is not None:
        found["split"] = SPLIT_NAMES.get(own) if isinstance(own, str) else None
        if found["split"] is None or split not in (None, found["split"]):
            raise bad(place, f"a split, one of {', '.join([split] if split else SPLIT_NAMES)}", own)
    relevant = record.get("relevant_tools")
    relevant = [relevant] if isinstance(relevant, str) else relevant
    answers = turns.calls(record.get("answers"), f"{place}: answers")
    if record.get("steps"):
        found["steps"] = [_step(step, at) for at, step in reading.items(record["steps"], f"{place}: steps")]
        found["final_answer"] = turns.text(record.get("final_answer"))
        found |= {"relevant_tools": relevant} if relevant else {}
    elif record.get("accept"):
        listed = record["accept"] if isinstance(record["accept"], list) else [record["accept"]]
        found["accept"] = [turns.calls(accepted, f"{place}: accept") for accepted in listed]
    elif relevant and not answers:
        found["relevant_tools"] = relevant
    elif "answers" in record or relevant == []:
        found["answers"] = answers
    else:
        raise bad(place, "one of answers, relevant_tools and steps", sorted(record))
    for key in ("source", "id"):
        if record.get(key) is not None:
            found.setdefault("source", str(record[key]))
    return ordered({key: value for key, value in found.items() if key != "history" or value})


def _step(record: dict, place: str) -> dict:
    call = turns.call({key: record[key] for key in ("name", "arguments", "function") if key in record}, place)
    return {"thought": turns.text(record.get("thought")), **call, "observation": turns.text(record.get("observation"))}
