"""A query and its calls as a row of `dataset.jsonl`, in the form of Mobile Actions and CarTool-Instruct, and back."""

import random
from dataclasses import asdict

from .catalog import Catalog
from .records import dumps

INSTRUCTION = "You operate a car by calling its functions. Call none where no function does what is asked."
WITHOUT_CAR = "You answer requests by calling functions. Call none where no function does what is asked."
PROPERTIES = "These are the properties of the car, as JSON:"
MOST_FUNCTIONS = 32  # of a row: of a larger catalog those that it names, and others
MORE = ("history", "accept", "relevant_tools", "steps", "final_answer")  # what imported examples may know


def row(
    query: str, calls: list[dict], end_state: dict | None, split: str, slice_: str, catalog: Catalog,
    rng: random.Random, catalog_in_row: bool = False, more: dict = {},  # noqa: B006
) -> dict:  # fmt: skip
    """One row; the functions and their parameters stand in an order of `rng`'s, so that no model learns the order.

    `end_state` is written as JSON text, since its keys differ from row to row. With `catalog_in_row` the developer's
    message holds the car's properties, in an order of `rng`'s as well.

    `more` are those of MORE that are known. Earlier turns stand before the query, the steps of a trajectory behind it,
    each call with what its tool gave back; where the tools are known and the calls are not, no message answers.
    """
    offered = _offered(calls, more, catalog, rng)
    tools = [{"function": _shuffled(tool, rng)} for tool in rng.sample(offered, len(offered))]
    instruction = INSTRUCTION if catalog.properties else WITHOUT_CAR
    if catalog_in_row and catalog.properties:
        instruction = _with_properties(catalog, rng)
    return {
        "metadata": "train" if split == "train" else "eval",
        "split": split,
        "slice": slice_,
        "end_state": None if end_state is None else dumps(end_state),
        "tools": tools,
        "messages": [
            {"role": "developer", "content": instruction},
            *map(_message, more.get("history", ())),
            {"role": "user", "content": query},
            *_answer(calls, more),
        ],
        **{key: more[key] for key in ("accept", "relevant_tools") if key in more},
    }


def query_and_calls(dataset_row: dict) -> tuple[str, list[dict]]:
    """The user's query, the last one, and the assistant's calls behind it."""
    example = read(dataset_row)
    return example["query"], example["calls"]


def read(dataset_row: dict) -> dict:
    """What `row` was made of: query, calls and, of MORE, what is known."""
    messages = dataset_row["messages"]
    last = max(number for number, message in enumerate(messages) if message["role"] == "user")
    answer = messages[last + 1 :]
    example = {"query": messages[last]["content"], "calls": [call for turn in answer for call in _calls(turn)]}
    if last > 1:
        example["history"] = [_turn(message) for message in messages[1:last]]
    example |= {key: dataset_row[key] for key in ("accept", "relevant_tools") if dataset_row.get(key) is not None}
    if answer and answer[-1].get("content") is not None:
        turns = zip(answer[:-1:2], answer[1:-1:2], strict=True)
        example["steps"] = [
            {"thought": said["content"], **_calls(said)[0], "observation": given["content"]} for said, given in turns
        ]
        example["final_answer"] = answer[-1]["content"]
    return example


def calls_are_known(example: dict) -> bool:
    return "steps" in example or "relevant_tools" not in example


def _answer(calls: list[dict], more: dict) -> list[dict]:
    if "steps" in more:
        turns = []
        for step in more["steps"]:
            call = {"name": step["name"], "arguments": step["arguments"]}
            turns.append({"role": "assistant", "content": step["thought"], "tool_calls": [{"function": call}]})
            turns.append({"role": "tool", "content": step["observation"]})
        return [*turns, {"role": "assistant", "content": more["final_answer"]}]
    if "relevant_tools" in more:
        return []
    return [{"role": "assistant", "tool_calls": [{"function": call} for call in calls]}]


def _message(turn: dict) -> dict:
    """An earlier turn as a message; `_turn` is the inverse."""
    calls = {"tool_calls": [{"function": call} for call in turn["tool_calls"]]} if turn.get("tool_calls") else {}
    return {"role": turn["role"], "content": turn.get("content"), **calls}


def _turn(message: dict) -> dict:
    calls = _calls(message)
    return {"role": message["role"], "content": message["content"], **({"tool_calls": calls} if calls else {})}


def _calls(message: dict) -> list[dict]:
    return [call["function"] for call in message.get("tool_calls") or []]


def _offered(calls: list[dict], more: dict, catalog: Catalog, rng: random.Random) -> list[dict]:
    """The functions of a row; of a catalog too large for every row, those that it names and others at random."""
    if len(catalog.functions) <= MOST_FUNCTIONS:
        return list(catalog.functions)
    accepted = [call for calls in more.get("accept", ()) for call in calls]
    names = [*(call["name"] for call in [*calls, *accepted]),
             *(catalog.by_name[name].function for name in more.get("relevant_tools", ()))]  # fmt: skip
    named = {name: catalog.function_of[name] for name in names}
    others = [item for item in rng.sample(catalog.functions, MOST_FUNCTIONS) if item["name"] not in named]
    return [*named.values(), *others[: max(MOST_FUNCTIONS - len(named), 0)]]


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
