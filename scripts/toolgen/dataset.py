"""A query and its calls as a row of `dataset.jsonl`, in the form of Mobile Actions and CarTool-Instruct, and back."""

import random
from dataclasses import asdict

from .catalog import Catalog
from .records import dumps

INSTRUCTION = "You operate a car by calling its functions. Call none where no function does what is asked."
PROPERTIES = "These are the properties of the car, as JSON:"


def row(
    query: str, calls: list[dict], end_state: dict | None, split: str, slice_: str, catalog: Catalog,
    rng: random.Random, catalog_in_row: bool = False,
) -> dict:  # fmt: skip
    """One row; the functions and their parameters stand in an order of `rng`'s, so that no model learns the order.

    `end_state` is written as JSON text, since its keys differ from row to row. With `catalog_in_row` the developer's
    message holds the car's properties, in an order of `rng`'s as well.
    """
    tools = [{"function": _shuffled(tool, rng)} for tool in rng.sample(catalog.functions, len(catalog.functions))]
    instruction = _with_properties(catalog, rng) if catalog_in_row and catalog.properties else INSTRUCTION
    return {
        "metadata": "train" if split == "train" else "eval",
        "split": split,
        "slice": slice_,
        "end_state": None if end_state is None else dumps(end_state),
        "tools": tools,
        "messages": [
            {"role": "developer", "content": instruction},
            {"role": "user", "content": query},
            {"role": "assistant", "tool_calls": [{"function": call} for call in calls]},
        ],
    }


def query_and_calls(dataset_row: dict) -> tuple[str, list[dict]]:
    """The user's query and the assistant's calls of a single-turn row."""
    _, user, assistant = dataset_row["messages"]
    return user["content"], [call["function"] for call in assistant.get("tool_calls", [])]


def _shuffled(function: dict, rng: random.Random) -> dict:
    parameters = function.get("parameters") or {"type": "object"}
    properties = parameters.get("properties", {})
    names = rng.sample(list(properties), len(properties))
    return function | {"parameters": parameters | {"properties": {name: properties[name] for name in names}}}


def _with_properties(catalog: Catalog, rng: random.Random) -> str:
    properties = [
        asdict(item) | {"areas": [_plain(asdict(area)) for area in rng.sample(item.areas, len(item.areas))]}
        for item in rng.sample(catalog.properties, len(catalog.properties))
    ]
    return f"{INSTRUCTION}\n{PROPERTIES}\n{dumps([_plain(item) for item in properties])}"


def _plain(record: dict) -> dict:
    """A record without what it leaves empty."""
    return {name: value for name, value in record.items() if value not in (None, "", (), {})}
