"""The slips of the tongue, as the phrase bank's `manners.yaml` lists them; they fit any catalog."""

from dataclasses import dataclass
from pathlib import Path

from ..records import BadRecord
from .lines import Node, compose

KINDS = ("fillers", "false_starts", "homophones")


@dataclass(frozen=True)
class Slips:
    """What is said between words, before them, and in their place."""

    fillers: list[str]
    false_starts: list[str]
    homophones: dict[str, list[str]]


def load(folder: str | Path) -> Slips:
    """The slips of the bank in `folder`. Raises BadRecord, naming file and line."""
    path = Path(folder) / "manners.yaml"
    if not path.is_file():
        raise BadRecord(f"{path} is missing")
    return read(compose(path).sections(KINDS, more=True))


def read(parts: dict[str, Node]) -> Slips:
    homophones = {word: node.strings() for word, node in parts["homophones"].mapping().items()}
    return Slips(parts["fillers"].strings(), parts["false_starts"].strings(), homophones)
