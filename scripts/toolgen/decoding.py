"""A checkpoint that answers: calls that can only be what the catalog allows, tools ranked by their probability.

Greedy decoding takes the likeliest token; where the grammar does not allow it, the likeliest of those that it does. So
a model that knows its grammar pays next to nothing for being bound to it.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from . import calltext, padding
from .beams import best_sequences
from .checkpoints import Checkpoint
from .conversations import CALL, DESCRIBE, RETRIEVE, encode_prompt
from .grammar import Grammar, Node, State

MAX_TOKENS = 64  # of one completion
MAX_JSON_TOKENS = 256  # of one completion, where arguments are JSON
MAX_PROMPT = 256


@dataclass(frozen=True)
class Piece:
    """What is new in the answer to one row of a batch: the calls of one more tool, or the end of the answer."""

    row: int
    calls: list[dict]
    generated_tokens: int  # of the row so far; the end counts
    over: bool


@dataclass(frozen=True)
class Cost:
    """What one answer took; the end counts as a generated token, since it takes a pass of the model too."""

    prompt_tokens: int
    generated_tokens: int
    ms_to_first_token: float
    ms: float


class Decoder:
    """A checkpoint ready to answer. Batches are cut from queries sorted by length, so padding is rare.

    A query gets no call where log P(end) - log P(best tool) is above `no_call_threshold`. Raises BadRecord for a
    catalog with a tool that cannot be followed.
    """

    def __init__(self, checkpoint: Checkpoint, no_call_threshold: float = 0.0):
        self.model = checkpoint.model.eval()
        self.tokenizer, self.catalog = checkpoint.tokenizer, checkpoint.catalog
        self.grammar = Grammar(checkpoint.tokenizer, checkpoint.catalog)
        self.no_call_threshold = no_call_threshold
        self.max_tokens = MAX_TOKENS if all(tool.vehicle_property for tool in self.catalog.tools) else MAX_JSON_TOKENS
        self._opening = self._tensor([*self.grammar.start.next, self.grammar.end])
        self._allowed: dict[Node, torch.Tensor] = {}

    def calls(self, queries: list[str], batch_size: int, constrained: bool = True) -> list[list[dict] | None]:
        """The calls of each query, in order; None where an unconstrained text cannot be read as calls."""
        return [self.read(text) for text in self.texts(queries, batch_size, constrained)]

    def read(self, text: str) -> list[dict] | None:
        try:
            return calltext.read(text, self.catalog)
        except calltext.BadCallText:
            return None

    @torch.inference_mode()
    def texts(self, queries: list[str], batch_size: int, constrained: bool = True) -> list[str]:
        """The call text of each query, in order. Of a constrained one that reaches its limit, the whole calls."""
        found = [""] * len(queries)
        for rows, prompts in self._batches(queries, CALL, batch_size):
            for i, ids in zip(rows, self._greedy(prompts, constrained), strict=True):
                found[i] = self._text(ids)
        return found

    def prompt(self, query: str) -> list[int]:
        """Token ids of a query and the mark that asks for its calls. One of MAX_PROMPT tokens may have been cut."""
        return self._prompt(query, CALL)

    @torch.inference_mode()
    def stream(self, prompts: list[list[int]], opening: Sequence[Collection[int]] = ()) -> Iterator[Piece]:
        """The constrained answers to one batch of prompts as they are written: calls once they are whole.

        Where `opening` holds token ids of tools for a row, its answer begins with one of them.
        """
        written: list[list[int]] = [[] for _ in prompts]
        done, counts, told = [False] * len(prompts), [0] * len(prompts), [0] * len(prompts)
        going = set(range(len(prompts)))
        for step in self._steps(prompts, constrained=True, opening=opening):
            for row, index, state in step:
                counts[row] += 1
                over = index == self.grammar.end
                if over or (written[row] and index in self.grammar.tools):
                    calls = self._said(written[row], done[row], told[row])
                    yield Piece(row, calls, counts[row], over)
                    told[row] += len(calls)
                if over:
                    going.remove(row)
                else:
                    written[row].append(index)
                    done[row] = state.done
        for row in sorted(going):  # the limit has cut them
            yield Piece(row, self._said(written[row], done[row], told[row]), counts[row], True)

    def _said(self, ids: list[int], done: bool, told: int) -> list[dict]:
        """The calls behind the first `told`; none where the text was cut."""
        return (self.read(self._text(ids)) or [])[told:] if done else []

    @torch.inference_mode()
    def parts(self, query: str) -> Iterator[tuple[str, str]]:
        """The constrained answer to one query as it is written: ("tool", "<<X&&set>>"), ("place", "front left"),
        ("value", "21"), or ("tool", ...), ("arguments", JSON). The last call is not whole where the limit cuts it.
        """
        part, ids = "", []
        for [(_, index, state)] in self._steps([self._prompt(query, CALL)], constrained=True):
            if ids and (index == self.grammar.end or state.part != part):
                yield part, self._text(ids).strip()
                ids = []
            if index == self.grammar.end:
                return
            part, ids = state.part, [*ids, index]
            if state.closed:
                yield part, self._text(ids).strip()
                ids = []

    @torch.inference_mode()
    def cost(self, query: str, constrained: bool = True) -> Cost:
        """Answer one query, and say what it took from its text to its calls."""
        started = time.perf_counter()
        prompt = self._prompt(query, CALL)
        ids, first = [], 0.0
        for [(_, index, _)] in self._steps([prompt], constrained):
            first = first or time.perf_counter()
            ids.append(index)
        self.read(self._text(ids[:-1] if ids[-1] == self.grammar.end else ids))
        ended = time.perf_counter()
        return Cost(len(prompt), len(ids), 1000 * (first - started), 1000 * (ended - started))

    @torch.inference_mode()
    def no_call_scores(self, queries: list[str], batch_size: int) -> list[float]:
        """log P(end) - log P(best tool) where the answer to each query begins; what `no_call_threshold` cuts."""
        found = [0.0] * len(queries)
        tools = self._opening[:-1]
        for rows, logits in self._first_logits(queries, CALL, batch_size):
            scores = logits[:, self.grammar.end] - logits[:, tools].amax(1)
            for i, score in zip(rows, scores.tolist(), strict=True):
                found[i] = score
        return found

    @torch.inference_mode()
    def tool_scores(self, texts: list[str], mark: str, batch_size: int) -> torch.Tensor:
        """log P of each tool's token behind `mark` [texts, tools], tools in the catalog's order."""
        columns = torch.tensor(list(self.grammar.tools), device=self.model.device)
        found = torch.empty(len(texts), len(columns))
        for rows, logits in self._first_logits(texts, mark, batch_size):
            found[rows] = logits.float().log_softmax(-1)[:, columns].cpu()
        return found

    @torch.inference_mode()
    def ranked_tools(self, texts: list[str], mark: str, batch_size: int, k: int | None = None) -> list[list[str]]:
        """The names of the `k` best tools for each text, or of all, by the probability of their token behind `mark`.

        With `k` no more than one batch of scores is held, however many texts and tools there are.
        """
        names = [tool.name for tool in self.catalog.tools]
        if k is None:
            order = self.tool_scores(texts, mark, batch_size).argsort(dim=-1, descending=True, stable=True)
            return [[names[i] for i in row] for row in order.tolist()]
        columns = torch.tensor(list(self.grammar.tools), device=self.model.device)
        found: list[list[str]] = [[] for _ in texts]
        for rows, logits in self._first_logits(texts, mark, batch_size):
            best = logits[:, columns].topk(min(k, len(names))).indices
            for i, row in zip(rows, best.tolist(), strict=True):
                found[i] = [names[column] for column in row]
        return found

    def described(self, descriptions: list[str], batch_size: int) -> list[str]:
        """The tool that each description stands for."""
        return [best for [best] in self.ranked_tools(descriptions, DESCRIBE, batch_size, k=1)]

    def retrieved(self, queries: list[str], batch_size: int, beams: int | None = None) -> list[list[str]]:
        """Tool names for each query, best first.

        Since a tool is one token, ranking every tool by its probability is ToolGen's beam search over single tools, of
        any width. With `beams`, the search is for whole sequences of tools: those of the best sequence come first, each
        tool once, and tools of no sequence are left out.
        """
        if beams is None:
            return self.ranked_tools(queries, RETRIEVE, batch_size)
        return self._searched(queries, batch_size, beams)

    @torch.inference_mode()
    def _searched(self, queries: list[str], batch_size: int, beams: int) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in queries]
        tools = torch.tensor(list(self.grammar.tools), device=self.model.device)
        for rows, prompts in self._batches(queries, RETRIEVE, batch_size):
            pad = self.tokenizer.pad_token_id
            ranked = best_sequences(self.model, prompts, tools, self.grammar.end, pad, beams)
            for i, sequences in zip(rows, ranked, strict=True):
                found[i] = list(dict.fromkeys(self.grammar.tools[index].name for ids in sequences for index in ids))
        return found

    def _prompt(self, text: str, mark: str) -> list[int]:
        return encode_prompt(text, mark, self.tokenizer, MAX_PROMPT)

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _batches(self, texts: list[str], mark: str, batch_size: int) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Indices of texts of about one length, and their prompts."""
        prompts = [self._prompt(text, mark) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, [prompts[i] for i in rows]

    def _first_logits(self, texts: list[str], mark: str, batch_size: int) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Indices of a batch of texts, and the logits [rows, vocabulary] behind `mark`."""
        for rows, prompts in self._batches(texts, mark, batch_size):
            read = padding.inputs(prompts, self.tokenizer.pad_token_id, self.model.device)
            yield rows, self.model(**read, logits_to_keep=1).logits[:, -1]

    def _greedy(self, prompts: list[list[int]], constrained: bool) -> list[list[int]]:
        written: list[list[int]] = [[] for _ in prompts]
        complete = [0] * len(prompts)  # how many of the written tokens are whole calls
        for step in self._steps(prompts, constrained):
            for row, index, state in step:
                if index != self.grammar.end:
                    written[row].append(index)
                    if state.done:
                        complete[row] = len(written[row])
        if constrained:  # what a limit cut off in the middle of a call is not said
            return [ids[:count] for ids, count in zip(written, complete, strict=True)]
        return written

    def _steps(
        self, prompts: list[list[int]], constrained: bool, opening: Sequence[Collection[int]] = ()
    ) -> Iterator[list[tuple[int, int, State]]]:
        """After each pass of the model (row, token id, the state it leads to) of every row that has not ended.

        The first token of a row is one of those in `opening`, where it has any for the row.
        """
        read = padding.inputs(prompts, self.tokenizer.pad_token_id, self.model.device)
        cache = DynamicCache(config=self.model.config)
        states: list[tuple[int, State]] = [(row, self.grammar.start) for row in range(len(prompts))]
        for number in range(self.max_tokens):
            logits = self.model(**read, past_key_values=cache, logits_to_keep=1).logits[:, -1]
            if constrained and number == 0 and self.no_call_threshold:
                logits[:, self.grammar.end] -= self.no_call_threshold
            for row, ids in enumerate(opening if number == 0 else ()):
                if ids:
                    barred = torch.ones_like(logits[row], dtype=torch.bool)
                    barred[list(ids)] = False
                    logits[row, barred] = float("-inf")
            likeliest = logits.argmax(-1).tolist()
            step = [
                (row, *(self._bound(index, state, logits[i]) if constrained else (index, state)))
                for i, (index, (row, state)) in enumerate(zip(likeliest, states, strict=True))
            ]
            yield step
            going = [i for i, (_, index, _) in enumerate(step) if index != self.grammar.end]
            if not going:
                return
            kept = torch.tensor(going, device=logits.device)
            if len(going) < len(step):  # rows that have ended leave the batch
                cache.batch_select_indices(kept)
            states = [(step[i][0], step[i][2]) for i in going]
            read = padding.following(read, kept, torch.tensor([step[i][1] for i in going], device=logits.device))

    def _bound(self, index: int, state: State, logits: torch.Tensor) -> tuple[int, State]:
        """The best token that may follow `state`, and the state it leads to; `index` is the best of all."""
        following = self._following(state, index)
        if following is None:
            best = [allowed[logits[allowed].argmax()] for allowed in self._indices(state) if len(allowed)]
            if not best:  # llguidance has met a limit of its own: the call is over, and is not said
                return self.grammar.end, state
            index = int(max(best, key=lambda choice: logits[choice]))
            following = self._following(state, index)
        return index, following

    def _following(self, state: State, index: int) -> State | None:
        if index == self.grammar.end:
            return state if state.done else None
        return self.grammar.step(state, index)

    def _indices(self, state: State) -> list[torch.Tensor]:
        """The token ids that may follow a state: those that go on with its call, of a state of the trie looked up
        once; and where the call may end, one list for all states of what opens the next call or ends the answer."""
        if state is self.grammar.start:
            return [self._opening]
        if isinstance(state, Node) and state not in self._allowed:
            self._allowed[state] = self._tensor(state.allowed())
        own = self._allowed[state] if isinstance(state, Node) else self._tensor(state.allowed())
        return [own, self._opening] if state.done else [own]

    def _tensor(self, ids: list[int]) -> torch.Tensor:
        return torch.tensor(ids, dtype=torch.long, device=self.model.device)
