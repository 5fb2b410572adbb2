"""What the stages left in metrics/, read without trusting its form: a file may be old, of another run, or not there."""

from pathlib import Path
from typing import Any

from .. import records

STAGES = ("generate", "refine", "prepare", "tool_memorization", "retrieval_training", "agent_tuning", "evaluate",
          "export", "add_tools")
TRAINED = STAGES[3:6]


def metrics(path: str) -> dict | None:
    """The object in metrics/<path>.json, or None where there is no such file. Raises BadRecord for anything else."""
    file = Path(f"metrics/{path}.json")
    if not file.is_file():
        return None
    found = records.read_json(file)
    if not isinstance(found, dict):
        raise records.BadRecord(f"{file}: expected an object, found {type(found).__name__}")
    return found


def branch(found: Any, *keys: str) -> dict:
    """The object under `keys`, one in the other; {} where something on the way is missing or no object."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
