"""OpenAI's chat completions in terms of this model: what a request asks, and how its answer is said.

The last message of a user is the query; what was said before it is not read. The model knows its own catalog, so a
request without `tools` has all of it on offer. One with `tools` gets calls of those functions alone, and is refused
where the catalog lacks one. Results of tools are not read either: behind them the answer repeats them, without a call.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from .. import records
from ..catalog import Catalog
from .engine import Answer
from .errors import BadRequest

NO_CALL = "None of the tools fits this request."
DONE = "Done."
REFUSED = {  # fields that ask for what the model cannot do -> their values that ask for nothing
    "n": (None, 1),
    "logprobs": (None, False),
    "response_format": (None, {"type": "text"}),
    "functions": (None,),
    "function_call": (None,),
    "audio": (None,),
}


@dataclass(frozen=True)
class Request:
    """What is asked. Where `said` is a text, that is the answer, and the model is not asked."""

    query: str
    said: str | None
    functions: frozenset[str]  # whose calls may be returned
    required: frozenset[str]  # the answer begins with a call of one of these, where there are any
    parallel: bool
    stream: bool
    include_usage: bool


def read(body: bytes, model: str, catalog: Catalog) -> Request:
    """The body of a POST to /v1/chat/completions. Raises BadRequest, whose message is one line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(found, dict):
        raise BadRequest("the body is not a JSON object")
    named = _field(found, "model", str, None)
    if named is None:
        raise BadRequest("you must provide a model parameter", "model")
    if named != model:
        raise BadRequest(f"there is no model {named[:80]!r} here, only {model!r}", "model", "model_not_found", 404)
    for name, harmless in REFUSED.items():
        if found.get(name) not in harmless:
            raise BadRequest(f"{name} is not supported", name, "unsupported_parameter")
    functions = _functions(found.get("tools"), catalog)
    choice, required = _choice(found.get("tool_choice"), functions)
    query, results = _query(found.get("messages"))
    options = _field(found, "stream_options", dict, {})
    return Request(
        query=query,
        said=NO_CALL if choice == "none" else results,
        functions=required if isinstance(found.get("tool_choice"), dict) else functions,
        required=required,
        parallel=_field(found, "parallel_tool_calls", bool, True),
        stream=_field(found, "stream", bool, False),
        include_usage=_field(options, "include_usage", bool, False, "stream_options."),
    )


def _field(found: dict, name: str, kind: type, default: object, path: str = "") -> object:
    value = found.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        words = {bool: "true or false", str: "a text", dict: "an object"}
        raise BadRequest(f"{path}{name} must be {words[kind]}", path + name)
    return value


def _functions(tools: object, catalog: Catalog) -> frozenset[str]:
    """The functions on offer: all of the catalog where the client sends no tools, otherwise those it sends."""
    if tools is None:
        return catalog.function_names
    if not isinstance(tools, list) or not tools:
        raise BadRequest("tools must be a list of at least one tool; leave it out for the whole catalog", "tools")
    names = []
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRequest(f'tools[{place}] is not {{"type": "function", "function": {{"name": …}}}}', "tools")
        if function["name"] not in catalog.function_names:
            raise BadRequest(
                f"the model was not trained on the function {function['name'][:80]!r}", f"tools[{place}].function.name"
            )
        names.append(function["name"])
    return frozenset(names)


def _choice(choice: object, functions: frozenset[str]) -> tuple[str, frozenset[str]]:
    """none, auto or required, and the functions of which one is required."""
    if choice in (None, "auto", "none"):
        return choice or "auto", frozenset()
    if choice == "required":
        return choice, functions
    function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest("tool_choice must be none, auto, required, or name one function", "tool_choice")
    if function["name"] not in functions:
        raise BadRequest(f"tool_choice names {function['name'][:80]!r}, which is not among the tools", "tool_choice")
    return "required", frozenset({function["name"]})


def _query(messages: object) -> tuple[str, str | None]:
    """What the last user said, and the results of tools that have come since, one a line; None without any."""
    if not isinstance(messages, list) or not all(
        isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages
    ):
        raise BadRequest("messages must be a list of objects, each with a role", "messages")
    results = []
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if message["role"] == "tool":
            results.append(_text(message.get("content"), place))
        if message["role"] == "user":
            said = "\n".join(filter(None, reversed(results))) or DONE
            return _text(message.get("content"), place), said if results else None
    raise BadRequest("messages hold nothing that a user said", "messages")


def _text(content: object, place: int) -> str:
    """The text of a message, which is one text or a list of parts."""
    param = f"messages[{place}].content"
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in parts
    ):
        raise BadRequest(f"{param} must be a text, or a list of text parts: the model reads nothing else", param)
    text = " ".join(part["text"] for part in parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{param} is not Unicode: half of a surrogate pair stands alone", param) from None
    return text


class Reply:
    """The answer to one request as it grows: `add` calls, then `completion`, or the same as `chunks`."""

    def __init__(self, request: Request, model: str):
        self.request, self.calls = request, []
        self.head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def add(self, calls: list[dict]) -> list[dict]:
        """Keep those calls that the request lets through; return them as OpenAI's tool calls, with ids."""
        wanted = [call for call in calls if call["name"] in self.request.functions]
        if not self.request.parallel:
            wanted = wanted[: 1 - len(self.calls)]
        new = [
            {
                "id": f"call_{uuid.uuid4().hex}",
                "type": "function",
                "function": {"name": call["name"], "arguments": records.dumps(call["arguments"])},
            }
            for call in wanted
        ]
        self.calls += new
        return new

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.calls else "stop"

    @property
    def content(self) -> str | None:
        return None if self.calls else self.request.said or NO_CALL

    def completion(self, answer: Answer) -> dict:
        """The whole answer, once all calls of `answer` have been added."""
        message = {"role": "assistant", "content": self.content, "refusal": None}
        message |= {"tool_calls": self.calls} if self.calls else {}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return self.head | {"object": "chat.completion", "choices": [choice], "usage": usage(answer)}

    def first_chunk(self) -> dict:
        return self._chunk({"role": "assistant", "content": None})

    def chunks(self, calls: list[dict]) -> Iterator[dict]:
        """One chunk for each of `calls` that is let through."""
        start = len(self.calls)
        for index, call in enumerate(self.add(calls), start):
            yield self._chunk({"tool_calls": [{"index": index} | call]})

    def last_chunks(self, answer: Answer) -> Iterator[dict]:
        if not self.calls:
            yield self._chunk({"content": self.content})
        yield self._chunk({}, self.finish_reason)
        if self.request.include_usage:
            yield self._chunk({}) | {"choices": [], "usage": usage(answer)}

    def _chunk(self, delta: dict, finish_reason: str | None = None) -> dict:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        found = self.head | {"object": "chat.completion.chunk", "choices": [choice]}
        return found | ({"usage": None} if self.request.include_usage else {})


def usage(answer: Answer) -> dict:
    """Tokens that the model has read and generated, its end token among them; none where it was not asked."""
    total = answer.prompt_tokens + answer.generated_tokens
    return {
        "prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.generated_tokens, "total_tokens": total
    }  # fmt: skip
