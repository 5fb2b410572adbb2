"""Imported data: tools and examples in the project's own form, two files in a folder.

catalog.json     what `toolgen.catalog.load` reads
examples.jsonl   one example a line, its keys in the order of KEYS, those that do not apply left out:
    query, split (of splits.SPLITS; without it `refine` divides), history ({"role", "content", "tool_calls"?}, oldest
    first), then one of: answers (calls; [] is no call), accept (several right answers), relevant_tools (nothing but the
    names of the tools is known), steps ({"thought", "name", "arguments", "observation"}) with final_answer, beside
    which relevant_tools may stand; source, where the example comes from
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .. import catalog, records
from ..splits import SPLITS
from . import reading
from .reading import bad

CATALOG, EXAMPLES = "catalog.json", "examples.jsonl"
KEYS = ("query", "split", "history", "answers", "accept", "relevant_tools", "steps", "final_answer", "source")
ROLES = ("user", "assistant", "tool")
SPLIT_OF_FILE = {"train": "train", "validation": "validation", "test": "eval"}  # by the name of a file, if it is one
SHOWN = 5  # names in a note


@dataclass
class Imported:
    """`functions` and `properties` (a car's, mostly none) as a catalog file holds them; `notes` are for people."""

    functions: list[dict]
    examples: list[dict]
    notes: list[str] = field(default_factory=list, compare=False)
    properties: list[dict] = field(default_factory=list)

    def catalog(self) -> catalog.Catalog:
        return catalog.build(self.functions, self.properties)


def merged(tools: Iterable[tuple[str, dict]], notes: list[str]) -> list[dict]:
    """Tools with their places, each name once; of two definitions of one name the first is kept, and `notes` say so.

    Raises BadRecord for a name that no tool token can hold.
    """
    kept: dict[str, dict] = {}
    alike, other = 0, []
    for place, tool in tools:
        name = tool["name"]
        if not isinstance(name, str) or not name.strip() or "<" in name or ">" in name:
            raise bad(place, "a tool's name, a text without < and >", name)
        if kept.setdefault(name, tool) == tool:
            alike += kept[name] is not tool
        else:
            other.append(f"{name} ({place})")
    if alike:
        notes.append(f"{alike:,} repeated tools, alike, are merged")
    if other:
        more = f" and {len(other) - SHOWN:,} more" if len(other) > SHOWN else ""
        notes.append(f"tools defined again, differently: the first is kept of {', '.join(other[:SHOWN])}{more}")
    return list(kept.values())


def unread(left_out: Counter) -> list[str]:
    """The note on keys that were left out, and how many times."""
    said = ", ".join(f"{key} ({count:,})" for key, count in sorted(left_out.items()))
    return [f"left out, since nothing reads them: {said}"] if said else []


def ordered(example: dict) -> dict:
    """An example with its keys in the order of KEYS."""
    return {key: example[key] for key in KEYS if key in example}


def check(example: dict, tools: catalog.Catalog, place: str) -> None:
    """Hold an example against the form above, and the names in it against the tools. Raises BadRecord."""
    unknown = [key for key in example if key not in KEYS]
    if unknown:
        raise bad(place, f"no keys but {', '.join(KEYS)}", unknown[0])
    if not isinstance(example.get("query"), str) or not example["query"].strip():
        raise bad(place, "a query, a text that is not empty", example.get("query"))
    if example.get("split", "train") not in SPLITS:
        raise bad(place, f"a split, one of {', '.join(SPLITS)}", example["split"])
    if not isinstance(example.get("source", ""), str) or not isinstance(example.get("final_answer", ""), str):
        raise bad(place, "texts as source and final_answer", [example.get("source"), example.get("final_answer")])
    for _, turn in reading.items(example.get("history", []), f"{place}: history"):
        if turn.get("role") not in ROLES or not isinstance(turn.get("content"), str | None):
            raise bad(place, f"a turn of history with a role ({', '.join(ROLES)}) and content, a text or null", turn)
        _check_calls(turn.get("tool_calls", []), tools, place)
    known = [key for key in ("answers", "accept", "relevant_tools", "steps") if key in example]
    if known not in (["answers"], ["accept"], ["relevant_tools"], ["steps"], ["relevant_tools", "steps"]):
        raise bad(place, "one of answers, accept, relevant_tools and steps", known)
    if ("steps" in example) != ("final_answer" in example):
        raise bad(place, "steps and their final_answer", sorted(example))
    _check_calls(example.get("answers", []), tools, place)
    for accepted in _list(example.get("accept", []), "accept, a list of lists of calls", place):
        _check_calls(accepted, tools, place)
    for name in _list(example.get("relevant_tools", []), "relevant_tools, a list of names", place):
        if not isinstance(name, str) or name not in tools.by_name:
            raise bad(place, "the name of a tool that the catalog has", name)
    for _, step in reading.items(example.get("steps", []), f"{place}: steps"):
        if not isinstance(step.get("thought"), str) or not isinstance(step.get("observation"), str):
            raise bad(place, "a step with a thought and an observation, both texts", step)
    _check_calls(example.get("steps", []), tools, place)


def _list(value: object, expected: str, place: str) -> list:
    if not isinstance(value, list):
        raise bad(place, expected, value)
    return value


def _check_calls(calls: object, tools: catalog.Catalog, place: str) -> None:
    for call in _list(calls, "a list of calls", place):
        if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
            raise bad(place, "a call with a name and arguments, an object", call)
        if not isinstance(call.get("name"), str) or call["name"] not in tools.function_names:
            raise bad(place, "the name of a tool that the catalog has", call.get("name"))


def write(imported: Imported, folder: Path) -> None:
    """Write the two files; an earlier import of this folder is overwritten."""
    car = {"properties": imported.properties} if imported.properties else {}
    records.write_json(folder / CATALOG, {"functions": imported.functions, **car})
    records.write_jsonl(folder / EXAMPLES, imported.examples)


def read(folder: Path) -> Imported:
    """Read the two files back, and check every example. Raises BadRecord with `file:line`."""
    document = reading.document(folder / CATALOG)
    tools = catalog.load(folder / CATALOG)
    examples = []
    for place, example in reading.lines(folder / EXAMPLES):
        check(example, tools, place)
        examples.append(ordered(example))
    return Imported(document["functions"], examples, properties=document.get("properties", []))
