"""MetaTool (HowieHwong/MetaTool): queries, and the tool that each needs. There are no arguments.

a clone         dataset/plugin_des.json, dataset/big_tool_des.json   {name: description}
                dataset/data/all_clean_data.csv                      Query,Tool
a ready split   tools.jsonl                                          {"name", "description"}
                train.jsonl, test.jsonl                              {"query", "relevant_tools": [name]}

Rows of the csv that ask the same are one query with all their tools. A tenth of the queries, by their hash, are for
evaluation, and a fortieth for validation, which a ready split keeps among its training rows. The 497 queries for two
tools are left out: none are for training.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from .. import records
from ..records import BadRecord
from . import reading
from .imported import Imported, check, merged
from .reading import bad

QUERIES = "all_clean_data.csv"
FILES = {"train.jsonl": ("train", "validation"), "test.jsonl": ("eval",)}
NO_ARGUMENTS = {"type": "object", "properties": {}}


def read(source: Path) -> Imported:
    """Read a clone, or a ready split. Raises BadRecord with the place of what cannot be taken."""
    if (source / "dataset").is_dir():
        described, rows = _described(source / "dataset"), _rows(source / "dataset/data")
    elif (source / "tools.jsonl").is_file():
        described = ((place, tool.get("name"), tool.get("description")) for place, tool in
                     reading.lines(source / "tools.jsonl"))  # fmt: skip
        rows = _ready(source)
    else:
        raise BadRecord(f"{source}: expected dataset/ of a clone, or tools.jsonl of a ready split, found neither")
    notes: list[str] = []
    imported = Imported(merged(_tools(described), notes), [], notes)
    tools = imported.catalog()
    for place, query, split, names in rows:
        example = {"query": query, "split": split, "relevant_tools": names}
        check(example, tools, place)
        imported.examples.append(example)
    return imported


def write(imported: Imported, folder: Path) -> list[str]:
    """Write a ready split; returns notes on what the form cannot hold."""
    records.write_jsonl(folder / "tools.jsonl", ({"name": tool["name"], "description": tool["description"]}
                                                 for tool in imported.functions))  # fmt: skip
    held = [example for example in imported.examples if "relevant_tools" in example and "split" in example]
    for name, own in FILES.items():
        rows = ({key: row[key] for key in ("query", "relevant_tools")} for row in held if row["split"] in own)
        records.write_jsonl(folder / name, rows)
    missing = len(imported.examples) - len(held)
    return [f"{missing:,} examples without a split, or without relevant_tools, left out"] if missing else []


def split_of(query: str) -> str:
    place = int(hashlib.sha1(query.lower().encode()).hexdigest(), 16)
    return "eval" if place % 10 == 0 else "validation" if place % 40 == 1 else "train"


def _described(folder: Path) -> Iterator[tuple[str, object, object]]:
    """Place, name and description of every tool, the names in their order."""
    found = []
    for path in (folder / "plugin_des.json", folder / "big_tool_des.json"):
        names = reading.document(path)
        if not isinstance(names, dict):
            raise bad(str(path), "an object, from a tool's name to its description", names)
        found += [(str(path), name, description) for name, description in names.items()]
    return iter(sorted(found, key=lambda tool: tool[1]))


def _tools(described: Iterator[tuple[str, object, object]]) -> Iterator[tuple[str, dict]]:
    for place, name, description in described:
        if not isinstance(description, str | None):
            raise bad(place, f"a description of {name}, a text", description)
        yield place, {"name": name, "description": description or "", "parameters": NO_ARGUMENTS}


def _ready(source: Path) -> Iterator[tuple[str, object, str, object]]:
    for name, own in FILES.items():
        for place, row in reading.lines(source / name):
            query = row.get("query")
            split = split_of(query) if isinstance(query, str) else own[0]
            yield place, query, split if split in own else own[0], row.get("relevant_tools")


def _rows(folder: Path) -> Iterator[tuple[str, object, str, object]]:
    """Place, query, split and tools of every query; in the order of the split's files."""
    asked: dict[str, tuple[str, set[str]]] = {}
    for place, query, tool in _csv(folder / QUERIES):
        asked.setdefault(query.strip(), (place, set()))[1].add(tool)
    for own in FILES.values():
        for query, (place, names) in asked.items():
            if (split := split_of(query)) in own:
                yield place, query, split, sorted(names)


def _csv(path: Path) -> Iterator[tuple[str, str, str]]:
    reader = csv.reader(io.StringIO(reading.text(path), newline=""), strict=True)
    try:
        for number, row in enumerate(reader):
            place = f"{path}:{reader.line_num}"
            if number == 0 and row != ["Query", "Tool"]:
                raise bad(place, "the columns Query and Tool", row)
            if len(row) != 2:
                raise bad(place, "two columns, Query and Tool", row)
            if number:
                yield place, *row
    except csv.Error as error:
        raise BadRecord(f"{path}:{reader.line_num}: not CSV ({error})") from None
