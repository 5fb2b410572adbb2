"""Questions to a paid teacher: many at once, no faster than allowed, tried again, and never asked twice.

An answer is on the disk before anyone sees it. Questions come back in the order in which they were put, whatever the
order in which their answers arrive.
"""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from .answers import Ask, GiveUp, TryAgain
from .ledger import Ledger

LONGEST_BACKOFF = 60  # seconds
LONGEST_WAIT = 600  # seconds; a server that asks for more has spent its quota for the day
LOOK_AHEAD = 8  # questions under way or answered, for each that may be in flight: one slow answer holds nobody up


class Stopped(Exception):
    """Asking has come to an end before all was answered; the message says why, and what is to be done."""


class OverBudget(Stopped):
    """The next request would pass the budget. Every question before it has been answered."""


@dataclass(frozen=True)
class Limits:
    """How fast, how often and how much. Rates are per minute, seconds are seconds, None is no limit.

    `prices` holds, for a model, what a million prompt tokens and a million completion tokens cost.
    """

    concurrency: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_tries: int
    backoff: float
    budget_tokens: int | None
    budget_money: float | None
    prices: dict[str, list[float]]

    def cost(self, model: str, prompt_tokens: float, completion_tokens: float) -> float:
        prompt, completion = self.prices.get(model, (0.0, 0.0))
        return (prompt * prompt_tokens + completion * completion_tokens) / 1e6


@dataclass(frozen=True)
class Question:
    """`key` is the answer's name in the ledger; a question without one passes through, to keep its place."""

    key: str | None
    prompt: str
    about: dict = field(default_factory=dict)  # what else the ledger keeps with the answer


class Model:
    """A model that questions go to; `connect` is called at the first one that the ledger cannot answer."""

    def __init__(self, name: str, connect: Callable[[], Ask]):
        self.name, self._connect = name, connect

    @cached_property
    def ask(self) -> Ask:
        return self._connect()


@dataclass
class Usage:
    """What was used: `answers` of the ledger with their tries and tokens, and of these what was sent just now."""

    answers: int = 0
    retries: int = 0
    lost: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def add(self, record: dict, cost: float) -> None:
        self.answers += 1
        self.retries += record["tries"] - 1
        self.lost += record["lost"]
        self.prompt_tokens += record["prompt_tokens"]
        self.completion_tokens += record["completion_tokens"]
        self.cost += cost


class Asker:
    """A pool of threads between questions and a ledger. Leaving it waits for what is in flight, and keeps it."""

    def __init__(self, ledger: Ledger, limits: Limits):
        self.ledger, self.limits = ledger, limits
        self.used, self.sent = Usage(), Usage()
        self._unanswered = Counter()  # faults of questions that have no answer yet, so far
        self._in_flight: dict[str, tuple[float, float]] = {}  # key -> tokens and money that it may take
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pace = Pace(limits, self._stop)
        self._pool = ThreadPoolExecutor(limits.concurrency, "teacher")

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Start nothing more, and wait for what is in flight."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def lost(self) -> int:
        """Answers that may have been paid for and never arrived, in this run."""
        return self.sent.lost + self._unanswered["lost"]

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def in_order(self, questions: Iterable[Question], model: Model) -> Iterator[tuple[Question, dict | None]]:
        """Yield each question with the ledger's record of its answer, in their order; ask for those that it lacks.

        `questions` is read no further ahead than is needed to keep all threads busy. Raises Stopped.
        """
        source = iter(questions)
        waiting: deque[tuple[Question, Future | None]] = deque()
        stopped, more = None, True
        while more or waiting:
            while more and len(waiting) < LOOK_AHEAD * self.limits.concurrency:
                try:
                    question = next(source, None)
                    if question is None:
                        more = False
                    else:
                        waiting.append((question, self._start(question, model)))
                except OverBudget as reason:  # what came before it is paid for, and of use
                    stopped, more = reason, False
            if waiting:
                question, answered = waiting.popleft()
                if answered is not None:
                    answered.result()
                yield question, question.key and self.ledger.get(question.key)
        if stopped is not None:
            raise stopped

    def _start(self, question: Question, model: Model) -> Future | None:
        """See that `question` gets its answer; None where the ledger has it."""
        if question.key is None:
            return None
        if question.key in self.ledger:
            record = self.ledger.get(question.key)
            cost = self.limits.cost(model.name, record["prompt_tokens"], record["completion_tokens"])
            with self._lock:
                self.used.add(record, cost)
            return None
        ask = model.ask
        expected = self._reserve(question, model)
        return self._pool.submit(self._answer, question, model.name, ask, expected)

    def _reserve(self, question: Question, model: Model) -> float:
        """Set aside what `question` may take, by the answers so far; return its tokens. Raises OverBudget."""
        with self._lock:
            used, limits = self.used, self.limits
            prompt = len(question.prompt) / 4
            completion = used.completion_tokens / used.answers if used.answers else 1000.0
            tokens, money = prompt + completion, limits.cost(model.name, prompt, completion)
            lost = used.lost + self._unanswered["lost"]
            all_tokens = used.tokens + (1 + lost) * tokens + sum(each for each, _ in self._in_flight.values())
            all_money = used.cost + (1 + lost) * money + sum(each for _, each in self._in_flight.values())
            if limits.budget_tokens is not None and all_tokens > limits.budget_tokens:
                raise OverBudget(f"generate.requests.budget_tokens, {limits.budget_tokens:,}, is reached")
            if limits.budget_money is not None and all_money > limits.budget_money:
                raise OverBudget(f"generate.requests.budget_money, {limits.budget_money:,}, is reached")
            self._in_flight[question.key] = tokens, money
        return tokens

    def _answer(self, question: Question, model: str, ask: Ask, expected: float) -> None:
        """Ask until there is an answer, and enter it in the ledger. Raises Stopped."""
        tries = lost = 0
        while True:
            self._pace.wait(expected)
            tries += 1
            try:
                answer = ask(question.prompt)
                break
            except GiveUp as fault:
                raise Stopped(f"{fault}; {self._kept()}") from None
            except TryAgain as fault:
                lost += fault.lost
                with self._lock:
                    self._unanswered["lost"] += fault.lost
                self._rest(fault, tries)
        record = {
            "model": model, **question.about, "text": answer.text, "finish": answer.finish,
            "prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens,
            "tries": tries, "lost": lost,
        }  # fmt: skip
        try:
            self.ledger.append(question.key, record)
        except OSError as error:
            raise Stopped(f"{self.ledger.path}: {error.strerror}; {self._kept()}") from None
        self._pace.correct(answer.prompt_tokens + answer.completion_tokens - expected)
        cost = self.limits.cost(model, answer.prompt_tokens, answer.completion_tokens)
        with self._lock:
            del self._in_flight[question.key]
            self._unanswered["lost"] -= lost
            self.used.add(record, cost)
            self.sent.add(record, cost)

    def _rest(self, fault: TryAgain, tries: int) -> None:
        """Wait before the next try: as long as the server asks, or exponential back-off with full jitter
        (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""
        if tries >= self.limits.max_tries:
            raise Stopped(f"no answer after {tries} tries, the last time: {fault}; {self._kept()}")
        jitter = random.uniform(0, self.limits.backoff)
        if fault.retry_after is None:
            wait = random.uniform(0, min(LONGEST_BACKOFF, self.limits.backoff * 2 ** min(tries - 1, 16)))
        elif fault.retry_after <= LONGEST_WAIT:
            wait = fault.retry_after + jitter
            self._pace.hold(fault.retry_after)  # what the server says to one, it means for all
        else:
            raise Stopped(f"the server asks to wait for {fault.retry_after / 3600:.1f} hours ({fault}); {self._kept()}")
        if self._stop.wait(wait):
            raise Stopped("stopped")

    def _kept(self) -> str:
        return f"all answers are kept in {self.ledger.path}, run again to go on"


class Pace:
    """Lets requests start no faster than the limits per minute, evenly spaced."""

    def __init__(self, limits: Limits, stop: threading.Event):
        self._per_request = 60 / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self._per_token = 60 / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        self._stop, self._lock = stop, threading.Lock()
        self._next = 0.0  # when the next request may start, on the monotonic clock
        self._held_until = 0.0

    def wait(self, tokens: float) -> None:
        """Return when a request of about `tokens` may start. Raises Stopped where all is being stopped."""
        with self._lock:
            start = max(time.monotonic(), self._next)
            self._next = start + max(self._per_request, tokens * self._per_token)
        while (left := max(start, self._held_until) - time.monotonic()) > 0:
            if self._stop.wait(left):
                break
        if self._stop.is_set():
            raise Stopped("stopped")

    def correct(self, tokens: float) -> None:
        """A request took `tokens` more than was thought, or fewer."""
        with self._lock:
            self._next += max(0.0, tokens) * self._per_token

    def hold(self, seconds: float) -> None:
        """Start nothing for some seconds."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)
