"""Greedy decoding that can only write what the catalog allows: a real tool, its places, its values.

The call text of bound tools is a small regular language, so it is compiled once to a trie of token ids: tool token,
then the tokens of a place where there is a choice, then the tokens of a value. JSON arguments of ordinary tools are
not bound by the trie.
"""

from dataclasses import dataclass, field

import torch
from transformers import DynamicCache

from . import calltext, padding
from .catalog import Property, Tool
from .checkpoints import Checkpoint
from .conversations import CALL, DESCRIBE, RETRIEVE, encode_part, encode_prompt

MAX_TOKENS = 64  # of one completion
MAX_PROMPT = 256


@dataclass
class Node:
    """A state of the trie: the token ids that may follow, where each leads, and whether the call may end here."""

    next: dict[int, "Node"] = field(default_factory=dict)
    done: bool = False


class Grammar:
    """What call texts over `catalog` look like in token ids."""

    def __init__(self, checkpoint: Checkpoint):
        self.tokenizer, self.catalog = checkpoint.tokenizer, checkpoint.catalog
        self.end = self.tokenizer.eos_token_id
        self.tools = {self.tokenizer.convert_tokens_to_ids(tool.token): tool for tool in self.catalog.tools}
        self.tries = {index: self._trie(tool) for index, tool in self.tools.items() if tool.vehicle_property}
        self.start = [index for index, tool in sorted(self.tools.items()) if _may_be_asked_for(tool)]

    def _trie(self, tool: Tool) -> Node:
        root = Node()
        item = tool.vehicle_property
        values: dict[tuple, Node] = {}  # areas of one range share one trie of values
        for place, areas in item.places.items():
            node = self._path(root, f" {place}") if len(item.areas) > 1 else root
            if tool.writes:
                schemas = [item.value_schema(item.area(area)) for area in areas]
                key = tuple(sorted((name, str(limit)) for name, limit in schemas[0].items()))
                if key not in values:
                    values[key] = Node()
                    for text in value_texts(item, schemas[0]):
                        self._path(values[key], f" {text}").done = True
                node.next.update(values[key].next)
            else:
                node.done = True
        return root

    def _path(self, node: Node, text: str) -> Node:
        for index in encode_part(text, self.tokenizer):
            node = node.next.setdefault(index, Node())
        return node


def _may_be_asked_for(tool: Tool) -> bool:
    item = tool.vehicle_property
    return item is None or not tool.writes or item.writable_on_request


def value_texts(item: Property, schema: dict) -> list[str]:
    """Every value that the call text can name under `schema`: decimals in steps of a tenth."""
    if schema["type"] == "boolean":
        return ["true", "false"]
    if "enum" in schema:
        return [str(value) for value in schema["enum"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema["type"] == "integer" and low is not None:
        return [str(value) for value in range(int(low), int(high) + 1)]
    if schema["type"] == "number" and low is not None:
        return [calltext.value_text(value / 10) for value in range(int(low * 10), int(high * 10) + 1)]
    return [str(value) for value in range(1001)]  # an unbounded number: whole ones


class Decoder:
    """A checkpoint ready to answer. Batches are cut from queries sorted by length, so padding is rare."""

    def __init__(self, checkpoint: Checkpoint):
        self.model = checkpoint.model.eval()
        self.tokenizer, self.catalog = checkpoint.tokenizer, checkpoint.catalog
        self.grammar = Grammar(checkpoint)

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
        prompts = [encode_prompt(query, CALL, self.tokenizer, MAX_PROMPT) for query in queries]
        found = [""] * len(queries)
        order = sorted(range(len(queries)), key=lambda i: len(prompts[i]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            for i, ids in zip(rows, self._greedy([prompts[i] for i in rows], constrained), strict=True):
                found[i] = self.tokenizer.decode(ids)
        return found

    def _greedy(self, prompts: list[list[int]], constrained: bool) -> list[list[int]]:
        read = padding.inputs(prompts, self.tokenizer.pad_token_id, self.model.device)
        cache = DynamicCache(config=self.model.config)
        written: list[list[int]] = [[] for _ in prompts]
        states: list[Node | None] = [None] * len(prompts)  # None: a tool or the end may follow
        complete = [0] * len(prompts)  # how many of the written tokens are whole calls
        live = list(range(len(prompts)))
        for _ in range(MAX_TOKENS):
            logits = self.model(**read, past_key_values=cache, logits_to_keep=1).logits[:, -1]
            chosen = []
            for row in range(len(prompts)):
                if row not in live:
                    chosen.append(self.tokenizer.pad_token_id)
                    continue
                if constrained:
                    index, states[row] = self._next(logits[row], states[row])
                else:
                    index = int(logits[row].argmax())
                if index == self.grammar.end:
                    live.remove(row)
                else:
                    written[row].append(index)
                    if states[row] is None or states[row].done:
                        complete[row] = len(written[row])
                chosen.append(index)
            if not live:
                break
            mask = read["attention_mask"]
            read = {
                "input_ids": torch.tensor(chosen, device=mask.device)[:, None],
                "attention_mask": torch.cat((mask, mask.new_ones(len(prompts), 1)), 1),
                "position_ids": read["position_ids"][:, -1:] + 1,
            }
        if constrained:  # what MAX_TOKENS cut off in the middle of a call is not said
            written = [ids[:count] for ids, count in zip(written, complete, strict=True)]
        return written

    def _next(self, logits: torch.Tensor, state: Node | None) -> tuple[int, Node | None]:
        """The best token that the grammar allows, and the state it leads to."""
        if state is None:
            allowed = [*self.grammar.start, self.grammar.end]
        else:
            allowed = list(state.next)
            if state.done:
                allowed += [*self.grammar.start, self.grammar.end]
        index = allowed[int(logits[allowed].argmax())]
        if state is not None and index in state.next:
            return index, state.next[index]
        return index, self.grammar.tries.get(index)

    @torch.inference_mode()
    def ranked_tools(self, texts: list[str], mark: str, batch_size: int) -> list[list[str]]:
        """Tool names for each text, best first, by the probability of their token behind `mark`."""
        tools = list(self.grammar.tools.values())
        columns = torch.tensor(list(self.grammar.tools), device=self.model.device)
        found: list[list[str]] = []
        for start in range(0, len(texts), batch_size):
            batch = texts[start : start + batch_size]
            prompts = [encode_prompt(text, mark, self.tokenizer, MAX_PROMPT) for text in batch]
            read = padding.inputs(prompts, self.tokenizer.pad_token_id, self.model.device)
            logits = self.model(**read, logits_to_keep=1).logits
            for row in logits[:, -1, columns].argsort(dim=-1, descending=True, stable=True):
                found.append([tools[i].name for i in row])
        return found

    def described(self, descriptions: list[str], batch_size: int) -> list[list[str]]:
        return self.ranked_tools(descriptions, DESCRIBE, batch_size)

    def retrieved(self, queries: list[str], batch_size: int) -> list[list[str]]:
        return self.ranked_tools(queries, RETRIEVE, batch_size)

