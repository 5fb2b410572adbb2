"""What a model may write, token by token: a real tool, its places, its values, its arguments.

The call text of bound tools is a small finite language, compiled once to a trie of token ids: tool token, then the
tokens of a place where there is a choice, then the tokens of a value. Where the values are too many to list, and for
the JSON arguments of ordinary tools, llguidance follows the JSON Schema, from when a tool is first called: what a
catalog of any size costs before is one entry of the trie a tool.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from transformers import PreTrainedTokenizerBase

from . import calltext, schemas
from .catalog import Catalog, Property, Tool
from .conversations import encode_part
from .records import BadRecord

TOOL, PLACE, VALUE, ARGUMENTS = ("tool", "place", "value", "arguments")
MOST_VALUES = 2000  # of one range that a trie lists


@dataclass(eq=False)
class Node:
    """A state of the trie: which part led here, which token ids may follow, and whether the call may end here."""

    part: str
    next: dict[int, "State"] = field(default_factory=dict)
    done: bool = False

    def step(self, index: int) -> "State | None":
        following = self.next.get(index)
        return following.opened() if isinstance(following, Schema) else following

    def allowed(self) -> list[int]:
        return list(self.next)

    @property
    def closed(self) -> bool:
        """Whether this part of the call is whole, whatever follows."""
        return all(following.part != self.part for following in self.next.values())


@dataclass(eq=False)
class Schema:
    """The place in the trie where a grammar of llguidance takes over. It is made when it is first opened.

    `grammar` and `tokenizer` are functions, since each takes milliseconds or more.
    """

    grammar: Callable[[], str]
    tokenizer: Callable[[], LLTokenizer]
    part = TOOL

    @cached_property
    def _matcher(self) -> LLMatcher:
        return LLMatcher(self.tokenizer(), LLMatcher.grammar_from_lark(self.grammar()))

    def opened(self) -> "Written":
        return Written(self._matcher.deep_copy(), self.tokenizer().vocab_size)


class Written:
    """What is written so far under a grammar of llguidance, the tool token alone at first. It changes as it steps."""

    def __init__(self, matcher: LLMatcher, vocab_size: int):
        self._matcher, self._vocab_size, self.part = matcher, vocab_size, TOOL

    def step(self, index: int) -> "Written | None":
        if index >= self._vocab_size or self._matcher.validate_tokens([index]) != 1:
            return None
        self._matcher.consume_token(index)
        self.part = ARGUMENTS
        return self

    def allowed(self) -> list[int]:
        """Empty where the text is whole, and where llguidance has met one of its own limits."""
        if self._matcher.is_stopped():
            return []
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()

    @property
    def done(self) -> bool:
        return self._matcher.is_accepting() and not self._matcher.is_error()

    @property
    def closed(self) -> bool:
        return self.part == TOOL or self._matcher.is_stopped()


State = Node | Schema | Written


class Grammar:
    """What call texts over a catalog look like in token ids.

    Raises BadRecord for a tool whose name cannot be followed, or that has no token in the tokenizer; `step` does for
    one whose schema cannot be followed, for which `schemas.check` keeps a tool from being trained.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, catalog: Catalog):
        self.tokenizer, self.end, unknown = tokenizer, tokenizer.eos_token_id, tokenizer.unk_token_id
        ids = tokenizer.convert_tokens_to_ids([tool.token for tool in catalog.tools])
        self.tools = dict(zip(ids, catalog.tools, strict=True))
        for index, tool in zip(ids, catalog.tools, strict=True):
            if index is None or index == unknown:
                raise BadRecord(f"the tokenizer has no token for the tool {tool.name}")
            if not calltext.TOKEN.fullmatch(tool.token):
                raise BadRecord(f"{tool.name!r} cannot be called: the name of a tool is not empty and holds no < or >")
        self.start = Node(TOOL, done=True)
        for index in sorted(self.tools):
            tool = self.tools[index]
            if _may_be_asked_for(tool):
                self.start.next[index] = self._behind(tool)

    def step(self, state: State, index: int) -> State | None:
        """The state that a token leads to from `state`; None where it may not follow."""
        following = state.step(index)
        return self.start.step(index) if following is None and state.done else following

    def allowed(self, state: State) -> list[int]:
        """Every token id that may follow; none where nothing can."""
        more = state.allowed()
        if not state.done:
            return more
        return [*([] if state is self.start else more), *self.start.next, self.end]

    def _behind(self, tool: Tool) -> State:
        """What may stand behind the tool's token."""
        item = tool.vehicle_property
        if item is None:
            return Schema(partial(schemas.arguments_grammar, tool.name, tool.parameters), lambda: self._llguidance)
        root = Node(TOOL)
        several = len(item.areas) > 1
        ends = {place: self._path(root, place, PLACE) if several else root for place in item.places}
        if not tool.writes:
            for node in ends.values():
                node.done = True
            return root
        tries: dict[tuple[str, ...], Node] = {}  # places of one range share one trie of values
        for place, areas in item.places.items():
            texts = value_texts(_ranges(item, areas))
            values = None if texts is None else tries.setdefault(tuple(texts), Node(PLACE))
            if values is None or values.next.keys() & ends[place].next.keys():
                return self._by_schema(tool)
            for text in () if values.next else texts:
                self._path(values, text, VALUE).done = True
            ends[place].next |= values.next
        return root

    def _path(self, node: Node, text: str, part: str) -> Node:
        for index in encode_part(f" {text}", self.tokenizer):
            node = node.next.setdefault(index, Node(part))
        return node

    def _by_schema(self, tool: Tool) -> Schema:
        """For values too many to list, or whose tokens open a place as well."""
        item = tool.vehicle_property
        places = []
        for place, areas in item.places.items():
            ids = encode_part(f" {place}", self.tokenizer) if len(item.areas) > 1 else []
            found = _ranges(item, areas)
            places.append((ids, {"allOf": found} if found[1:] else found[0]))
        return Schema(partial(schemas.places_grammar, tool.name, places), lambda: self._llguidance)

    @cached_property
    def _llguidance(self) -> LLTokenizer:
        """Without the tool tokens, which no argument holds: llguidance takes minutes to read 100,000 of them, and a
        mask is to be no longer than the rest of the vocabulary."""
        described = json.loads(self.tokenizer.backend_tokenizer.to_str())
        described |= {"padding": None, "truncation": None}
        described["added_tokens"] = [known for known in described["added_tokens"] if known["id"] not in self.tools]
        last = max(index for index in self.tokenizer.get_vocab().values() if index not in self.tools)
        return LLTokenizer(json.dumps(described), n_vocab=last + 1, eos_token=self.end)


def _may_be_asked_for(tool: Tool) -> bool:
    item = tool.vehicle_property
    return item is None or not tool.writes or item.writable_on_request


def _ranges(item: Property, areas: tuple[int, ...]) -> list[dict]:
    """The different schemas that one value for all of `areas` must fit."""
    found: list[dict] = []
    for area in areas:
        schema = item.value_schema(item.area(area))
        if schema not in found:
            found.append(schema)
    return found


def value_texts(ranges: list[dict]) -> list[str] | None:
    """Every value that the call text can name under all of `ranges`: decimals in steps of a tenth.

    None where they are too many to list, or where no such step lies in a range, so that only the schema says what fits.
    """
    texts = [_listed(schema) for schema in ranges]
    if not all(texts):
        return None
    return [text for text in texts[0] if all(text in other for other in texts[1:])]


def _listed(schema: dict) -> list[str] | None:
    if schema["type"] == "boolean":
        return ["true", "false"]
    if "enum" in schema:
        return [str(value) for value in schema["enum"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema["type"] not in ("integer", "number") or low is None or high is None:
        return None
    steps = 10 if schema["type"] == "number" else 1
    numbers = range(math.ceil(round(low * steps, 6)), math.floor(round(high * steps, 6)) + 1)
    return [calltext.value_text(number / steps) for number in numbers] if len(numbers) <= MOST_VALUES else None
