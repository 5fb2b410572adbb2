"""The dataset card: a README.md that the Hugging Face Hub understands, written from the figures alone.

https://huggingface.co/docs/hub/datasets-cards
"""

import yaml

from ..checks import IMPORTED

OWN_LICENSE = "apache-2.0"  # of the phrase bank, and so of what the offline teacher writes
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"))  # fmt: skip


def card(figures: dict, coverage: dict[str, dict[str, int]], license_: str | None) -> str:
    """The card's text. `figures` are the stage's metrics; `coverage` has, for each property or ordinary tool, the
    rows of each split that call it; `license_` is None where the offline teacher alone wrote them."""
    kept, total = figures["kept"], sum(figures["kept"].values())
    header = {
        "license": license_ or ("other" if IMPORTED in figures["teachers"] else OWN_LICENSE),
        **({} if IMPORTED in figures["teachers"] else {"language": ["en"]}),
        "task_categories": ["text-generation"],
        "tags": ["function-calling", "tool-use"],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "n>10M")],
        "configs": [{"config_name": "default", "data_files": "dataset.jsonl"}],
    }
    lines = [
        "---", yaml.safe_dump(header, sort_keys=False).rstrip(), "---", "",
        "# Requests and the calls that they ask for", "",
        f"{total:,} queries, each with the calls of functions that it asks for. Every row was parsed, held against the "
        "catalog's schemas, ranges and access, and executed on a simulated car where the catalog has one. Of "
        f"{figures['replies']:,} replies {sum(figures['rejected'].values()):,} were rejected.", "",
        *_table("split", {name: {"rows": count} for name, count in kept.items()}),
        *_table("slice of eval", {name: {"rows": count} for name, count in figures["eval_by_slice"].items()}),
        "`seen_phrasing` has wordings of the training rows with other values and places, `heldout_phrasing` wordings "
        "that nobody trains on, `heldout_combination` tools and places never trained on together, `own_split` rows "
        "whose source had split them already.", "",
        "## Fields", "",
        "`metadata` is `train` or `eval` (which holds validation too), `split` and `slice` say more. `end_state` is "
        "JSON text: what the calls leave different in the car, property by area. `tools` has the functions, "
        "`messages` the developer's, the user's and the assistant's, with `tool_calls`. It loads with "
        '`datasets.load_dataset("json", data_files="dataset.jsonl")`.', "", *_more(figures["teachers"]),
        "## Coverage", "", "Rows that call each property or tool at least once.", "",
        *_table("property or tool", coverage),
        *_table("reason of rejection", {name: {"replies": count} for name, count in figures["rejected"].items()}),
        "## Teacher and terms", "",
        *_table("teacher", {name: {"replies": count} for name, count in figures["teachers"].items()}),
        _terms(figures["teachers"], license_), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _terms(teachers: dict[str, int], license_: str | None) -> str:
    if list(teachers) == [IMPORTED]:
        return f"Imported: the terms are those of the source{f', {license_}' if license_ else ''}."
    others = [name for name in teachers if name != "offline"]
    if not others:
        return f"Written offline from the project's own phrase bank: {license_ or OWN_LICENSE}."
    return (
        f"License: {license_}, as `refine.license` says. What {' and '.join(others)} wrote is under the terms of that "
        "service, model or source as well; some of them restrict the training of other models."
    )


def _more(teachers: dict[str, int]) -> list[str]:
    if IMPORTED not in teachers:
        return []
    return [
        "Earlier turns stand before the query, which is the user's last message. Behind it an answer in several steps "
        "has each call with what the tool gave back, and a last text. `accept` has all right answers where there are "
        "several, `relevant_tools` the tools where the source does not tell the calls.", "",
    ]  # fmt: skip


def _table(title: str, rows: dict[str, dict[str, int]]) -> list[str]:
    """A table with one line a key, and a blank line behind it; nothing for no rows."""
    if not rows:
        return []
    columns = list(next(iter(rows.values())))
    body = [f"| {name} | {' | '.join(f'{cells[column]:,}' for column in columns)} |" for name, cells in rows.items()]
    return [f"| {title} | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}", *body, ""]
