"""Training rows again with other values in them, so that a model made from scratch learns to copy and not by heart.

A text argument that the query quotes, word for word, is replaced in both: by a value that the same argument of the same
tool has in another row, or by one made up of halves of such words. What the schema restricts stays, and so do rows with
earlier turns or several steps, which may speak of their values elsewhere.
"""

import random
import re
from collections import defaultdict

from ..catalog import Catalog, Tool

RESTRICTED = {"enum", "const", "pattern", "format", "minLength", "maxLength", "anyOf", "oneOf", "allOf", "$ref"}
DIGIT = re.compile("[0-9]")
MADE_UP = 0.5  # share of the values


def varied(rows: list[dict], catalog: Catalog, times: int, seed: int) -> list[dict]:
    """Rows of agent_tuning.json, and each of them up to `times` - 1 times again with other values."""
    rng, pools, found = random.Random(seed), _pools(rows, catalog), list(rows)
    words = sorted({word for pool in pools.values() for value in pool for word in value.split() if word.isalpha()})
    for _ in range(times - 1):
        found += filter(None, (_again(row, catalog, pools, words, rng) for row in rows))
    return found


def _pools(rows: list[dict], catalog: Catalog) -> dict[tuple[str, str], list[str]]:
    pools: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for row in rows:
        for step in row["plan_sequence"]:
            for name, value in _quoted(row, step, catalog.by_token[step["action"]]).items():
                pools[step["action"], name][value] = None
    return {key: list(pool) for key, pool in pools.items()}


def _quoted(row: dict, step: dict, tool: Tool) -> dict[str, str]:
    """The arguments of a step that the query has word for word, once, and the schema leaves open."""
    if "history" in row or "observations" in row:
        return {}
    schemas = tool.parameters.get("properties", {})
    return {
        name: value
        for name, value in step["action_input"].items()
        if isinstance(value, str) and value.strip() and isinstance(schemas.get(name), dict)
        and not RESTRICTED & set(schemas[name]) and len(_places(row["query"], value)) == 1
    }  # fmt: skip


def _places(query: str, value: str) -> list[str]:
    return re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", query)


def _again(row: dict, catalog: Catalog, pools: dict, words: list[str], rng: random.Random) -> dict | None:
    """The row with other values; None where it has none to replace."""
    query, steps, new = row["query"], [], {}
    for step in row["plan_sequence"]:
        own = _quoted(row, step, catalog.by_token[step["action"]])
        for name, value in own.items():
            new.setdefault(value, _value(value, pools[step["action"], name], words, rng))
        steps.append(step | {"action_input": step["action_input"] | {name: new[value] for name, value in own.items()}})
    if not new:
        return None
    longest_first = sorted(new, key=len, reverse=True)
    pattern = "|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in longest_first)
    return row | {"query": re.sub(pattern, lambda match: new[match[0]], query), "plan_sequence": steps}


def _value(value: str, pool: list[str], words: list[str], rng: random.Random) -> str:
    if rng.random() >= MADE_UP:
        return rng.choice(pool)
    return " ".join(_word(word, words, rng) for word in value.split())


def _word(word: str, words: list[str], rng: random.Random) -> str:
    """Halves of two words in the case of `word`; other digits for what is not letters alone."""
    if not word.isalpha():
        return DIGIT.sub(lambda digit: rng.choice("0123456789"), word)
    first, second = rng.choice(words), rng.choice(words)
    made = first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
    return made.lower() if word.islower() else made.title() if word.istitle() else made
