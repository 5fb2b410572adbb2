"""Sections out of metrics/evaluate.json: headline, slices, kinds, slips, retrieval, peers."""

from . import charts
from .files import branch
from .parts import Card, Score, Section, Table, plain, score, words

MODEL = "agent_tuning"
SLICES = (
    "spoken", "spoken_dev", "spoken_test", "spoken_noisy", "own_split", "heldout_phrasing", "heldout_combination",
    "seen_phrasing", "validation",
)  # fmt: skip
KINDS = "exact_match_by_kind"
NO_SCORES = "There is no metrics/evaluate.json: run `make evaluate`."
LEGEND = "Dot: the score. Bar: its 95% bootstrap interval. "
WEAKEST_FIRST = f"{LEGEND}The weakest stand first."


def slices(by_slice: dict) -> list[str]:
    """The slices there are: the spoken ones first, those not known here last."""
    return sorted(by_slice, key=lambda name: (SLICES.index(name) if name in SLICES else len(SLICES), name))


def main_slice(by_slice: dict) -> str | None:
    return next(iter(slices(by_slice)), None)


def measures(found: dict) -> dict[str, Score]:
    """Every score of one slice by its key; those within a group bear the group's name before their own."""
    scores = {}
    for key, value in found.items():
        if key == "n" or key == KINDS:
            continue
        if (single := score(value, found.get("n"))) is not None:
            scores[key] = single
        elif isinstance(value, dict):
            scores |= {f"{key}_{inner}": each for inner, each in measures(value).items()}
    return scores


def with_interval(label: str, value: Score | None, *more) -> tuple:
    return label, charts.interval(value), value, plain(value.n) if value and value.n else "–", *more


CHART = (("0 to 100%", "chart"), ("exact match", "score"), ("rows", "number"))


def headline(scores: dict | None, timing: dict | None) -> Section:
    """The few figures that are looked at first."""
    if scores is None:
        return Section("Headline", missing=[NO_SCORES])
    cards = []
    for name in ("spoken", "spoken_noisy", "own_split", "heldout_phrasing", "heldout_combination"):
        if (exact := score(branch(scores, "calls", name).get("exact_match"))) is not None:
            cards.append(Card(f"exact match, {words(name)}", exact.text, detail(exact)))
    named = main_slice(branch(scores, "calls"))
    found = measures(branch(scores, "calls", named)) if named else {}
    for key, label in (("abstention_recall", "left alone where no call is wanted"), ("invalid_calls", "invalid calls")):
        if key in found:
            cards.append(Card(f"{label}, {words(named)}", found[key].text, found[key].interval))
    retrieval = branch(scores, "retrieval")
    asked = main_slice(branch(retrieval, MODEL)) or "spoken"
    ranked = {name: value for name in retrieval if (value := score(branch(retrieval, name, asked).get("ndcg_at_1")))}
    if MODEL in ranked:
        own = ("tool_memorization", "retrieval_training", MODEL, "fused")
        rivals = [name for name in ranked if name not in own]
        best = max(rivals, key=lambda name: ranked[name].value, default=None)
        beside = f"best peer: {words(best)}, {ranked[best].text}" if best else ""
        cards.append(Card(f"retrieval NDCG@1, {words(asked)}", ranked[MODEL].text, beside))
    single = branch(timing, "ms_per_query_single")
    if score(single.get("median")):
        cards.append(Card("one query on one thread", f"{plain(single['median'])} ms", "median"))
    lead = "Exact match: the calls equal an accepted list, in any order, 21 equal to 21.0. Ranges are 95% intervals."
    return Section("Headline", lead, cards=cards)


def detail(value: Score) -> str:
    return ", ".join(filter(None, (value.interval, f"{value.n:,} rows" if value.n else "")))


def by_slice(scores: dict | None) -> Section:
    calls = branch(scores, "calls")
    if not calls:
        return Section("By slice", missing=[NO_SCORES])
    names = slices(calls)
    exact = [with_interval(words(name), score(calls[name].get("exact_match"))) for name in names]
    columns = {name: measures(calls[name]) for name in names}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    rows = [(words(key), *(columns[name].get(key) for name in names)) for key in keys]
    return Section("By slice", LEGEND + "Of the test half of the spoken set only scores are ever shown.", tables=[
        Table("Exact match by slice", (("slice", "text"), *CHART), exact),
        Table("Every measure", (("measure", "text"), *((words(name), "score") for name in names)), rows),
    ])  # fmt: skip


def trajectories(scores: dict | None) -> Section:
    found = {name: measures(branch(scores, "trajectories", name)) for name in slices(branch(scores, "trajectories"))}
    rows = [(words(key), *(each.get(key) for each in found.values())) for key in next(iter(found.values()), ())]
    columns = (("measure", "text"), *((words(name), "score") for name in found))
    lead = "Turn by turn, behind the recorded steps and what their tools gave back."
    return Section("Trajectories", lead, tables=[Table("Every measure by slice", columns, rows)])


def by_kind(scores: dict | None) -> Section:
    calls = branch(scores, "calls")
    found = {name: groups for name in slices(calls) if (groups := grouped(branch(calls, name, KINDS)))}
    if not found:
        return Section("By kind", missing=[NO_SCORES])
    first, members = next(iter(found)), sorted({kind for groups in found.values() for kind in groups})
    columns = (("kind", "text"), *((words(name), "score") for name in found))
    rows = [(kind, *(groups.get(kind) for groups in found.values())) for kind in members]
    return Section("By kind", WEAKEST_FIRST, tables=[
        Table(f"Exact match by kind, {words(first)}", (("kind", "text"), *CHART), weakest_first(found[first])),
        Table("Exact match by kind, every slice", columns, rows),
    ])  # fmt: skip


def by_property(scores: dict | None) -> Section:
    found = grouped(branch(scores, "calls_by_property"))
    if not found:
        return Section("By property", missing=["The scores hold none by property: run `make evaluate`."])
    head = (("property", "code"), *CHART)
    table = Table("Exact match by property, rows never seen in training", head, weakest_first(found), shown=12)
    return Section("By property", WEAKEST_FIRST, tables=[table])


def grouped(found: dict) -> dict[str, Score]:
    return {name: each for name, value in found.items() if (each := score(value)) is not None}


def weakest_first(found: dict[str, Score]) -> list[tuple]:
    return [with_interval(name, found[name]) for name in sorted(found, key=lambda name: (found[name].value, name))]


def clean_and_noisy(scores: dict | None) -> Section:
    """The same requests as they were written, and with the slips of speech recognition and thumbs."""
    calls, rows = branch(scores, "calls"), []
    for noisy in (name for name in slices(calls) if name.endswith("_noisy")):
        clean = noisy.removesuffix("_noisy")
        rows += compared(words(clean), branch(calls, clean), branch(calls, noisy))
        for kind in branch(calls, noisy, KINDS):
            found = ({"exact_match": branch(calls, name, KINDS).get(kind)} for name in (clean, noisy))
            rows += compared(f"{words(clean)}: {kind}", *found)
    if not rows:
        return Section("Clean against noisy", missing=[
            "The scores hold no pair of a slice and the same with slips, such as spoken and spoken_noisy: "
            "run `make evaluate`."
        ])  # fmt: skip
    columns = (("rows", "text"), ("0 to 100%", "chart"), ("clean", "score"), ("noisy", "score"), ("change", "number"))
    lead = "Dot: as written. Diamond: the same requests with slips of speech recognition and thumbs."
    return Section("Clean against noisy", lead, tables=[Table("Exact match, clean and noisy", columns, rows)])


def compared(label: str, clean: dict, noisy: dict) -> list[tuple]:
    first, second = score(clean.get("exact_match")), score(noisy.get("exact_match"))
    if first is None or second is None:
        return []
    return [(label, charts.pair(first, second), first, second, points(second.value - first.value))]


def points(change: float) -> str:
    """A difference of two shares."""
    return f"{100 * change:+.1f} points".replace("-", "−")


def peers(scores: dict | None) -> Section:
    """The model beside methods without one: for the calls, and for finding the tools."""
    if scores is None:
        return Section("Peers", missing=[NO_SCORES])
    tables = []
    methods = [key for key in scores if key.startswith("calls") and key != "calls_by_property"]
    named = main_slice(branch(scores, "calls"))
    if named:
        others = [name for name in slices(branch(scores, "calls")) if name != named]
        rows = []
        for key in methods:
            each = [score(branch(scores, key, name).get("exact_match")) for name in (named, *others)]
            if any(each):
                label = "the model" if key == "calls" else words(key.removeprefix("calls_"))
                rows.append((label, charts.interval(each[0]), *each))
        columns = (("method", "text"), ("0 to 100%", "chart"), *((words(name), "score") for name in (named, *others)))
        tables.append(Table(f"Calls: exact match; the chart is of {words(named)}", columns, rows))
    retrieval = branch(scores, "retrieval")
    for name in slices({name for method in retrieval for name in branch(retrieval, method)})[:1]:
        found = {method: measures(branch(retrieval, method, name)) for method in retrieval}
        keys = dict.fromkeys(key for each in found.values() for key in each)
        shown = sorted(keys, key=lambda key: ("paper" in key, not key.startswith("ndcg")))
        rows = [
            (words(method), charts.interval(each.get("ndcg_at_1")), *(each.get(key) for key in shown))
            for method, each in sorted(found.items(), key=lambda item: -value_of(item[1].get("ndcg_at_1")))
            if each
        ]
        columns = (("method", "text"), ("NDCG@1, 0 to 100%", "chart"), *((words(key), "score") for key in shown))
        tables.append(Table(f"Retrieval, {words(name)}", columns, rows))
    memorization = {stage: measures(branch(scores, "memorization", stage)) for stage in branch(scores, "memorization")}
    keys = dict.fromkeys(key for each in memorization.values() for key in each)
    if keys:
        rows = [(words(stage), *(each.get(key) for key in keys)) for stage, each in memorization.items()]
        columns = (("after", "text"), *((words(key), "score") for key in keys))
        tables.append(Table("Memorization: descriptions answered with their tool token", columns, rows))
    return Section("Peers", "All on the same rows. Best first where the table ranks tools.", tables=tables)


def value_of(found: Score | None) -> float:
    return found.value if found else -1.0
