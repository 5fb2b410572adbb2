"""What the data holds: phrases or queries of each property, what was kept, what was rejected and why."""

from . import charts
from .files import branch, metrics
from .parts import Section, Table, number, plain, words

VERBS = {"get": "read it", "set": "write it", "": "call it"}


def section() -> Section:
    generated, refined, prepared = (metrics(stage) for stage in ("generate", "refine", "prepare"))
    missing = [
        f"There is no metrics/{stage}.json: run `make data`."
        for stage, found in (("generate", generated), ("refine", refined), ("prepare", prepared))
        if found is None
    ]
    missing += [
        f"{stage} was skipped: {found['skipped']}."
        for stage, found in (("generate", generated), ("refine", refined), ("prepare", prepared))
        if found and found.get("skipped")
    ]
    counted = (
        ("Queries by number of calls", "calls", branch(generated, "by_number_of_calls")),
        ("Kept queries by split", "split", branch(refined, "kept")),
        ("Rejected, by reason", "reason", branch(refined, "rejected")),
        ("Evaluation rows by slice", "slice", branch(prepared, "evaluation")),
    )
    tables = [*per_property(generated), *(counts(*each) for each in counted if each[-1])]
    lead = ""
    if number(branch(generated).get("replies")):
        lead = f"{plain(generated['replies'])} queries were written"
        if number(generated.get("distinct_masked")):
            lead += f", {plain(generated['distinct_masked'])} of them distinct with their numbers masked"
        lead += "."
    return Section("Coverage of the data", lead, tables=tables, missing=missing)


def counts(caption: str, head: str, found: dict) -> Table:
    shown = {key: value for key, value in found.items() if number(value)}
    most = max(shown.values(), default=0)
    rows = [(words(key), charts.bar([value], most), plain(value)) for key, value in shown.items()]
    return Table(caption, ((head, "text"), (f"0 to {plain(most)}", "chart"), ("count", "number")), rows)


def per_property(generated: dict | None) -> list[Table]:
    """The bank's phrases of each property, or what a paid teacher was asked for and gave."""
    phrases = {tool: count for tool, count in branch(generated, "phrases", "by_tool").items() if number(count)}
    if phrases:
        properties: dict[str, dict[str, float]] = {}
        for tool, count in phrases.items():
            name, _, verb = tool.partition("&&")
            properties.setdefault(name, {})[verb] = count
        verbs = [verb for verb in VERBS if any(verb in found for found in properties.values())]
        most = max(sum(found.values()) for found in properties.values())
        rows = [
            (name, charts.bar([found.get(verb, 0) for verb in verbs], most),
             *(plain(found[verb]) if verb in found else "–" for verb in verbs))
            for name, found in sorted(properties.items(), key=lambda item: (sum(item[1].values()), item[0]))
        ]  # fmt: skip
        shapes = zip(("filled", "dashed"), verbs, strict=False)
        named = ", ".join(f"{shape}: to {VERBS[verb]}" for shape, verb in shapes)
        columns = (("property", "code"), (named, "chart"), *((f"to {VERBS[verb]}", "number") for verb in verbs))
        return [Table("Phrases of the bank by property, fewest first", columns, rows, shown=12)]
    paid = {tool: found for tool, found in branch(generated, "coverage").items() if number(branch(found).get("wanted"))}
    rows = [
        (tool, charts.bar([found.get("accepted", 0)], max(found["wanted"], found.get("accepted", 0))),
         plain(found.get("accepted", 0)), plain(found["wanted"]))
        for tool, found in paid.items()
    ]  # fmt: skip
    columns = (("tool", "code"), ("accepted of wanted", "chart"), ("accepted", "number"), ("wanted", "number"))
    return [Table("Queries by tool", columns, rows, shown=12)] if rows else []
