"""Near-duplicate queries: the same calls once numbers are masked, and nearly the same words."""

import re
from collections import defaultdict

from rapidfuzz import process
from rapidfuzz.distance import Indel

from .numbers import normalise
from .records import dumps


def masked(query: str) -> str:
    """The query as the model reads it, with every number as `#`."""
    return re.sub(r"-?\d+(\.\d+)?", "#", normalise(query))


def masked_calls(calls: list[dict]) -> str:
    """What the calls do once numbers are masked: functions, properties, areas, and values that are no numbers."""
    shapes = []
    for call in calls:
        arguments = {key: _masked_value(key, value) for key, value in sorted(call["arguments"].items())}
        shapes.append([call["name"], arguments])
    return dumps(shapes)


def _masked_value(key: str, value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "#" if is_number and key != "areaId" else value


class NearDuplicates:
    """Remembers the rows that were kept, and finds the one that a new row nearly repeats.

    Two rows are near-duplicates when their masked calls agree and the ROUGE-L F1 over the words of their masked
    queries, 2 LCS / (m + n) (Lin 2004), is above `threshold`.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.characters: dict[str, str] = {}  # each word as one character, so that words are compared as letters are
        self.kept: dict[str, list[str]] = defaultdict(list)
        self.seen: dict[str, set[str]] = defaultdict(set)

    def is_new(self, query: str, calls: list[dict]) -> bool:
        """Whether no kept row is a near-duplicate of this one; if so it is kept from now on."""
        key = masked_calls(calls)
        letters = "".join(
            self.characters.setdefault(word, chr(0x100 + len(self.characters))) for word in masked(query).split()
        )
        if letters in self.seen[key]:
            return False
        if self.threshold < 1:
            nearest = process.extractOne(
                letters, self.kept[key], scorer=Indel.normalized_similarity, score_cutoff=self.threshold + 1e-9
            )
            if nearest is not None:
                return False
        self.seen[key].add(letters)
        self.kept[key].append(letters)
        return True
