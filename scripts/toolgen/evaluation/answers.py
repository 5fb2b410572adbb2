"""What a system answered to one query: its calls, and what is wrong with them whatever was asked."""

import re
from dataclasses import dataclass

from .. import calltext
from ..catalog import Catalog
from ..checks import Rejected, check_call

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Answer:
    """`calls` are None where the text cannot be read as calls, which is right for no query."""

    calls: list[dict] | None
    hallucinated: bool = False  # a tool is named that does not exist
    invalid: bool = False  # not readable, or a call does not fit its tool


def of_text(text: str, tools: Catalog) -> Answer:
    """The answer that a call text stands for."""
    try:
        return of_calls(calltext.read(text, tools), tools)
    except calltext.BadCallText:
        named = calltext.TOKEN.findall(STRING.sub('""', text))  # a token within a JSON string is text
        return Answer(None, any(token not in tools.by_token for token in named), True)


def of_calls(calls: list[dict] | None, tools: Catalog) -> Answer:
    """The answer of a system that writes no call text but calls."""
    if calls is None:
        return Answer(None, invalid=True)
    return Answer(
        calls,
        hallucinated=any(tools.tool_of(call) is None for call in calls),
        invalid=not all(_fits(call, tools) for call in calls),
    )


def _fits(call: dict, tools: Catalog) -> bool:
    try:
        check_call(call, tools)
    except Rejected:
        return False
    return True
