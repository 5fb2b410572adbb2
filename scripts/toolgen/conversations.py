"""What each training stage sees: a text, a mark that says what is wanted of it, and the completion.

    a tool's description <|describe|> its token
    a query              <|retrieve|> the tokens of the tools it needs
    a query              <|call|>     the call text
    a query              <|step|>     one turn of a trajectory: a thought, a tool token, its arguments
                                      or, at its end, <|finish|> and the final answer

The last is learnt where trajectories were imported; what was done so far stands before the query, as earlier turns do.

Texts are encoded as plain text, so a literal tool token in someone's query stays text. The mark stands behind the
text, where one pass over the query serves every task. Talk about anything else (general.py) has no mark and no token.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from . import calltext, turns
from .catalog import Catalog, Tool
from .numbers import MAX_LENGTH, normalise, verbatim

DESCRIBE, RETRIEVE, CALL = MARKS = ("<|describe|>", "<|retrieve|>", "<|call|>")
STEP, FINISH = STEP_MARKS = ("<|step|>", "<|finish|>")
VERBATIM = "verbatim"  # what a tokenizer is marked with whose model reads queries as they are
MAX_STEPS = 16  # of a trajectory
LONGEST_THOUGHT, LONGEST_ANSWER = 160, 320  # characters of what is learnt of them


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
    """From a row {"query", "history"?, "relevant_tool_tokens"} of retrieval_training.json."""
    return Conversation(turns.asked(row), RETRIEVE, tuple((token, ()) for token in row["relevant_tool_tokens"]))


def agent(row: dict, catalog: Catalog) -> Conversation:
    """From a row {"query", "history"?, "plan_sequence", "final_answer"} of agent_tuning.json."""
    return Conversation(turns.asked(row), CALL, _called(calls_of(row, catalog), catalog))


def agent_turns(row: dict, catalog: Catalog) -> list[Conversation]:
    """The same; of a trajectory, which has "observations" too, one example for each turn, MAX_STEPS at most."""
    if "observations" not in row:
        return [agent(row, catalog)]
    calls = calls_of(row, catalog)
    given = zip(calls, row["plan_sequence"], row["observations"], strict=True)
    steps = [{**call, "thought": step["thought"], "observation": seen} for call, step, seen in given]
    found = []
    for number, step in enumerate(steps[:MAX_STEPS]):
        completion = (("", _said(step["thought"], LONGEST_THOUGHT)), *_called([calls[number]], catalog))
        found.append(Conversation(turns.asked(row, steps[:number]), STEP, completion))
    if len(steps) < MAX_STEPS:
        completion = ((FINISH, _said(row["final_answer"], LONGEST_ANSWER)),)
        found.append(Conversation(turns.asked(row, steps), STEP, completion))
    return found


def written(rows: list[dict], catalog: Catalog) -> Iterator[str]:
    """Every text that rows of agent_tuning.json have a model write, but for tool tokens."""
    completions = (turn.completion for row in rows for turn in agent_turns(row, catalog))
    return (part for completion in completions for _, parts in completion for part in parts)


def _called(calls: list[dict], catalog: Catalog) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((tool.token, pieces(tool, text)) for tool, text in calltext.segments(calls, catalog))


def _said(text: str, longest: int) -> tuple[str, ...]:
    """A text that a model writes, as one part, cut where a word ends; no part for no text."""
    words = " ".join(text.split())
    if len(words) > longest:
        words = words[:longest].rsplit(" ", 1)[0]
    return (f" {words}",) if words else ()


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
    """Token ids of plain text: nothing in it is read as a special token. The backend is asked itself, which takes a
    quarter of the time that transformers does around it."""
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True  # transformers sets it anew for each call of its own, and what follows
    backend.no_truncation()
    backend.no_padding()
    return backend.encode(text, add_special_tokens=False).ids


def encode_part(part: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a place or a value that a model writes: one, where the tokenizer knows it as a whole."""
    backend = tokenizer.backend_tokenizer
    whole = backend.token_to_id(part)  # an added token: added_tokens_encoder lists all of them anew each time
    return encode_text(part, tokenizer) if whole is None or backend.model.token_to_id(part) is not None else [whole]


def encode_prompt(text: str, mark: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[int]:
    """Token ids of the text as the model reads it, cut to leave room for its mark, and the mark.

    Of earlier turns before the query (turns.py) the oldest are cut, of the query its end. Without a mark the text is a
    chat as its template laid it out: special tokens are read as such, its end is kept.
    """
    if not mark:
        return tokenizer(text, add_special_tokens=False)["input_ids"][-max_length:]
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    earlier, _, query = text.rpartition(turns.SEPARATOR)
    room, read = max_length - len(start) - 1, reader(tokenizer)
    ids = encode_text(" " + read(query), tokenizer)[:room]
    if earlier and len(ids) < room:
        ids = encode_text(" " + read(earlier[-MAX_LENGTH:]), tokenizer)[len(ids) - room :] + ids
    return [*start, *ids, tokenizer.convert_tokens_to_ids(mark)]


def reader(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], str]:
    """How the model of this tokenizer reads a query: as a car does, or as it is, so that arguments can be copied."""
    return verbatim if tokenizer.init_kwargs.get(VERBATIM) else normalise


def reader_for(catalog: Catalog) -> Callable[[str], str]:
    """The same for the tools of a catalog: a car's are asked for in its units, any others in the words of the query."""
    return normalise if catalog.properties else verbatim


def encode_completion(conversation: Conversation, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of the completion, the end token included."""
    ids = []
    for token, parts in conversation.completion:
        if token:
            ids.append(tokenizer.convert_tokens_to_ids(token))
        for part in parts:
            ids += encode_part(part, tokenizer)
    return [*ids, tokenizer.eos_token_id]
