"""Whether two models answer alike: equal calls, and how far the arguments have drifted where the tool is the same."""

from collections import defaultdict

from ..catalog import Catalog
from .folder import BadExport

Answers = list[list[dict]]


def compare(wanted: Answers, found: Answers, catalog: Catalog) -> dict:
    """Share of queries with identical calls, and the drift over calls of the same tool to the same query.

    `arguments` counts those of either call, `differing_arguments` is the share that are not equal, and
    `mean_absolute_difference` is over the `numbers` that both calls have under one name; None without any.
    """
    identical = [first == second for first, second in zip(wanted, found, strict=True)]
    pairs = [pair for answers in zip(wanted, found, strict=True) for pair in _same_tool(*answers, catalog)]
    arguments = [(first.get(name), second.get(name)) for first, second in pairs for name in {**first, **second}]
    numbers = [abs(one - other) for one, other in arguments if _is_number(one) and _is_number(other)]
    return {
        "identical_calls": _mean(identical),
        "arguments": len(arguments),
        "differing_arguments": _mean([one != other for one, other in arguments]),
        "numbers": len(numbers),
        "mean_absolute_difference": _mean(numbers),
    }


def hold(found: dict[str, dict], least: float) -> None:
    """Raises BadExport where one of `found`, {runtime: what `compare` says}, has less than `least` identical calls."""
    for runtime, figures in found.items():
        if figures["identical_calls"] < least:
            raise BadExport(
                f"export: by {runtime} {figures['identical_calls']:.1%} of the answers are those of the trained model, "
                f"export.min_agreement is {least:.1%}: nothing was written, the export before it is kept"
            )


def _same_tool(wanted: list[dict], found: list[dict], catalog: Catalog) -> list[tuple[dict, dict]]:
    """The free arguments of calls to one tool, the first of it in one answer beside the first in the other."""
    waiting = defaultdict(list)
    for call in wanted:
        waiting[catalog.tool_of(call).name].append(call)
    pairs = []
    for call in found:
        tool = catalog.tool_of(call)
        if waiting[tool.name]:
            pairs.append(tuple(_free(each, tool.bound) for each in (waiting[tool.name].pop(0), call)))
    return pairs


def _free(call: dict, bound: dict) -> dict:
    return {name: value for name, value in call["arguments"].items() if name not in bound}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mean(values: list) -> float | None:
    return round(sum(values) / len(values), 6) if values else None
