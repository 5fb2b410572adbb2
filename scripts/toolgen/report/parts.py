"""What a page is made of, and how its figures are written: sections of tables, charts and lines of text."""

import math
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

WORDS = {
    "seen_phrasing": "seen phrasing",
    "heldout_phrasing": "held-out phrasing",
    "heldout_combination": "held-out combination",
    "spoken": "spoken, all",
    "spoken_dev": "spoken, dev half",
    "spoken_test": "spoken, test half",
    "spoken_noisy": "spoken, with slips",
    "exact_match": "exact match",
    "exact_match_ordered": "exact match, in order",
    "tool_accuracy": "tools right",
    "name_accuracy": "functions right",
    "soft_accuracy": "soft accuracy (DroidCall)",
    "declared_match": "declared match (BFCL style)",
    "end_state": "end state of the car",
    "abstention_precision": "no call: precision",
    "abstention_recall": "no call: recall",
    "abstention_refused": "requests refused",
    "abstention_refused_share": "requests refused",
    "mrr": "MRR",
    "macro_f1": "macro F1",
    "bm25": "BM25, catalog",
    "bm25_training_queries": "BM25, catalog and training queries",
    "tfidf_classifier": "linear classifier, tf-idf",
    "fused": "model and linear classifier",
    "nearest_query": "nearest training query",
    "ms": "ms",
    "p95": "95th percentile",
}


def words(key: str) -> str:
    """A key of a metrics file as people say it: `ndcg_at_3` is NDCG@3. A property's name stays as it is."""
    if key in WORDS or key.isupper() or "&&" in key:
        return WORDS.get(key, key)
    return key.replace("ndcg_at_", "NDCG@").replace("_at_", "@").replace("_", " ")


@dataclass(frozen=True)
class Score:
    """A share between 0 and 1, with its 95% interval and its number of rows where those are known."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None

    @property
    def text(self) -> str:
        return percent(self.value)

    @property
    def interval(self) -> str:
        return "" if self.low is None or self.high is None else f"{100 * self.low:.1f} to {percent(self.high)}"


def score(found: Any, n: int | None = None) -> Score | None:
    """A Score out of a metrics file: a number, or {"value", "low", "high", "n"}; None for anything else.

    `n` is the number of rows where the file says it once for several scores.
    """
    if not isinstance(found, dict):
        return Score(float(found), n=n) if number(found) else None
    if not number(found.get("value")):
        return None
    low, high = (found[key] if number(found.get(key)) else None for key in ("low", "high"))
    return Score(float(found["value"]), low, high, found.get("n", n))


def number(found: Any) -> bool:
    """Whether `found` is a finite number; True and False are none."""
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def plain(value: float) -> str:
    """A number that is no share: thousands separated, four significant digits below 1,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.4g}"


@dataclass(frozen=True)
class Table:
    """Rows under a caption. A column is (heading, kind): text, code, marked, number, score or chart; the first
    names the row.

    A marked text has code between backticks. Rows beyond the first `shown` are folded away. On a narrow screen a
    `stacked` table has a line for each cell, and a chart stands below its row.
    """

    caption: str
    columns: tuple[tuple[str, str], ...]
    rows: list[tuple]
    shown: int = 1000
    stacked: bool = False

    @property
    def layout(self) -> str:
        """Its class in style.css: how it fits a narrow screen. What is neither scrolls."""
        kinds = [kind for _, kind in self.columns]
        return "stacked" if self.stacked else "compact" if "chart" in kinds and len(kinds) <= 5 else "scrolled"


@dataclass(frozen=True)
class Figure:
    """A drawing of its own, beside others where there is room."""

    caption: str
    drawing: Markup


@dataclass(frozen=True)
class Card:
    """A headline figure: what it is, the figure, and what stands beside it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a few lines of text, and what stands below them; `missing` says how to make what is not there."""

    title: str
    lead: str = ""
    cards: list[Card] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")
