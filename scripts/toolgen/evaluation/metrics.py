"""How good predictions are: pure functions from predictions and gold to numbers.

A prediction is a list of calls `{"name", "arguments"}`. `accept` holds the acceptable lists of calls: any one of them
is right, and `[[]]` means that no call is wanted. For retrieval, `ranked` is a list of tools, best first, and
`relevant` the tools that should be found. Scores lie between 0 and 1.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from .uncertainty import same_length

# ------------------------------------------------------------------------------------------------ calls


def normalised(call: dict) -> Hashable:
    """A form of `call` that is equal for equal calls: 21 is 21.0, True is not 1, the order of keys does not count."""
    return call["name"], _frozen(call["arguments"])


def exact_match(calls: list[dict], accept: list[list[dict]]) -> bool:
    """Whether `calls` are an acceptable list in some order, each call as often as there: the headline figure."""
    return _same_multiset(calls, accept, normalised)


def exact_match_ordered(calls: list[dict], accept: list[list[dict]]) -> bool:
    """Whether `calls` equal an acceptable list, order included, by plain `==`, to which True is 1.

    This is CarTool-Instruct's figure, for comparison with it.
    """
    return calls in accept


def tools_match(calls: list[dict], accept: list[list[dict]]) -> bool:
    """Whether the right tools are called, order aside: functions and, where one is named, the property."""
    return _same_multiset(calls, accept, lambda call: (call["name"], _frozen(call["arguments"].get("propertyName"))))


def names_match(calls: list[dict], accept: list[list[dict]]) -> bool:
    """Whether the right functions are called, order aside, whatever their arguments."""
    return _same_multiset(calls, accept, lambda call: call["name"])


def argument_accuracy(calls: list[dict], accept: list[list[dict]]) -> float:
    """The share of gold arguments given rightly, for the acceptable list where it is highest.

    Gold calls are paired with predicted calls of the same function, those with most right arguments first. The
    arguments of an unpaired gold call are wrong; calls and arguments beyond the gold ones are not punished. A gold
    list without arguments scores 1.0 if the prediction has none either, and 0.0 if it has some.
    """

    def share(gold: list[dict]) -> float:
        wanted = sum(len(call["arguments"]) for call in gold)
        if wanted == 0:
            return float(not any(call["arguments"] for call in calls))
        return sum(_pairing(calls, gold, _right_arguments)) / wanted

    return max(share(gold) for gold in accept)


def soft_accuracy(calls: list[dict], accept: list[list[dict]]) -> float:
    """How much of the calls is right, for the acceptable list where it is highest; after DroidCall's soft accuracy.

    For gold calls G and predicted calls P, with p(g) the predicted call paired with g (`argument_accuracy` says how):

        soft(G, P) = sum over g of |right arguments of p(g)| / |arguments of g or p(g)|  /  max(|G|, |P|)

    A call of the right function where neither side has arguments is worth 1, an unpaired call 0; no calls where none
    are wanted score 1.0. DroidCall's script (result_checker.py) divides instead by the declared arguments of all
    gold functions, where leaving out an optional argument with the gold call counts as right, and overlooks surplus
    calls; here each call weighs the same and a surplus call costs.
    """

    def soft(gold: list[dict]) -> float:
        return sum(_pairing(calls, gold, _soft_share)) / max(len(gold), len(calls)) if gold or calls else 1.0

    return max(soft(gold) for gold in accept)


def declared_match(calls: list[dict], alternatives: list[dict]) -> bool:
    """Whether `calls` fit the gold calls one to one, in any order, as in the Berkeley Function Calling Leaderboard.

    A gold call is `{"name", "arguments": {argument: [allowed values]}}`, as `declared` makes it; "" among the values
    says that the argument may be left out. Values are compared as in `normalised`: unlike BFCL, spelling and case of
    strings count, and the pairing is a true matching, where BFCL's takes the first gold call that fits.
    """
    if len(calls) != len(alternatives):
        return False
    holder: dict[int, int] = {}  # gold call -> the predicted call that it is paired with

    def place(index: int, tried: set[int]) -> bool:
        """Pair a predicted call, moving earlier ones to other gold calls where that makes room (Kuhn's algorithm)."""
        for other, gold in enumerate(alternatives):
            if other not in tried and _allowed(calls[index], gold):
                tried.add(other)
                if other not in holder or place(holder[other], tried):
                    holder[other] = index
                    return True
        return False

    return all(place(index, set()) for index in range(len(calls)))


def declared(accept: list[list[dict]], schemas: dict[str, dict]) -> list[list[dict]]:
    """The acceptable lists in the form of `declared_match`, any of which may match.

    Lists of the same functions and properties in the same order become one, with the values of each argument side by
    side: a seat at level 2 or 3. An argument whose value is the default of its JSON Schema may be left out, and one
    that is left out may be given with its default. `schemas` holds the parameters of each function by its name.
    """
    merged: dict[Hashable, list[dict]] = {}
    for gold in accept:
        shape = tuple(
            (call["name"], _frozen(call["arguments"].get("propertyName")), frozenset(call["arguments"]))
            for call in gold
        )
        for call, allowed in zip(gold, merged.setdefault(shape, [_nothing_yet(call) for call in gold]), strict=True):
            for name, value in call["arguments"].items():
                allowed["arguments"].setdefault(name, []).append(value)
    for call in (call for calls in merged.values() for call in calls):
        for name, schema in schemas.get(call["name"], {}).get("properties", {}).items():
            if "default" in schema:
                values = call["arguments"].setdefault(name, [schema["default"]])
                if _frozen(schema["default"]) in map(_frozen, values):
                    values.append("")
    return list(merged.values())


def _nothing_yet(call: dict) -> dict:
    return {"name": call["name"], "arguments": {}}


def _frozen(value: object) -> Hashable:
    """A JSON value as a hashable one. Kinds are tagged where Python would call two of them equal."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, dict):
        return "object", frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "array", tuple(_frozen(item) for item in value)
    return value


def _same_multiset(calls: list[dict], accept: list[list[dict]], key: Callable[[dict], Hashable]) -> bool:
    predicted = Counter(map(key, calls))
    return any(predicted == Counter(map(key, gold)) for gold in accept)


def _right_arguments(call: dict, gold: dict) -> int:
    """How many gold arguments `call` gives rightly."""
    given = call["arguments"]
    return sum(name in given and _frozen(given[name]) == _frozen(value) for name, value in gold["arguments"].items())


def _soft_share(call: dict, gold: dict) -> float:
    """Right arguments over all arguments of either call, so that an invented argument costs as much as a wrong one."""
    named = call["arguments"].keys() | gold["arguments"].keys()
    return _right_arguments(call, gold) / len(named) if named else 1.0


def _pairing(calls: list[dict], gold: list[dict], score: Callable[[dict, dict], float]) -> list[float]:
    """The scores of the pairs of calls of one function, each call in one pair at most, best pairs first.

    Greedy, hence the best pairing only nearly always; equal calls always find each other.
    """
    pairs = [
        (score(call, wanted), i, j)
        for i, call in enumerate(calls)
        for j, wanted in enumerate(gold)
        if call["name"] == wanted["name"]
    ]
    scores, used, paired = [], set(), set()
    for value, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in used and j not in paired:
            used.add(i)
            paired.add(j)
            scores.append(value)
    return scores


def _allowed(call: dict, gold: dict) -> bool:
    given, declared = call["arguments"], gold["arguments"]
    if call["name"] != gold["name"] or not given.keys() <= declared.keys():
        return False
    return all(
        _frozen(given[name]) in map(_frozen, values) if name in given else "" in values
        for name, values in declared.items()
    )


# -------------------------------------------------------------------------------------------- retrieval


def recall_at_k(ranked: Sequence[str], relevant: Iterable[str], k: int) -> float:
    """The share of relevant tools among the first `k`. Raises ValueError where nothing is relevant or k < 1."""
    relevant = _to_find(relevant, k)
    return len(relevant & set(ranked[:k])) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], relevant: Iterable[str]) -> float:
    """One over the rank of the first relevant tool, counted from 1; 0.0 where none is ranked.

    Raises ValueError where nothing is relevant.
    """
    relevant = _to_find(relevant)
    return next((1 / rank for rank, tool in enumerate(ranked, 1) if tool in relevant), 0.0)


def ndcg_at_k(ranked: Sequence[str], relevant: Iterable[str], k: int, paper_compat: bool = False) -> float:
    """Normalised discounted cumulative gain of the first `k` tools (Järvelin and Kekäläinen 2002), binary gains.

        DCG = sum of 1 / log2(rank + 1) over the relevant tools among the first k, rank from 1
        nDCG = DCG / DCG of a ranking with min(|relevant|, k) relevant tools on top

    A tool ranked twice is found at its first rank. `paper_compat` is for comparison with the ToolGen paper only: its
    script (evaluation/retrieval/eval_toolgen.py) counts in the ideal only the relevant tools that are somewhere in
    `ranked`, there the five beams, so that one found of two scores as much as two of two. On full rankings the two
    agree. Raises ValueError where nothing is relevant or k < 1.
    """
    relevant = _to_find(relevant, k)
    first = {tool: rank for rank, tool in reversed(list(enumerate(ranked[:k], 1)))}
    ideal = len(relevant & set(ranked)) if paper_compat else len(relevant)
    if ideal == 0:
        return 0.0
    # fsum, since the ranks of a set come in no order, and a perfect ranking should score 1.0 exactly
    gain = math.fsum(1 / math.log2(first[tool] + 1) for tool in relevant & first.keys())
    return gain / math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(ideal, k) + 1))


def _to_find(relevant: Iterable[str], k: int = 1) -> set[str]:
    if not (relevant := set(relevant)):
        raise ValueError("no tool is relevant, so there is nothing to find; leave such rows out")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return relevant


# --------------------------------------------------------------------------------------- classification


def macro_f1(gold_labels: Sequence[Hashable], predicted_labels: Sequence[Hashable]) -> float | None:
    """The plain mean of the F1 of every label that is gold or predicted; None without rows.

    Raises ValueError where the lengths differ.
    """
    same_length(gold_labels, predicted_labels)
    gold, predicted = Counter(gold_labels), Counter(predicted_labels)
    right = Counter(a for a, b in zip(gold_labels, predicted_labels, strict=True) if a == b)
    scores = [2 * right[label] / (gold[label] + predicted[label]) for label in gold | predicted]
    return math.fsum(scores) / len(scores) if scores else None
