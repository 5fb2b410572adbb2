"""Trajectories: turn after turn a thought, a tool and its arguments, until the model finishes with an answer.

The turn is ToolGen's, in one piece. A thought is free text of bounded length, its end the token of a tool or of Finish;
arguments are bound to the tool as ever (grammar.py), and one call ends the turn.
"""

from dataclasses import dataclass
from typing import Any

import torch

from .checkpoints import Checkpoint
from .conversations import FINISH, STEP
from .decoding import MAX_JSON_TOKENS, Decoder
from .grammar import Grammar, State

MAX_THOUGHT, MAX_ANSWER = 64, 96  # tokens


@dataclass(frozen=True)
class Turn:
    """What a model wrote in one turn: a thought and a call, or the final answer; neither where it was cut short."""

    thought: str
    call: dict | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Text:
    """Free text so far: a thought, which has no end of its own, or the final answer, which the end token ends."""

    grammar: "TurnGrammar"
    part: str
    room: int  # tokens

    @property
    def done(self) -> bool:
        return self.part == "answer"

    closed = False

    def step(self, index: int) -> Any:
        if not self.done and index in self.grammar.opens:
            return self.grammar.opened(index)
        if self.room and index in self.grammar.plain:
            return Text(self.grammar, self.part, self.room - 1)
        return None

    def allowed(self) -> list[int]:
        return [*(self.grammar.plain if self.room else ()), *(() if self.done else self.grammar.opens)]


class TurnGrammar:
    """What a turn looks like in token ids, over the grammar of calls."""

    def __init__(self, calls: Grammar):
        self.calls, self.tools, self.end, tokenizer = calls, calls.tools, calls.end, calls.tokenizer
        self.finish = tokenizer.convert_tokens_to_ids(FINISH)
        self.opens = {*calls.start.next, self.finish}
        self.plain = set(range(len(tokenizer))) - set(tokenizer.added_tokens_encoder.values())
        self.start = Text(self, "thought", MAX_THOUGHT)

    def opened(self, index: int) -> State | Text:
        return Text(self, "answer", MAX_ANSWER) if index == self.finish else self.calls.start.step(index)

    def step(self, state: State | Text, index: int) -> State | Text | None:
        return state.step(index)

    def allowed(self, state: State | Text) -> list[int]:
        return [*state.allowed(), *([self.end] if state.done else [])]


class TurnDecoder(Decoder):
    """A checkpoint that was trained on trajectories, ready to take the next turn."""

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self.grammar = TurnGrammar(self.grammar)
        self.max_tokens = MAX_THOUGHT + MAX_JSON_TOKENS

    @torch.inference_mode()
    def turns(self, texts: list[str], batch_size: int) -> list[Turn]:
        """The next turn behind each text, which is `turns.asked` of a row and the steps taken so far."""
        found = [Turn("")] * len(texts)
        for rows, prompts in self._batches(texts, STEP, batch_size):
            for i, ids in zip(rows, self._greedy(prompts, constrained=True), strict=True):
                found[i] = self._turn(ids)
        return found

    def _turn(self, ids: list[int]) -> Turn:
        at = next((place for place, index in enumerate(ids) if index in self.grammar.opens), len(ids))
        thought = self._text(ids[:at]).strip()
        if at == len(ids):
            return Turn(thought)
        if ids[at] == self.grammar.finish:
            return Turn(thought, answer=self._text(ids[at + 1 :]).strip())
        calls = self.read(self._text(ids[at:]))
        return Turn(thought, call=calls[0] if calls else None)

    def _indices(self, state: Any) -> list[torch.Tensor]:
        return [self._tensor(self.grammar.allowed(state))]
