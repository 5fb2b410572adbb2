"""Words that may stand for each other in a request without changing what it asks for, as `synonyms.yaml` groups them.

They teach a model from scratch words that no phrase has: what holds for the kids holds for the toddlers.
"""

import random
import re

from ..records import BadRecord
from .lines import Node

WORD = re.compile(r"(?<![\w'-])(?:(an?) )?([a-z]+(?:'s)?)(?![\w'-])")
VOWEL = re.compile(r"(?!uni|use|usu|one|eu)[aeiou]|hour|honest")

Synonyms = dict[str, list[str]]  # a word -> the others of its group


def read(groups: Node) -> Synonyms:
    """A list of groups of words. Raises BadRecord, naming file and line, for a word that stands twice."""
    found: Synonyms = {}
    for group in groups.items():
        lines = group.lines()
        words = [text for text, _ in lines]
        if len(words) < 2:
            raise BadRecord(f"{group.where}: a group is two words or more")
        for text, line in lines:
            if text in found:
                raise BadRecord(f"{line}: {text!r} stands twice")
            found[text] = [word for word in words if word != text]
    return found


def swapped(text: str, synonyms: Synonyms, share: float, rng: random.Random) -> str:
    """`text` with each word that has synonyms replaced by one of them in a `share` of cases, and its `a` with it."""

    def other(match: re.Match) -> str:
        article, word = match.groups()
        if word not in synonyms or rng.random() >= share:
            return match[0]
        word = rng.choice(synonyms[word])
        return f"{'an' if VOWEL.match(word) else 'a'} {word}" if article else word

    return WORD.sub(other, text) if share else text
