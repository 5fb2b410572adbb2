"""The prompt method, which tool tokens replace: the whole catalog in the prompt, the calls written out as JSON.

So CarTool-Instruct and Mobile Actions ask their models. It is measured as a peer, on the same base model.
"""

import json

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..catalog import Catalog
from ..records import dumps, finite
from ..teachers.prompts import described

INSTRUCTION = """You answer a request with calls of the functions below. Write JSON alone: a list of
{"name": ..., "arguments": {...}} in the order asked, or [] where no call fits.
"""
CAR = """A driver speaks, in a left-hand-drive car. A call takes propertyName, areaId and, where it writes, value.
No place, "I" and "my" mean the front left, "the passenger" the front right; a group is one call for each of its areas.
Temperatures are in Celsius. What the car lacks, a value out of range and small talk are no call.
"""
MAX_NEW_TOKENS = 256
JSON = json.JSONDecoder(parse_constant=finite, parse_float=finite)


class NoChat(ValueError):
    """The base model cannot be asked; the message says why."""


def instruction(tools: Catalog) -> str:
    """Everything that stands before the query: what is wanted, and one line for each property or function."""
    lines = described(tools, {tool.name for tool in tools.tools})
    return INSTRUCTION + (CAR if tools.properties else "") + "\n".join(lines) + "\n"


@torch.inference_mode()
def answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, queries: list[str], tools: Catalog
) -> list[list[dict] | None]:
    """The calls that a chat model writes, greedily, for each query; None where none can be read.

    All stands in one message of the user, since not every template knows a system role. Raises NoChat.
    """
    if tokenizer.chat_template is None:
        raise NoChat("evaluate.prompt_method needs a base model with a chat template: set model.base_model to a "
                     "pretrained chat model, or evaluate.prompt_method to false")  # fmt: skip
    start, found = instruction(tools), []
    for query in queries:
        read = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{start}\n{query}"}],
            add_generation_prompt=True, enable_thinking=False, return_dict=True, return_tensors="pt",
        ).to(model.device)  # fmt: skip
        written = model.generate(
            **read, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id
        )
        text = tokenizer.decode(written[0, read["input_ids"].shape[1] :], skip_special_tokens=True)
        found.append(read_calls(text))
    return found


def read_calls(text: str) -> list[dict] | None:
    """The calls in a chat model's answer: its first JSON list of calls, or all its objects that are calls.

    Fences and prose around them are ignored, and "parameters" is taken for "arguments". None where there is neither
    a call nor an empty list.
    """
    calls: list[dict] = []
    at = 0
    while at < len(text):
        if text[at] not in "[{":
            at += 1
            continue
        try:
            value, end = JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        items = [_call(item) for item in (value if isinstance(value, list) else [value])]
        if isinstance(value, list) and None not in items:
            return items
        calls += [item for item in items if item is not None]
        at = end
    return calls or None


def _call(item: object) -> dict | None:
    if not isinstance(item, dict):
        return None
    name, arguments = item.get("name"), item.get("arguments", item.get("parameters"))
    return {"name": name, "arguments": arguments} if isinstance(name, str) and isinstance(arguments, dict) else None


def written_out(calls: list[dict]) -> str:
    """The answer that the prompt method hopes for."""
    return dumps(calls)
