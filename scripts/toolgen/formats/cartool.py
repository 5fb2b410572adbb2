"""CarTool-Instruct's folder: the metadata of its car, and a dataset where there is one.

vehicle_properties.json, car_property_functions.json   what `toolgen.catalog.load` reads
dataset.jsonl    {"metadata": train or eval, "tools", "messages"}: one user's message and its calls
dataset.json     [{"query", "answers"}]: the same rows without their split, read where there is no dataset.jsonl
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .. import catalog, dataset, records
from ..records import BadRecord
from ..splits import OWN
from . import reading, turns
from .imported import Imported, check, ordered
from .reading import bad

PROPERTIES, FUNCTIONS = "vehicle_properties.json", "car_property_functions.json"
PHRASES = {word: phrase for phrase, word in reversed(catalog.ROWS)}
Limit = Annotated[str, Field(pattern=r"^(-?\d{1,15}(\.\d{1,15})?)?$")]


class Area(BaseModel):
    model_config = ConfigDict(strict=True)
    areaId: int
    areaIdDescription: str
    minValue: Limit
    maxValue: Limit
    supportedEnumValues: list[int]


class Property(BaseModel):
    model_config = ConfigDict(strict=True)
    propertyName: str
    propertyDescription: str
    access: str
    dataType: str
    changeMode: str
    areaIdProfiles: list[Area]


class Function(BaseModel):
    model_config = ConfigDict(strict=True)
    name: str
    description: str
    parameters: dict


def read(source: Path) -> Imported:
    """Read the folder. Raises BadRecord with the place of what cannot be taken."""
    for name, record in ((PROPERTIES, Property), (FUNCTIONS, Function)):
        _hold(source / name, record)
    tools = catalog.load(source)
    properties = json.loads(records.dumps([asdict(item) for item in tools.properties]))
    imported = Imported(list(tools.functions), [], properties=properties)
    rows = _messages(source / "dataset.jsonl") if (source / "dataset.jsonl").is_file() else \
        _queries(source / "dataset.json") if (source / "dataset.json").is_file() else ()  # fmt: skip
    for place, example in rows:
        check(example, tools, place)
        imported.examples.append(ordered(example))
    return imported


def write(imported: Imported, folder: Path) -> list[str]:
    """Write the metadata and both forms of the dataset; returns notes on what they cannot hold."""
    tools, rng = imported.catalog(), random.Random(0)
    records.write_json(folder / PROPERTIES, [_to_cartool(item) for item in tools.properties])
    records.write_json(folder / FUNCTIONS, imported.functions)
    held = [row for row in imported.examples if row.get("answers") and "history" not in row]
    records.write_json(folder / "dataset.json", [{key: row[key] for key in ("query", "answers")} for row in held])
    records.write_jsonl(folder / "dataset.jsonl", (_row(row, tools, rng) for row in held))
    missing = len(imported.examples) - len(held)
    return [f"{missing:,} examples without a call, or of more than one turn, left out"] if missing else []


def _hold(path: Path, record: type[BaseModel]) -> None:
    """Raises BadRecord unless the file holds a list of such records."""
    document = reading.document(path)
    try:
        TypeAdapter(list[record]).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise BadRecord(f"{path}: item {at}: {first['msg']}, found {str(first['input'])[:80]!r}") from None


def _to_cartool(item: catalog.Property) -> dict:
    meanings = [f"- {value} ({meaning.upper().replace(' ', '_')})" for value, meaning in item.values.items()]
    return {
        "propertyName": item.name,
        "propertyDescription": "\n".join([item.description, *(["Values:"] if meanings else []), *meanings]),
        "access": item.access,
        "dataType": item.type,
        "changeMode": item.change_mode,
        "areaIdProfiles": [
            {
                "areaId": area.id,
                "areaIdDescription": f"This area is the property for {PHRASES.get(area.name, area.name)}.",
                "minValue": _digits(area.minimum),
                "maxValue": _digits(area.maximum),
                "supportedEnumValues": list(area.enum),
            }
            for area in item.areas
        ],
    }


def _digits(limit: float | None) -> str:
    return "" if limit is None else f"{Decimal(str(limit)):f}"


def _row(example: dict, tools: catalog.Catalog, rng: random.Random) -> dict:
    """A row as `refine` would write it; without metadata where the split is not known."""
    row = dataset.row(example["query"], example["answers"], None, example.get("split", "train"), OWN, tools, rng)
    return {key: row[key] for key in ("metadata", "tools", "messages") if key != "metadata" or "split" in example}


def _messages(path: Path) -> Iterator[tuple[str, dict]]:
    for place, row in reading.lines(path):
        said = [turns.turn(record, at) for at, record in reading.items(row.get("messages"), f"{place}: messages")
                if record.get("role") not in turns.UNSPOKEN]  # fmt: skip
        if [turn["role"] for turn in said] != ["user", "assistant"]:
            raise bad(place, "one message of the user and one of the assistant", [turn["role"] for turn in said])
        if row.get("metadata", "train") not in ("train", "eval"):
            raise bad(place, "metadata, train or eval", row["metadata"])
        split = {"split": row["metadata"]} if "metadata" in row else {}
        yield place, {"query": said[0]["content"], "answers": said[1].get("tool_calls", []), **split}


def _queries(path: Path) -> Iterator[tuple[str, dict]]:
    for place, row in reading.items(reading.document(path), str(path)):
        yield place, {"query": row.get("query"), "answers": turns.calls(row.get("answers"), f"{place}: answers")}
