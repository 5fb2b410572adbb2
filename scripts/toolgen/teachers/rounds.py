"""What a paid teacher is asked, round after round, until enough of its queries pass the checks.

A round is a list of prompts, each about one kind of query, with a tool and a place for every query in it: those that
are furthest below their share. The first round shows worked examples; each later one, twice as long, shows what earlier
rounds had accepted. A round is planned when all before it are done, and its plan goes into the ledger: so no prompt
depends on the order of arrival, more samples go on where fewer ended, and a mended parser asks nothing again.
"""

import hashlib
import heapq
import math
import random
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, tee

from .. import checks
from ..calltext import segments
from ..catalog import Catalog
from ..duplicates import masked
from ..records import dumps
from ..splits import position
from . import prompts as wording
from .asking import Asker, Model, Question, Stopped
from .ledger import key
from .prompts import Prompts, Target

LONGEST_ROUND = 512  # prompts
PAGE = 32  # prompts of a plan that are kept, and read, together
POOL = 16  # accepted queries of a tool that later prompts may show
LEAST_SHARE = 0.1  # of a round's queries that must be accepted, or asking ends
ENOUGH = 0.9  # of its count, below which a tool or a place is reported as short
PATIENCE = 3  # how many times its even share a tool that is behind gets of a round, at most


@dataclass(frozen=True)
class Order:
    """What is wanted of a teacher. Of these, `num_samples` and the judge change no prompt."""

    teacher: str
    num_samples: int
    seed: int
    queries_per_prompt: int
    seed_prompts: int
    mix: dict[str, float]
    settings: dict  # of the model: what else an answer depends on


@dataclass
class Tally:
    """What has come so far. Of a query that is not in a pool, memory keeps eight bytes."""

    replies: int = 0
    accepted: int = 0
    unread_verdicts: int = 0
    rejected: Counter = field(default_factory=Counter)  # reason
    calls: Counter = field(default_factory=Counter)  # number of calls
    kinds: Counter = field(default_factory=Counter)  # kind
    tools: Counter = field(default_factory=Counter)  # (kind, tool or reason)
    places: Counter = field(default_factory=Counter)  # (kind, tool, place)
    shapes: list[array] = field(default_factory=lambda: [array("Q") for _ in range(4096)])  # hashes, in buckets
    pools: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)  # tool -> (-position, id, query)

    def is_new(self, query: str) -> bool:
        """Whether no query before it was the same but for numbers; it is remembered."""
        shape = int.from_bytes(hashlib.sha1(masked(query).encode()).digest()[:8], "big")
        bucket = self.shapes[shape % len(self.shapes)]
        if shape in bucket:
            return False
        bucket.append(shape)
        return True


class Teacher:
    """A paid teacher at work on one order."""

    def __init__(self, order: Order, catalog: Catalog, prompts: Prompts, asker: Asker, model: Model,
                 judge: Model | None):  # fmt: skip
        self.order, self.catalog, self.prompts = order, catalog, prompts
        self.asker, self.model, self.judge = asker, model, judge
        self.tally = Tally()
        self.targets = targets(catalog, prompts)
        self.mix = {kind: share for kind, share in order.mix.items() if share and self.targets[kind]}
        self.series = key(
            order.teacher, model.name, order.settings, order.seed, order.queries_per_prompt, order.seed_prompts,
            self.mix, prompts.sha, catalog.functions, [repr(item) for item in catalog.properties],
        )  # fmt: skip

    def replies(self) -> Iterator[dict]:
        """Yield replies {"id", "teacher", "prompt_sha", "text"}, in the order of the prompts, until `num_samples` of
        them are accepted. Raises Stopped."""
        if not self.mix and self.order.num_samples:
            raise Stopped("generate.paid.mix wants nothing that the catalog has")
        first, length = 0, self.order.seed_prompts
        while self._missing:
            self._plan(first, length)
            before = self.tally.accepted
            at = 0
            while self._missing and at < length:
                end = min(length, at + math.ceil(self._missing / self.order.queries_per_prompt))
                yield from self._answered(first, range(first + at, first + end))
                at = end
            gained = self.tally.accepted - before
            if self._missing and gained < LEAST_SHARE * length * self.order.queries_per_prompt:
                reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.tally.rejected.most_common(3))
                raise Stopped(
                    f"only {gained:,} queries of {length:,} prompts passed the checks, rejected were {reasons}: "
                    f"another model may do better; all answers are kept in {self.asker.ledger.path}"
                )
            first, length = first + length, min(2 * length, LONGEST_ROUND)

    @property
    def _missing(self) -> int:
        return self.order.num_samples - self.tally.accepted

    def _plan(self, first: int, length: int) -> None:
        """See that the ledger holds the plan of the round that begins with prompt number `first`."""
        pages = range(first, first + length, PAGE)
        if all(self._page(number) in self.asker.ledger for number in pages):
            return
        planned = self._planned(first, length)
        for number in pages:
            plan = list(islice(planned, PAGE))  # also of a page that is there, since the next depends on it
            if self._page(number) not in self.asker.ledger:
                try:
                    self.asker.ledger.append(self._page(number), {"first": number, "plan": plan})
                except OSError as error:
                    raise Stopped(f"{self.asker.ledger.path}: {error.strerror}") from None

    def _page(self, number: int) -> str:
        return key("plan", self.series, number)

    def _prompts(self, first: int, numbers: range) -> Iterator[dict]:
        """The prompts {"kind", "lines", "prompt"} of some numbers, in the round that begins with `first`."""
        page, plan = None, []
        for number in numbers:
            start = number - (number - first) % PAGE
            if start != page:
                page, plan = start, self.asker.ledger.get(self._page(start))["plan"]
            yield plan[number - start]

    def _planned(self, first: int, length: int) -> Iterator[dict]:
        count, tally = self.order.queries_per_prompt, self.tally
        kinds = Turns({kind: tally.kinds[kind] for kind in self.mix}, self.mix, length * count)
        turns: dict[tuple[str, ...], Turns] = {}  # whose turn it is, among the tools of a kind and the places of a tool

        def next_target(kind: str) -> Target:
            tools = self.targets[kind]
            if (kind,) not in turns:
                lines = length * count * self.mix[kind] / sum(self.mix.values())
                turns[kind,] = Turns({tool: tally.tools[kind, tool] for tool in tools}, None, lines)
            tool = turns[kind,].next()
            if (kind, tool) not in turns:
                places = {place: tally.places[kind, tool, place] for place in tools[tool]}
                turns[kind, tool] = Turns(places, None, turns[kind,].size / len(tools))
            return tool, turns[kind, tool].next()

        for number in range(first, first + length):
            rng = random.Random(f"{self.order.seed}/{number}")
            kind = kinds.next(count)
            lines = []
            for _ in range(count):
                line = [next_target(kind)]
                if kind == "parallel":
                    more = [next_target(kind) for _ in range(rng.choice((1, 1, 1, 2)))]
                    line += [target for target in more if _device(target) != _device(line[0])]
                lines.append(line)
            shown = self._shown(kind, lines, rng) if first else []
            voice = rng.choice(self.prompts.voices)
            prompt = wording.asking(self.prompts, self.catalog, kind, lines, shown, voice, rng)
            yield {"kind": kind, "lines": lines, "prompt": prompt}

    def _shown(self, kind: str, lines: list[list[Target]], rng: random.Random) -> list[str]:
        """A sample, in the order of ids, of accepted queries about the same tools, filled up with others."""
        pools = self.tally.pools
        names = dict.fromkeys(tool for line in lines for tool, _ in line)
        near = {entry[1:] for name in names for entry in pools.get(name, ())}
        rest = {entry[1:] for pool in pools.values() for entry in pool} - near if len(near) < wording.SHOWN else set()
        chosen = rng.sample(sorted(near), min(wording.SHOWN, len(near)))
        chosen += rng.sample(sorted(rest), min(wording.SHOWN - len(chosen), len(rest)))
        return [query for _, query in sorted(chosen)]

    def _answered(self, first: int, numbers: range) -> Iterator[dict]:
        """The replies to the prompts of some numbers, in the round that begins with `first`, until none is missing."""
        asked, prompts = tee(self._prompts(first, numbers))
        questions = (
            self._question(self.model, prompt["prompt"], number) for number, prompt in zip(numbers, asked, strict=True)
        )
        records = self.asker.in_order(questions, self.model)
        answers = (
            Batch(number, prompt["kind"], prompt["lines"], question.about["prompt_sha"], self._read(record, number))
            for number, (question, record), prompt in zip(numbers, records, prompts, strict=True)
        )
        for batch in self._judged(answers) if self.judge else answers:
            for i, item in enumerate(batch.items):
                if self._missing:
                    self._count(item, batch.kind, batch.lines[i] if i < len(batch.lines) else None)
                    yield {
                        "id": item.id, "teacher": self.order.teacher, "prompt_sha": batch.prompt_sha, "text": item.text
                    }  # fmt: skip

    def _question(self, model: Model, prompt: str, number: int) -> Question:
        sha = hashlib.sha1(prompt.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        name = key(self.order.teacher, model.name, prompt, self.order.settings, number)
        return Question(name, prompt, {"number": number, "prompt_sha": sha})

    def _read(self, record: dict, number: int) -> list["Item"]:
        pieces = checks.split_reply(record["text"], self.order.queries_per_prompt)
        return [
            Item.read(hashlib.sha1(f"{number}/{i}/{piece}".encode()).hexdigest()[:16], piece, self.catalog)
            for i, piece in enumerate(pieces)
        ]

    def _judged(self, batches: Iterator["Batch"]) -> Iterator["Batch"]:
        """The same batches, with the judge's verdict in the text of every item that passed the checks."""
        waiting: deque[Batch] = deque()

        def questions() -> Iterator[Question]:
            for batch in batches:
                passed = [item.reply for item in batch.items if item.reply]
                waiting.append(batch)
                if passed:
                    prompt = wording.judging(self.prompts, self.catalog, passed)
                    yield self._question(self.judge, prompt, batch.number)
                else:
                    yield Question(None, "")

        for _, record in self.asker.in_order(questions(), self.judge):
            batch = waiting.popleft()
            passed = [item for item in batch.items if item.reply]
            verdicts = checks.parse_verdicts(record["text"]) if record else {}
            for number, item in enumerate(passed, 1):
                item.judge(verdicts.get(number))
            self.tally.unread_verdicts += sum(number not in verdicts for number in range(1, len(passed) + 1))
            yield batch

    def _count(self, item: "Item", kind: str, line: list[Target] | None) -> None:
        tally = self.tally
        tally.replies += 1
        if item.reason or not tally.is_new(item.reply["query"]):
            tally.rejected[item.reason or "duplicate"] += 1
            return
        tally.calls[str(min(len(item.reply["answers"]), 5))] += 1
        tally.accepted += 1
        tally.kinds[kind] += 1
        if kind == "no_call":
            named = line[:1] if line else []
        else:
            named = [(tool.name, _place(tool, text)) for tool, text in segments(item.reply["answers"], self.catalog)]
        for tool, place in named:
            tally.tools[kind, tool] += 1
            tally.places[kind, tool, place] += 1
        for name in dict.fromkeys(tool for tool, _ in named):
            pool = tally.pools.setdefault(name, [])
            entry = (-position(self.order.seed, item.id), item.id, item.reply["query"])
            (heapq.heappush if len(pool) < POOL else heapq.heappushpop)(pool, entry)

    def metrics(self) -> dict:
        """What the tally says, for metrics/generate.json; a ledger that holds the same gives the same."""
        tally, wanted = self.tally, self.order.num_samples
        shares = {kind: self.mix[kind] / sum(self.mix.values()) for kind in self.mix}
        tools: dict[str, dict] = {}
        short = []
        for kind, share in shares.items():
            for tool, places in self.targets[kind].items():
                row = tools.setdefault(tool, {"wanted": 0, "accepted": 0})
                count = int(wanted * share / len(self.targets[kind]))
                row["wanted"] += count
                row["accepted"] += tally.tools[kind, tool]
                for place in places:
                    got = tally.places[kind, tool, place]
                    if place:
                        row.setdefault("places", {}).setdefault(place, 0)
                        row["places"][place] += got
                    if got < int(ENOUGH * count / len(places)):
                        short.append(" ".join(filter(None, (kind, tool, place))))
        return {
            "replies": tally.replies,
            "accepted": tally.accepted,
            "accepted_share": round(tally.accepted / tally.replies, 4) if tally.replies else None,
            "rejected": dict(sorted(tally.rejected.items())),
            **({"unread_verdicts": tally.unread_verdicts} if self.judge else {}),
            "requests": self.asker.used.answers,
            "retries": self.asker.used.retries,
            "distinct_masked": sum(map(len, tally.shapes)),
            "by_number_of_calls": dict(sorted(tally.calls.items())),
            "by_kind": {
                kind: {"wanted": round(wanted * share), "accepted": tally.kinds[kind]} for kind, share in shares.items()
            },
            "coverage": dict(sorted(tools.items())),
            "short": short,
        }


@dataclass
class Item:
    """One query of an answer: its text as a reply, what was read in it, and the reason if it is rejected."""

    id: str
    text: str
    reply: dict | None = None
    reason: str = ""

    @classmethod
    def read(cls, id_: str, text: str, catalog: Catalog) -> "Item":
        try:
            reply = checks.parse_reply(text)
            calls = [checks.repair_call(call, catalog)[0] for call in reply["answers"]]
            checks.check_example(reply["query"], calls, catalog)
        except checks.Rejected as fault:
            return cls(id_, text, None, fault.reason)
        return cls(id_, text, reply | {"answers": calls})

    def judge(self, verdict: dict | None) -> None:
        """Write a verdict into the text, for whoever checks the reply later."""
        if verdict is not None:
            self.text = dumps(checks.parse_reply(self.text) | {"judge": verdict})
            self.reason = self.reason if verdict["fits"] else "judge"


@dataclass
class Batch:
    """The answer to one prompt."""

    number: int
    kind: str
    lines: list[list[Target]]
    prompt_sha: str
    items: list[Item]


class Turns:
    """Whose turn it is: the one furthest below its share, but a straggler gets PATIENCE times its share at most."""

    def __init__(self, counts: dict[str, int], shares: dict[str, float] | None, size: float):
        """`counts` is what each has, `shares` what each should have (None: all the same), `size` how much is given."""
        self.size = size
        shares = shares or dict.fromkeys(counts, 1.0)
        whole = sum(shares.values())
        self._share = {name: shares[name] / whole for name in counts}
        floor = sum(counts.values()) - (PATIENCE - 1) * size
        self._heap = [
            (max(count / self._share[name], floor), position(0, name), name) for name, count in counts.items()
        ]  # equals go in an order by hash, so that neighbours in the catalog do not share a prompt
        heapq.heapify(self._heap)

    def next(self, amount: int = 1) -> str:
        level, order, name = self._heap[0]
        heapq.heapreplace(self._heap, (level + amount / self._share[name], order, name))
        return name


def targets(catalog: Catalog, prompts: Prompts) -> dict[str, dict[str, list[str]]]:
    """Kind -> tool (for no_call: reason) -> the places to ask for."""
    single, group, implicit = {}, {}, {}
    for tool in catalog.tools:
        item = tool.vehicle_property
        if item is None:
            single[tool.name] = implicit[tool.name] = [""]
        elif item.writable_on_request or not tool.writes:
            single[tool.name] = [area.name for area in item.areas] if len(item.areas) > 1 else [""]
            if item.groups:
                group[tool.name] = list(item.groups)
            if tool.writes:
                implicit[tool.name] = single[tool.name]
    return {
        "single": single, "parallel": single, "group": group, "implicit": implicit,
        "no_call": {reason: [""] for reason in prompts.no_call},
    }  # fmt: skip


def _device(target: Target) -> str:
    return target[0].partition("&&")[0]


def _place(tool, text: str) -> str:
    """The place in the text behind a tool's token."""
    if tool.vehicle_property is None:
        return ""
    words = text.split()
    return " ".join(words[:-1] if tool.writes else words)
