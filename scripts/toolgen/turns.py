"""What was said and done before a query, as the compact text that a model reads before it.

    > what a user said   < what was answered, and calls as name and JSON   = what a tool gave back

A text with earlier turns is these, SEPARATOR and the query. Where there is too little room, the oldest are cut.
"""

from .records import dumps

SEPARATOR = "\x1e"  # cannot be printed, so no query that is read holds one
MARKS = {"user": ">", "assistant": "<", "tool": "="}
LONGEST = 300  # characters of one turn


def asked(row: dict, steps: list[dict] = []) -> str:  # noqa: B006
    """The text of a row {"query", "history"?}, behind what came before it: its history, and `steps` taken since."""
    turns = [*row.get("history", ()), *(turn for step in steps for turn in _of_step(step))]
    earlier = " ".join(filter(None, map(_written, turns)))
    return f"{earlier}{SEPARATOR}{row['query']}" if earlier else row["query"]


def _of_step(step: dict) -> list[dict]:
    return [{"role": "assistant", "tool_calls": [step]}, {"role": "tool", "content": step["observation"]}]


def _written(turn: dict) -> str:
    said = [turn["content"]] if turn.get("content") else []
    said += [f"{call['name']} {dumps(call['arguments'])}" for call in turn.get("tool_calls", ())]
    text = " ".join(" ".join(said).split())[:LONGEST]
    return f"{MARKS[turn['role']]} {text}" if text else ""
