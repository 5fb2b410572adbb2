"""Arguments of tools that name none of them, as their calls have them."""

from collections.abc import Iterator

from .imported import SHOWN, Imported

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def add_arguments(imported: Imported) -> None:
    """Give each tool without properties those that calls outside the split eval bring, none required; note which."""
    seen: dict[str, dict[str, set[str]]] = {}
    for call in _calls(imported.examples):
        for argument, value in call["arguments"].items():
            seen.setdefault(call["name"], {}).setdefault(argument, set()).add(TYPES.get(type(value), "null"))
    completed = []
    for number, function in enumerate(imported.functions):
        name, parameters = function["name"], function["parameters"]
        if not parameters["properties"] and "additionalProperties" not in parameters and name in seen:
            properties = {argument: {"type": _type(types)} for argument, types in seen[name].items()}
            imported.functions[number] = function | {"parameters": parameters | {"properties": properties}}
            completed.append(name)
    if completed:
        more = ", ..." if len(completed) > SHOWN else ""
        shown = ", ".join(completed[:SHOWN]) + more
        imported.notes.append(f"{len(completed):,} tools that name no arguments have those of their calls: {shown}")


def _calls(examples: list[dict]) -> Iterator[dict]:
    for example in examples:
        if example.get("split") != "eval":
            yield from example.get("answers", ())
            yield from example.get("steps", ())
            for turn in example.get("history", ()):
                yield from turn.get("tool_calls", ())
            for calls in example.get("accept", ()):
                yield from calls


def _type(types: set[str]) -> str | list[str]:
    found = sorted(types - {"integer"} if "number" in types else types)
    return found[0] if len(found) == 1 else found
