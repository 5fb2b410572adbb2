"""Scores of answers against evaluation rows, slice by slice."""

import statistics
from collections import defaultdict

from . import metrics
from .car import Car, Refused
from .catalog import Catalog
from .checks import Rejected, check_call

SPOKEN = ("spoken_dev", "spoken_test")


def slices(rows: list[dict]) -> dict[str, list[int]]:
    """Row numbers by slice, and of the whole spoken set."""
    found = defaultdict(list)
    for i, row in enumerate(rows):
        found[row["slice"]].append(i)
        if row["slice"] in SPOKEN:
            found["spoken"].append(i)
    return dict(sorted(found.items()))


def retrieval_scores(rows: list[dict], rankings: list[list[str]], tools: Catalog) -> dict:
    """Per slice, over the rows that want a tool: recall@k, MRR, NDCG@k with the full ideal DCG."""
    scores = {}
    for name, indices in slices(rows).items():
        wanted = [(rankings[i], relevant) for i in indices if (relevant := relevant_tools(rows[i], tools))]
        if wanted:
            scores[name] = {"n": len(wanted)} | {
                measure: round(statistics.mean(function(ranked, relevant) for ranked, relevant in wanted), 4)
                for measure, function in RETRIEVAL_MEASURES.items()
            }
    return scores


RETRIEVAL_MEASURES = {
    **{f"recall_at_{k}": lambda ranked, relevant, k=k: metrics.recall_at_k(ranked, relevant, k) for k in (1, 3, 5)},
    "mrr": metrics.reciprocal_rank,
    **{f"ndcg_at_{k}": lambda ranked, relevant, k=k: metrics.ndcg_at_k(ranked, relevant, k) for k in (1, 3, 5)},
}


def relevant_tools(row: dict, tools: Catalog) -> set[str]:
    """The tools of the first accepted list of calls."""
    return {tools.tool_of(call).name for call in row["accept"][0]}


def by_slice(
    rows: list[dict], answers: list[list[dict] | None], tools: Catalog, seed: int,
    brief: bool = False,
) -> dict:  # fmt: skip
    """Call scores per slice; `answers` hold None for a text that is no calls."""
    return {
        name: call_scores([rows[i] for i in indices], [answers[i] for i in indices], tools, seed, brief)
        for name, indices in slices(rows).items()
    }


def call_scores(
    rows: list[dict], answers: list[list[dict] | None], tools: Catalog, seed: int, brief: bool
) -> dict:
    pairs = [(calls or [], row["accept"]) for row, calls in zip(rows, answers, strict=True)]
    exact = [calls is not None and metrics.exact_match(calls, row["accept"])
             for row, calls in zip(rows, answers, strict=True)]  # fmt: skip

    def score(values: list) -> dict:
        return metrics.summary([float(value) for value in values], seed)

    scores = {"exact_match": score(exact), "valid_calls": score([valid(calls, tools) for calls in answers])}
    if brief:
        return scores
    scores |= {
        "exact_match_ordered": score([metrics.exact_match_ordered(*pair) for pair in pairs]),
        "tool_accuracy": score([metrics.tools_match(*pair) for pair in pairs]),
        "name_accuracy": score([metrics.names_match(*pair) for pair in pairs]),
        "argument_accuracy": score([metrics.argument_accuracy(*pair) for pair in pairs]),
        "soft_accuracy": score([metrics.soft_accuracy(*pair) for pair in pairs]),
        "end_state": score([same_end_state(*pair, tools) for pair in pairs]),
        "abstention": metrics.abstention([(not calls, [] in accept) for calls, accept in pairs]),
    }
    kinds = defaultdict(list)
    for row, right in zip(rows, exact, strict=True):
        kinds[row["kind"]].append(right)
    return scores | {"exact_match_by_kind": {kind: score(values) for kind, values in sorted(kinds.items())}}


def valid(calls: list[dict] | None, tools: Catalog) -> bool:
    """Whether every call names a tool that exists and fits its schema."""
    if calls is None:
        return False
    try:
        for call in calls:
            check_call(call, tools)
    except Rejected:
        return False
    return True


def same_end_state(calls: list[dict], accept: list[list[dict]], tools: Catalog) -> bool:
    """Whether the calls read the same and leave the car the same as an accepted list, whatever its state before."""
    if not tools.properties:
        return metrics.exact_match(calls, accept)

    def outcome(calls: list[dict]) -> tuple | None:
        simulated, reads = Car(tools), []
        try:
            for call in calls:
                simulated.execute(call)
                if "value" not in call["arguments"]:
                    reads.append((call["arguments"]["propertyName"], call["arguments"]["areaId"]))
        except Refused:
            return None
        return simulated.written, sorted(reads)

    end = outcome(calls)
    return end is not None and any(end == outcome(gold) for gold in accept)
