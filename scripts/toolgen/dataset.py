"""A query and its calls as a row of `dataset.jsonl`, in the form of Mobile Actions and CarTool-Instruct, and back."""

import random

from .catalog import Catalog

INSTRUCTION = "You operate a car by calling its functions. Call none where no function does what is asked."


def row(query: str, calls: list[dict], split: str, slice_: str, catalog: Catalog, rng: random.Random) -> dict:
    """One row; the functions and their parameters stand in an order of `rng`'s, so that no model learns the order."""
    return {
        "metadata": "train" if split == "train" else "eval",
        "split": split,
        "slice": slice_,
        "tools": [{"function": _shuffled(tool, rng)} for tool in rng.sample(catalog.functions, len(catalog.functions))],
        "messages": [
            {"role": "developer", "content": INSTRUCTION},
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
