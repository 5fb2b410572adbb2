"""What each training stage sees: a text, a mark that says what is wanted of it, and the completion.

    a tool's description <|describe|> its token
    a query              <|retrieve|> the tokens of the tools it needs
    a query              <|call|>     the call text

Texts are encoded as plain text, so a literal tool token in someone's query stays text. The mark stands behind the
text, where one pass over the query serves every task. Talk about anything else (general.py) has no mark and no token.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from . import calltext
from .catalog import Catalog, Tool
from .numbers import normalise

DESCRIBE, RETRIEVE, CALL = MARKS = ("<|describe|>", "<|retrieve|>", "<|call|>")


@dataclass(frozen=True)
class Conversation:
    """One training example: `text`, a mark, and the completion as (tool token, pieces of plain text behind it)."""

    text: str
    mark: str
    completion: tuple[tuple[str, tuple[str, ...]], ...]


def memorization(row: dict) -> Conversation:
    """From a row {"description", "token"} of tool_memorization.json."""
    return Conversation(row["description"], DESCRIBE, ((row["token"], ()),))


def retrieval(row: dict) -> Conversation:
    """From a row {"query", "relevant_tool_tokens"} of retrieval_training.json."""
    return Conversation(row["query"], RETRIEVE, tuple((token, ()) for token in row["relevant_tool_tokens"]))


def agent(row: dict, catalog: Catalog) -> Conversation:
    """From a row {"query", "plan_sequence", "final_answer"} of agent_tuning.json."""
    segments = calltext.segments(calls_of(row, catalog), catalog)
    return Conversation(row["query"], CALL, tuple((tool.token, pieces(tool, text)) for tool, text in segments))


def calls_of(row: dict, catalog: Catalog) -> list[dict]:
    """The calls of a row of agent_tuning.json, with what their tools bind."""
    tools = [catalog.by_token[step["action"]] for step in row["plan_sequence"]]
    return [
        {"name": tool.function, "arguments": {**tool.bound, **step["action_input"]}}
        for tool, step in zip(tools, row["plan_sequence"], strict=True)
    ]


def pieces(tool: Tool, text: str) -> tuple[str, ...]:
    """What stands behind a tool token in the parts that are encoded by themselves: place and value, or JSON.

    Decoding is bound to the same parts, so both see the same token ids whatever the tokenizer would merge.
    """
    if tool.vehicle_property is None:
        return (text,)
    words = text.split(" ")[1:]
    value = [words.pop()] if tool.writes else []
    return tuple(f" {part}" for part in (" ".join(words), *value) if part)


def encode_text(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of plain text: nothing in it is read as a special token."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def encode_part(part: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a place or a value that a model writes: one, where the tokenizer knows it as a whole."""
    whole = tokenizer.added_tokens_encoder.get(part)
    return encode_text(part, tokenizer) if whole is None else [whole]


def encode_prompt(text: str, mark: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[int]:
    """Token ids of the normalised text, cut to leave room for its mark, and the mark.

    Without a mark the text is a chat as its template laid it out: special tokens are read as such, its end is kept.
    """
    if not mark:
        return tokenizer(text, add_special_tokens=False)["input_ids"][-max_length:]
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = encode_text(" " + normalise(text), tokenizer)[: max_length - len(start) - 1]
    return [*start, *ids, tokenizer.convert_tokens_to_ids(mark)]


def encode_completion(conversation: Conversation, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of the completion, the end token included."""
    ids = []
    for token, parts in conversation.completion:
        if token:
            ids.append(tokenizer.convert_tokens_to_ids(token))
        for part in parts:
            ids += encode_part(part, tokenizer)
    return [*ids, tokenizer.eos_token_id]
