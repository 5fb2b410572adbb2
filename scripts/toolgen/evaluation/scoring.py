"""Scores of answers and rankings against evaluation rows, slice by slice, each with its rows and 95% interval."""

from collections import Counter, defaultdict
from collections.abc import Callable

from ..car import Car, Refused
from ..catalog import Catalog
from ..splits import OWN, SEEN
from . import metrics, uncertainty
from .answers import Answer

SPOKEN = ("spoken_dev", "spoken_test")
NOT_NEW = ("validation", "spoken_noisy")  # seen while training, and the spoken rows a second time
PAPER_BEAMS = 5  # ToolGen's rankings end there, which is what its way of counting takes notice of


def slices(rows: list[dict]) -> dict[str, list[int]]:
    """Row numbers by slice, and of the whole spoken set."""
    found = defaultdict(list)
    for i, row in enumerate(rows):
        found[row["slice"]].append(i)
        if row["slice"] in SPOKEN:
            found["spoken"].append(i)
    return dict(sorted(found.items()))


def headline(by_slice: dict) -> dict:
    """What stands under the slice to go by: the spoken set, or rows that their source held out, or else."""
    return next((by_slice[name] for name in ("spoken", OWN, SEEN) if name in by_slice), {})


# -------------------------------------------------------------------------------------------- retrieval


def retrieval_scores(rows: list[dict], rankings: list[list[str]], tools: Catalog, seed: int) -> dict:
    """Per slice, over the rows that want a tool: recall@k, MRR, NDCG@k with the full ideal DCG and as in the paper."""
    scores = {}
    for name, indices in slices(rows).items():
        wanted = [(rankings[i], relevant) for i in indices if (relevant := relevant_tools(rows[i], tools))]
        if wanted:
            scores[name] = {
                measure: uncertainty.summary([function(*pair) for pair in wanted], seed)
                for measure, function in RETRIEVAL_MEASURES.items()
            }
    return scores


RETRIEVAL_MEASURES: dict[str, Callable[[list[str], set[str]], float]] = {
    **{f"recall_at_{k}": lambda ranked, relevant, k=k: metrics.recall_at_k(ranked, relevant, k) for k in (1, 3, 5)},
    "mrr": metrics.reciprocal_rank,
    **{f"ndcg_at_{k}": lambda ranked, relevant, k=k: metrics.ndcg_at_k(ranked, relevant, k) for k in (1, 3, 5)},
    **{
        f"ndcg_at_{k}_paper_compat": lambda ranked, relevant, k=k: metrics.ndcg_at_k(
            ranked[:PAPER_BEAMS], relevant, k, paper_compat=True
        )
        for k in (1, 3, 5)
    },
}


def relevant_tools(row: dict, tools: Catalog) -> set[str]:
    """The tools that a row names; those of its steps; or those of the first accepted list of calls."""
    if "relevant_tools" in row:
        return set(row["relevant_tools"])
    return {tools.tool_of(call).name for call in (row["steps"] if "steps" in row else row["accept"][0])}


def relevant_ranks(row: dict, ranked: list[str], tools: Catalog) -> list[int]:
    """At which ranks, from 1, the tools stand that the row wants. `ranked` holds every tool."""
    return sorted(ranked.index(name) + 1 for name in relevant_tools(row, tools))


# ------------------------------------------------------------------------------------------------ calls


def same_end_state(calls: list[dict], accept: list[list[dict]], tools: Catalog) -> bool:
    """Whether the calls read the same as an accepted list and leave the car the same, whatever its state before.

    Of several writes to one place the last counts. Calls of ordinary tools, which no car executes, must be the same.
    """

    def outcome(calls: list[dict]) -> tuple | None:
        simulated = Car(tools) if tools.properties else None
        others = []
        try:
            for call in calls:
                tool = tools.tool_of(call)
                if tool is None:
                    return None
                if tool.vehicle_property is not None:
                    simulated.execute(call)
                if tool.vehicle_property is None or not tool.writes:
                    others.append(metrics.normalised(call))
        except Refused:
            return None
        return simulated and simulated.written, Counter(others)

    end = outcome(calls)
    return end is not None and any(end == outcome(gold) for gold in accept)


def declared_match(calls: list[dict], accept: list[list[dict]], tools: Catalog) -> bool:
    """Whether the calls are right in BFCL's way, up to the alternatives that the row and the tools' schemas declare."""
    schemas = {tool.function: tool.parameters for tool in tools.tools if tool.vehicle_property is None}
    return any(metrics.declared_match(calls, gold) for gold in metrics.declared(accept, schemas))


CALL_MEASURES: dict[str, Callable[[list[dict], list[list[dict]], Catalog], float]] = {
    "exact_match": lambda calls, accept, tools: metrics.exact_match(calls, accept),
    "exact_match_ordered": lambda calls, accept, tools: metrics.exact_match_ordered(calls, accept),
    "tool_accuracy": lambda calls, accept, tools: metrics.tools_match(calls, accept),
    "name_accuracy": lambda calls, accept, tools: metrics.names_match(calls, accept),
    "argument_accuracy": lambda calls, accept, tools: metrics.argument_accuracy(calls, accept),
    "soft_accuracy": lambda calls, accept, tools: metrics.soft_accuracy(calls, accept),
    "declared_match": declared_match,
    "end_state": same_end_state,
}
BRIEF = ("exact_match", "tool_accuracy")


def row_scores(measure: str, rows: list[dict], answers: list[Answer], tools: Catalog) -> list[float]:
    """What each answer scores by one of CALL_MEASURES; one that cannot be read is wrong by all of them."""
    function = CALL_MEASURES[measure]
    return [
        0.0 if answer.calls is None else float(function(answer.calls, row["accept"], tools))
        for row, answer in zip(rows, answers, strict=True)
    ]


def by_slice(rows: list[dict], answers: list[Answer], tools: Catalog, seed: int, brief: bool = False) -> dict:
    """Call scores per slice; `brief` leaves out all measures but two, and the kinds."""
    return {
        name: call_scores([rows[i] for i in indices], [answers[i] for i in indices], tools, seed, brief)
        for name, indices in slices(rows).items()
    }


def call_scores(rows: list[dict], answers: list[Answer], tools: Catalog, seed: int, brief: bool) -> dict:
    values = {name: row_scores(name, rows, answers, tools) for name in (BRIEF if brief else CALL_MEASURES)}
    values |= {
        "hallucinated_tools": [float(answer.hallucinated) for answer in answers],
        "invalid_calls": [float(answer.invalid) for answer in answers],
    }
    scores: dict = {name: uncertainty.summary(column, seed) for name, column in values.items()}
    scores["abstention"] = abstention(rows, answers, seed)
    if not brief:
        scores["exact_match_by_kind"] = grouped([[row["kind"]] for row in rows], values["exact_match"], seed)
    return scores


def abstention(rows: list[dict], answers: list[Answer], seed: int) -> dict:
    """How well a system tells when to make no call.

    `precision` is the share of the answers without calls that were right to have none, `recall` the share of the
    requests for no call that got none, `refused` the share of all other requests that got none.
    """
    none_made = [answer.calls == [] for answer in answers]
    none_wanted = [[] in row["accept"] for row in rows]
    pairs = list(zip(none_made, none_wanted, strict=True))
    shares = {
        "precision": [wanted for made, wanted in pairs if made],
        "recall": [made for made, wanted in pairs if wanted],
        "refused": [made for made, wanted in pairs if not wanted],
    }
    return {name: uncertainty.summary([float(value) for value in share], seed) for name, share in shares.items()}


def by_property(rows: list[dict], answers: list[Answer], tools: Catalog, seed: int) -> dict:
    """Exact match over the rows that want a property, or an ordinary tool, with the answers to rows never seen."""
    new = [i for i, row in enumerate(rows) if row["slice"] not in NOT_NEW]
    rows, answers = [rows[i] for i in new], [answers[i] for i in new]
    names = [
        sorted({tools.by_name[name].bound.get("propertyName", name) for name in relevant_tools(row, tools)})
        for row in rows
    ]
    return grouped(names, row_scores("exact_match", rows, answers, tools), seed)


def grouped(names: list[list[str]], values: list[float], seed: int) -> dict:
    """The summary of the values under each name; a value may stand under several."""
    groups = defaultdict(list)
    for own, value in zip(names, values, strict=True):
        for name in own:
            groups[name].append(value)
    return {name: uncertainty.summary(members, seed) for name, members in sorted(groups.items())}
