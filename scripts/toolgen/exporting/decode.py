"""Answer requests with calls, by the model in this folder. Needs numpy and tokenizers, neither torch nor transformers;
where tools take JSON arguments, llguidance too.

    python decode.py "set my side to 21"
    python decode.py --input q.jsonl --output calls.jsonl

model.py beside it computes logits, normalise.py gives requests their plain form, grammar.json says what may be written.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLTokenizer


class Model(Protocol):
    def logits(self, ids: list[int], start: int) -> np.ndarray:
        """The logits [vocabulary] behind `ids`, which follow the first `start` token ids of those read before."""


class Written:
    """JSON arguments as far as they are written, held to their grammar by llguidance; nothing at first."""

    def __init__(self, grammar: str, tokenizer: "LLTokenizer"):
        from llguidance import LLMatcher

        self._matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar))
        self._size = tokenizer.vocab_size

    @property
    def done(self) -> bool:
        return self._matcher.is_accepting() and not self._matcher.is_error()

    def allowed(self) -> list[int]:
        if self._matcher.is_stopped():
            return []
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()

    def step(self, index: int) -> "Written | None":
        if index >= self._size or self._matcher.validate_tokens([index]) != 1:
            return None
        self._matcher.consume_token(index)
        return self


class Node:
    """A state of the table in grammar.json. `tokenizer` is there where some state follows a JSON Schema."""

    def __init__(self, table: list[dict], number: int, tokenizer: "LLTokenizer | None"):
        self._table, self._tokenizer = table, tokenizer
        self._next, self.done = table[number]["next"], table[number]["done"]

    def allowed(self) -> list[int]:
        return [int(index) for index in self._next]

    def step(self, index: int) -> "Node | Written | None":
        number = self._next.get(str(index))
        if number is None:
            return None
        state = self._table[number]
        if "schema" in state:
            return Written(state["schema"], self._tokenizer)
        return Node(self._table, number, self._tokenizer)


class Decoder:
    """Greedy decoding, bound to the grammar: every answer names real tools, with arguments that they take."""

    def __init__(self, folder: Path, model: Model, read: Callable[[str], str]):
        self._model, self._plain = model, read
        self._grammar = json.loads((folder / "grammar.json").read_text(encoding="utf-8"))
        self._end, self._tools = self._grammar["end"], self._grammar["tools"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # a tool token in someone's request is plain text
        states = self._grammar["states"]
        by_schema = any("schema" in state for state in states)
        self._start = Node(states, 0, self._llguidance() if by_schema else None)

    def calls(self, query: str) -> list[dict]:
        """The calls that answer `query`, [{"name", "arguments"}]; none where no tool does what it asks."""
        return self._read(self._written(self._prompt(query)))

    def _prompt(self, query: str) -> list[int]:
        begin = [] if self._grammar["begin"] is None else [self._grammar["begin"]]
        ids = self._tokenizer.encode(" " + self._plain(query), add_special_tokens=False).ids
        return [*begin, *ids[: self._grammar["max_prompt"] - len(begin) - 1], self._grammar["mark"]]

    def _written(self, prompt: list[int]) -> list[int]:
        """The token ids of whole calls; what the limit cuts off in the middle of one is not said."""
        ids, whole, state, read = [], 0, self._start, 0
        asked = prompt
        while len(ids) < self._grammar["max_tokens"]:
            logits = self._model.logits(asked, read)
            read += len(asked)
            index = int(logits.argmax())
            following = self._step(state, index)
            if following is None:
                allowed = self._allowed(state)
                if not allowed:
                    break
                index = allowed[int(logits[allowed].argmax())]
                following = self._step(state, index)
            if index == self._end:
                break
            ids.append(index)
            state, asked = following, [index]
            if state.done:
                whole = len(ids)
        return ids[:whole]

    def _step(self, state: Node | Written, index: int) -> Node | Written | None:
        if index == self._end:
            return state if state.done else None
        following = state.step(index)
        return self._start.step(index) if following is None and state.done else following

    def _allowed(self, state: Node | Written) -> list[int]:
        more = state.allowed()
        if not state.done:
            return more
        return [*([] if state is self._start else more), *self._start.allowed(), self._end]

    def _read(self, ids: list[int]) -> list[dict]:
        """The calls that token ids stand for: each tool's token, and the words or the JSON behind it."""
        pieces: list[tuple[dict, list[int]]] = []
        for index in ids:
            if str(index) in self._tools:
                pieces.append((self._tools[str(index)], []))
            else:
                pieces[-1][1].append(index)
        calls = []
        for tool, behind in pieces:
            text = self._tokenizer.decode(behind, skip_special_tokens=False)
            bound = "places" in tool
            arguments = _expanded(tool, text.split()) if bound else [json.loads(text)]
            made = [{"name": tool["name"], "arguments": {**tool["arguments"], **given}} for given in arguments]
            calls += [call for call in made if not bound or call not in calls]  # what is said twice is done once
        return calls

    def _llguidance(self) -> "LLTokenizer":
        from llguidance import LLTokenizer

        described = json.loads(self._tokenizer.to_str()) | {"padding": None, "truncation": None}
        described["added_tokens"] = [t for t in described["added_tokens"] if str(t["id"]) not in self._tools]
        last = max(index for index in self._tokenizer.get_vocab().values() if str(index) not in self._tools)
        return LLTokenizer(json.dumps(described), n_vocab=last + 1, eos_token=self._end)


def _expanded(tool: dict, words: list[str]) -> list[dict]:
    """The arguments of a bound tool, once for each area of the place that `words` name before the value."""
    value = {}
    if tool["value"] is not None:
        read = json.loads(words.pop())
        value = {"value": float(read) if tool["value"] == "Float" and type(read) is int else read}
    return [{"areaId": area, **value} for area in tool["places"][" ".join(words)]]


def load(folder: str | Path = Path(__file__).parent) -> Decoder:
    """The decoder of an exported folder."""
    import normalise
    from model import Model

    folder = Path(folder)
    reader = json.loads((folder / "grammar.json").read_text(encoding="utf-8"))["reader"]
    return Decoder(folder, Model(folder), getattr(normalise, reader))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("query", nargs="?")
    parser.add_argument("--input", type=Path, metavar="q.jsonl", help='rows {"query"}')
    parser.add_argument("--output", type=Path, metavar="calls.jsonl", help='rows {"query", "calls"}')
    given = parser.parse_args()
    if given.query is None and (given.input is None or given.output is None):
        parser.error("give a request, or --input and --output")
    decoder = load()
    if given.query is not None:
        print("\n".join(map(json.dumps, decoder.calls(given.query))) or "no call")
        return
    with given.input.open(encoding="utf-8") as rows, given.output.open("w", encoding="utf-8") as file:
        for query in (json.loads(row)["query"] for row in rows if row.strip()):
            file.write(json.dumps({"query": query, "calls": decoder.calls(query)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
