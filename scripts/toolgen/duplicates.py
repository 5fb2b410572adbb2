"""Near-duplicate queries: the same calls once numbers are masked, and nearly the same words."""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator

from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from .numbers import normalise
from .records import dumps

NUMBER = re.compile(r"-?\d+(\.\d+)?")


def masked(query: str) -> str:
    """The query as the model reads it, with every number as `#` and without commas, which nobody hears."""
    return without_commas(without_numbers(query))


def without_numbers(query: str) -> str:
    """The query as the model reads it, every break of a sentence a comma, with every number as `#`."""
    return NUMBER.sub("#", normalise(query))


def without_commas(text: str) -> str:
    return text.replace(" ,", "")


def masked_words(text: str, calls: list[dict]) -> list[str]:
    """Words and commas of a query without numbers, with every text that its calls quote from it as `#`."""
    for quoted in sorted(set(_texts(calls)), key=lambda quoted: (-len(quoted), quoted)):
        text = re.sub(rf"(?<!\S){re.escape(quoted)}(?!\S)", "#", text)
    return text.split()


def masked_calls(calls: list[dict]) -> str:
    """What the calls do once numbers are masked: functions, properties, areas, and values that are no numbers."""
    shapes = []
    for call in calls:
        arguments = {key: _masked_value(key, value) for key, value in sorted(call["arguments"].items())}
        shapes.append([call["name"], arguments])
    return dumps(shapes)


def group_of(calls: list[dict], rule: str, more: dict = {}) -> str:  # noqa: B006
    """Only queries of one group can be near-duplicates: by "calls", those whose masked calls agree; by "seed", all.

    `more` is what an imported example knows beside its calls: what came before must be the same, and where the tools
    alone are known they stand for the calls.
    """
    assert rule in ("calls", "seed"), rule
    named = [] if calls else [{"name": name, "arguments": {}} for name in more.get("relevant_tools", ())]
    return (masked_calls(calls or named) if rule == "calls" else "") + before(more)


def before(more: dict) -> str:
    """The earlier turns of a query as one text; the empty text where there are none."""
    return dumps(more["history"]) if more.get("history") else ""


def _masked_value(key: str, value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "#" if is_number and key != "areaId" else value


def _texts(calls: list[dict]) -> Iterator[str]:
    """What the calls hold as text, but for names of properties, in the form of a query without numbers."""
    waiting = [value for call in calls for key, value in call["arguments"].items() if key != "propertyName"]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and (text := without_numbers(value)):
            yield text
        elif isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value


class NearDuplicates:
    """Remembers rows, and finds those that a new row nearly repeats.

    Two rows of a group are near-duplicates when they have the same words, or when the ROUGE-L F1 of their words,
    2 LCS / (m + n) (Lin 2004), is above `threshold`. Every pair of them is found, by an exact prefix filter (Chaudhuri
    et al. 2006, Bayardo et al. 2007): such rows share more than threshold (m + n) / 2 words, so that in any fixed order
    of words they share one of the first m - threshold (m + n) / 2 of each. The order is that of first appearance, the
    latest first, since words that come late tend to be rare. What is left is confirmed by rapidfuzz's LCS.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.rows: list[array] = []  # the words of each row, as their ranks
        self.ranks: dict[str | tuple[str, int], int] = {}  # a word, or a word said for the n-th time -> its place
        self.numbers: dict[tuple[str, bytes], int] = {}  # (group, words) -> the first row of these
        self.index: dict = defaultdict(lambda: defaultdict(dict))  # group -> number of words -> rank -> rows

    def is_new(self, words: list[str], group: str) -> bool:
        """Whether no remembered row is a near-duplicate; if so this one is remembered from now on.

        Of rows that nearly repeat each other those are kept that come first.
        """
        row, ranks = self._coded(words)
        if (group, row.tobytes()) in self.numbers:
            return False
        for near, least in self._candidates(row, ranks, group):
            choices = [self.rows[number] for number in near]
            if process.extractOne(row, choices, scorer=LCSseq.similarity, score_cutoff=least) is not None:
                return False
        self._remember(row, ranks, group)
        return True

    def add(self, words: list[str], group: str) -> int:
        """Remember a row; its number, counted from 0."""
        return self._remember(*self._coded(words), group)

    def matches(self, words: list[str], group: str) -> Iterator[int]:
        """Yield the numbers of the rows of which these words are a near-duplicate, each once."""
        row, ranks = self._coded(words)
        same = self.numbers.get((group, row.tobytes()))
        if same is not None:
            yield same
        for near, least in self._candidates(row, ranks, group):
            choices = {number: self.rows[number] for number in near if number != same}
            found = process.extract_iter(row, choices, scorer=LCSseq.similarity, score_cutoff=least)
            yield from (number for _, _, number in found)

    def _remember(self, row: array, ranks: list[int], group: str) -> int:
        number, size = len(self.rows), len(row)
        self.rows.append(row)
        self.numbers.setdefault((group, row.tobytes()), number)
        reach = size - int(self.threshold * size / (2 - self.threshold) + 1e-9)  # for the shortest row it can match
        rows_of = self.index[group][size]
        for rank in ranks[:reach]:
            if rank not in rows_of:
                rows_of[rank] = array("I")
            rows_of[rank].append(number)
        return number

    def _candidates(self, row: array, ranks: list[int], group: str) -> Iterator[tuple[set[int], int]]:
        """Yield, for each number of words, the rows that may nearly repeat `row`, and the LCS at which they do."""
        size, threshold = len(row), self.threshold
        for other, rows_of in self.index[group].items():
            least = int(threshold * (size + other) / 2 + 1e-9) + 1
            if least > size or least > other:
                continue
            near: set[int] = set()
            for rank in ranks[: size - least + 1]:
                if rank in rows_of:
                    near.update(rows_of[rank])
            if near:
                yield near, least

    def _coded(self, words: list[str]) -> tuple[array, list[int]]:
        """The words as ranks, and the same ranks with the latest first; a word said again counts as another word."""
        known, said, row, ranks = self.ranks, {}, array("I"), []
        for word in words:
            again = said[word] = said.get(word, 0) + 1
            rank = known.get(word)
            if rank is None:
                rank = known[word] = len(known)
            row.append(rank)
            ranks.append(rank if again == 1 else known.setdefault((word, again), len(known)))
        ranks.sort(reverse=True)
        return row, ranks
