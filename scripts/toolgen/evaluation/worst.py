"""The answers that are furthest off, as a table to read. Only rows that may be read: never the test half."""

from collections.abc import Iterator

from .. import calltext
from ..catalog import Catalog
from . import metrics
from .answers import Answer

READABLE = "spoken_dev"
NUMBER = 20


def table(rows: list[dict], texts: list[str], answers: list[Answer], tools: Catalog) -> str:
    """A Markdown table of the wrong answers in the dev half of the spoken set, by soft accuracy, the worst first."""
    wrong = [
        (metrics.soft_accuracy(answer.calls or [], row["accept"]), row, text)
        for row, text, answer in zip(rows, texts, answers, strict=True)
        if row["slice"] == READABLE
        and (answer.calls is None or not metrics.exact_match(answer.calls, row["accept"]))
    ]
    wrong.sort(key=lambda entry: entry[0])  # stable, so equals stay in the order of the rows
    return "".join(_lines(wrong[:NUMBER], len(wrong), tools))


def _lines(worst: list[tuple[float, dict, str]], of: int, tools: Catalog) -> Iterator[str]:
    yield f"The worst {len(worst)} of {of} wrong answers in the dev half of the spoken set, by soft accuracy.\n\n"
    yield "| query | kind | wanted | answered | soft |\n|---|---|---|---|--:|\n"
    for score, row, text in worst:
        wanted = " or ".join(_cell(calltext.write(calls, tools)) for calls in row["accept"])
        yield f"| {_plain(row['query'])} | {row['kind']} | {wanted} | {_cell(text)} | {score:.2f} |\n"


def _cell(text: str) -> str:
    """A call text as code; no calls in words. A backtick within would end the code, and is left out."""
    return f"`{_plain(text.replace('`', ''))}`" if text else "no call"


def _plain(text: str) -> str:
    """Text that stays within its cell."""
    return " ".join(text.split()).replace("|", "\\|")
