"""Near-duplicate queries: the same calls once numbers are masked, and nearly the same words."""

import re
from collections import defaultdict

from rapidfuzz import process
from rapidfuzz.distance import Indel

from .numbers import normalise
from .records import dumps

NUMBER = re.compile(r"-?\d+(\.\d+)?")


def masked(query: str) -> str:
    """The query as the model reads it, with every number as `#` and without commas, which nobody hears."""
    return NUMBER.sub("#", normalise(query).replace(" ,", ""))


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
        self.kept: dict[str, dict[str, list[str]]] = defaultdict(dict)  # masked calls -> masked query -> its words

    def is_new(self, shape: str, calls: list[dict]) -> bool:
        """Whether no kept row is a near-duplicate of `masked` query and calls; if so they are kept from now on."""
        kept = self.kept[masked_calls(calls)]
        if shape in kept:
            return False
        words = shape.split()
        cutoff = min(self.threshold + 1e-4, 1)  # above, not at, the threshold; rapidfuzz lets 1e-5 less pass
        if process.extractOne(words, kept, scorer=Indel.normalized_similarity, score_cutoff=cutoff) is not None:
            return False
        kept[shape] = words
        return True
