"""How sure a score is, and whether two systems differ: bootstrap intervals, paired tests, many tests at once.

Everything is seeded, and samples are drawn as arrays.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np


def summary(values: Sequence[float], seed: int) -> dict:
    """The mean of `values` as it stands in a metrics file, four digits: `{"value", "n", "low", "high"}`.

    `low` and `high` are `bootstrap_interval`'s; without values there are only `value`, None, and `n`.
    """
    if len(values) == 0:
        return {"value": None, "n": 0}
    low, high = bootstrap_interval(values, seed)
    return {"value": round(float(np.mean(values)), 4), "n": len(values), "low": round(low, 4), "high": round(high, 4)}


def summary_of(statistic: Callable[[Sequence], float], rows: Sequence, seed: int, samples: int = 1000) -> dict:
    """The same of a `statistic` of all rows together that is no mean of values, such as a macro F1."""
    if len(rows) == 0:
        return {"value": None, "n": 0}
    drawn = np.random.default_rng(seed).integers(len(rows), size=(samples, len(rows)))
    low, high = np.percentile([statistic([rows[i] for i in sample]) for sample in drawn], [2.5, 97.5])
    return {"value": round(statistic(rows), 4), "n": len(rows), "low": round(low, 4), "high": round(high, 4)}


def bootstrap_interval(values: Sequence[float], seed: int, samples: int = 1000) -> list[float]:
    """The 95% percentile bootstrap interval [low, high] of the mean of `values` (Efron and Tibshirani 1993).

    The order of values does not count. Raises ValueError where there are none.
    """
    low, high = np.percentile(_resampled_means(values, seed, samples), [2.5, 97.5])
    return [float(low), float(high)]


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """The p-value that two systems, right or wrong on the same rows, are equally good: McNemar's exact test.

    With d rows where just one is right and m of them for the rarer one, p = min(1, 2 P(Binomial(d, 1/2) <= m)), the
    two-sided sign test. Raises ValueError where the lengths differ.
    """
    same_length(a, b)
    only_a = sum(bool(x) and not y for x, y in zip(a, b, strict=True))
    only_b = sum(bool(y) and not x for x, y in zip(a, b, strict=True))
    discordant = only_a + only_b
    tail = sum(math.comb(discordant, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**discordant)


def paired_bootstrap(a: Sequence[float], b: Sequence[float], seed: int, samples: int = 10_000) -> float:
    """The p-value that two systems, scored on the same rows, have one mean (Efron and Tibshirani 1993, chapter 16).

    The differences are shifted to a mean of 0, as if the systems were equal, and resampled; p is the share of
    resampled means, the observed one among them, that lie at least as far from 0 as the observed one. Raises
    ValueError where the lengths differ or there are no rows.
    """
    same_length(a, b)
    differences = np.asarray(b, dtype=float) - np.asarray(a, dtype=float)
    means = _resampled_means(differences, seed, samples)
    observed = differences.mean()
    as_far = np.abs(means - observed) >= abs(observed) - 1e-12  # rounding must not make a tie a miss
    return float((1 + as_far.sum()) / (1 + samples))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, corrected so that all stay below 5% together where none is real (Holm 1979)."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def same_length(a: Sequence, b: Sequence) -> None:
    """Raises ValueError where two systems were scored on different numbers of rows."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} rows against {len(b)}: both must be of the same rows")


def _resampled_means(values: Sequence[float], seed: int, samples: int) -> np.ndarray:
    if len(values) == 0:
        raise ValueError("no values, so their mean has no interval")
    # To resample n values is to draw how often each distinct one occurs: two columns for yes and no, not n.
    distinct, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=samples)
    return drawn @ distinct / len(values)
