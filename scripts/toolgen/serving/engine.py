"""One thread that owns the model: it answers all the queries that wait, as one batch, then those that came meanwhile.

So a query that comes alone is answered at once, and a crowd shares the passes of the model.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..decoding import MAX_PROMPT, Decoder

MAX_CHARACTERS = 4000  # of a query; beyond that its tokens are not even counted
RETRY_AFTER = 1  # seconds, for a query that finds the queue full


class Full(Exception):
    """As many queries wait as may: ask again after RETRY_AFTER seconds."""


class TooLong(ValueError):
    """The query is longer than what the model was trained to read."""


class Stopped(Exception):
    """The engine takes no more queries."""


@dataclass(frozen=True)
class Answer:
    """The calls of a query, [{"name", "arguments"}], and the tokens that were read and generated for them."""

    calls: list[dict]
    prompt_tokens: int
    generated_tokens: int


@dataclass
class _Request:
    prompt: list[int]
    opening: list[int]
    on_calls: Callable[[list[dict]], None]
    future: Future
    calls: list[dict] = field(default_factory=list)


class Engine:
    """Starts its thread at once. `max_batch_size` queries are answered together, `max_waiting` may wait beside them."""

    def __init__(self, decoder: Decoder, max_batch_size: int = 64, max_waiting: int = 256):
        self.decoder, self.max_batch_size, self.max_waiting = decoder, max_batch_size, max_waiting
        self._tokens: dict[str, list[int]] = {}  # of the tools that an answer may begin with, by function
        for index in decoder.grammar.start.next:
            self._tokens.setdefault(decoder.grammar.tools[index].function, []).append(index)
        self._waiting: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    def submit(
        self,
        query: str,
        required: Collection[str] = (),
        on_calls: Callable[[list[dict]], None] = lambda calls: None,
    ) -> "Future[Answer]":
        """Have a query answered. Raises TooLong, Full or Stopped at once; safe to call from any thread.

        Where `required` names functions, the answer begins with a call of one of them. `on_calls` gets the calls of one
        tool as soon as they are whole, on the engine's own thread: it must return quickly and raise nothing. A future
        that is cancelled while it waits costs nothing; one that is lost with the engine raises Stopped.
        """
        prompt = self.decoder.prompt(query) if len(query) <= MAX_CHARACTERS else []
        if not 0 < len(prompt) < MAX_PROMPT:
            raise TooLong(f"the query is too long: the model reads less than {MAX_PROMPT} tokens")
        opening = [index for function in sorted(required) for index in self._tokens.get(function, [])]
        request = _Request(prompt, opening, on_calls, Future())
        with self._changed:
            if not self.running:
                raise Stopped("the model takes no more queries")
            if len(self._waiting) >= self.max_waiting:
                raise Full(f"{self.max_waiting} queries wait already")
            self._waiting.append(request)
            self._changed.notify()
        return request.future

    def stop(self) -> None:
        """Take no more queries, answer those that wait, and return when that is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        batch: list[_Request] = []
        try:
            while batch := self._next_batch():
                self._answer(batch)
        finally:  # where the model has failed, nobody waits for ever
            with self._changed:
                self._stopping = True
                batch += [request for request in self._waiting if request.future.set_running_or_notify_cancel()]
                self._waiting.clear()
            for request in batch:
                if not request.future.done():
                    request.future.set_exception(Stopped("the model has failed"))

    def _next_batch(self) -> list[_Request]:
        """Those that wait, as soon as there are any; none once the engine stops and nobody waits."""
        with self._changed:
            batch: list[_Request] = []
            while not batch and (self._waiting or not self._stopping):
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                while self._waiting and len(batch) < self.max_batch_size:
                    request = self._waiting.popleft()
                    if request.future.set_running_or_notify_cancel():
                        batch.append(request)
            return batch

    def _answer(self, batch: list[_Request]) -> None:
        prompts = [request.prompt for request in batch]
        for piece in self.decoder.stream(prompts, [request.opening for request in batch]):
            request = batch[piece.row]
            if piece.calls:
                request.calls += piece.calls
                request.on_calls(piece.calls)
            if piece.over:
                request.future.set_result(Answer(request.calls, len(request.prompt), piece.generated_tokens))
