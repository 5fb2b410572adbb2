"""What a reply brought: the calls, and of an imported example those of every accepted answer and of its steps."""

import json
from collections.abc import Collection

from ..catalog import Catalog
from ..checks import MAX_DEPTH, Rejected, check_call, check_example, check_query, deeper_than, repair_call
from ..dataset import calls_are_known
from ..formats import imported
from ..records import BadRecord, dumps, finite


def parsed(text: str, catalog: Catalog) -> dict:
    """An imported example, of the form that `formats.imported` describes. Raises Rejected, and nothing else."""
    try:
        example = json.loads(text, parse_constant=finite, parse_float=finite)
        dumps(example).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Rejected("not_json", str(error)) from None
    if not isinstance(example, dict) or deeper_than(MAX_DEPTH, example):
        raise Rejected("bad_form", f"no object, or nested deeper than {MAX_DEPTH} levels")
    check_query(example.get("query"))
    try:
        imported.check(example, catalog, "example")
    except BadRecord as fault:
        raise Rejected("bad_form", str(fault)) from None
    return example | {"query": example["query"].strip()}


def calls_of(written: dict, catalog: Catalog, known: Collection[str]) -> dict:
    """{"calls", "end_state", "repairs", "more"} of what was written, checked; `more` of `known`. Raises Rejected.

    The calls are the answers, the first ones that are accepted, or those of the steps; none where only the tools are
    known.
    """
    more = {key: written[key] for key in known if key in written}
    repairs: list[str] = []

    def repaired(calls: list[dict]) -> list[dict]:
        found = [repair_call(call, catalog) for call in calls]
        repairs.extend(name for _, done in found for name in done)
        return [call for call, _ in found]

    if "steps" in more:
        calls = repaired(more["steps"])
        more["steps"] = [step | call for step, call in zip(more["steps"], calls, strict=True)]
    elif "accept" in more:
        more["accept"] = [repaired(calls) for calls in more["accept"]] or [[]]
        calls = more["accept"][0]
    else:
        calls = repaired(written.get("answers", []))
    end_state = check_example(written["query"], calls, catalog) if calls_are_known(more) else None
    for call in (call for others in more.get("accept", [])[1:] for call in others):
        check_call(call, catalog)
    return {"calls": calls, "end_state": end_state, "repairs": repairs, "more": more}
