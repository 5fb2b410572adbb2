"""Calls and turns of a conversation in the forms that people write them, and the project's own."""

from collections import Counter
from typing import Any

from ..records import dumps
from .reading import bad, items, loads

ROLES = {"user": "user", "human": "user", "assistant": "assistant", "model": "assistant", "tool": "tool",
         "function": "tool"}  # fmt: skip
UNSPOKEN = ("system", "developer")  # instructions: the project writes its own


def calls(value: Any, place: str) -> list[dict]:
    """Calls as [{"name", "arguments": {...}}]; they may be wrapped, one alone, JSON text, null. Raises BadRecord."""
    value = _loaded(value, f"{place}: calls")
    value = [] if value is None else [value] if isinstance(value, dict) else value
    return [call(record, at) for at, record in items(value, place)]


def call(record: dict, place: str) -> dict:
    """One call, see `calls`."""
    if isinstance(record.get("function"), dict):
        record = record["function"]
    arguments = _loaded(record.get("arguments"), f"{place}: arguments")
    arguments = {} if arguments is None else arguments
    elsewhere = "arguments" not in record and set(record) - {"name", "id", "type"}
    if not isinstance(record.get("name"), str) or not isinstance(arguments, dict) or elsewhere:
        raise bad(place, "a call with its name, a text, and its arguments, an object", record)
    return {"name": record["name"], "arguments": arguments}


def _loaded(value: Any, place: str) -> Any:
    """A value that may stand there as JSON text. An empty text is null."""
    if not isinstance(value, str):
        return value
    return loads(value, place) if value.strip() else None


def text(content: Any) -> str:
    """A message's content as one text: text itself, parts of type text, or any other value as JSON; null is empty."""
    if isinstance(content, list) and all(isinstance(part, dict) and "text" in part for part in content):
        content = "\n".join(str(part["text"]) for part in content)
    if content is None:
        return ""
    return content if isinstance(content, str) else dumps(content)


def history(value: Any, place: str, left_out: Counter) -> list[dict]:
    """Turns as {"role": user, assistant or tool, "content": text or null, "tool_calls"?: calls}. Raises BadRecord."""
    turns = []
    for at, record in items(value or [], f"{place}: history"):
        if record.get("role") in UNSPOKEN:
            left_out["messages of system and developer"] += 1
            continue
        turns.append(turn(record, at))
    return turns


def turn(record: dict, place: str) -> dict:
    """One message of a user, an assistant or a tool. Raises BadRecord."""
    role = ROLES.get(record["role"]) if isinstance(record.get("role"), str) else None
    if role is None:
        raise bad(place, f"a role, one of {', '.join((*ROLES, *UNSPOKEN))}", record.get("role"))
    content = record.get("content")
    found = {"role": role, "content": None if content is None else text(content)}
    made = calls(record.get("tool_calls") or record.get("function_call"), f"{place}: tool_calls")
    return found | ({"tool_calls": made} if made else {})
