"""Intervals and tests, by hand and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control, ttest_rel

from toolgen.evaluation import metrics, uncertainty


def test_bootstrap_interval():
    values = [True] * 80 + [False] * 20
    low, high = uncertainty.bootstrap_interval(values, seed=1)
    assert (low, high) == pytest.approx((0.72, 0.88), abs=0.02)  # 0.8 +- 1.96 * sqrt(0.8 * 0.2 / 100)
    assert uncertainty.bootstrap_interval(values, seed=1) == [low, high]
    assert uncertainty.bootstrap_interval(values[::-1], seed=1) == [low, high]
    assert uncertainty.bootstrap_interval([0.5] * 7, seed=1) == [0.5, 0.5]
    assert uncertainty.bootstrap_interval([0.25], seed=1) == [0.25, 0.25]
    with pytest.raises(ValueError, match="no values"):
        uncertainty.bootstrap_interval([], seed=1)


def test_bootstrap_interval_of_many_shares():
    values = np.random.default_rng(0).random(500)
    low, high = uncertainty.bootstrap_interval(values, seed=2, samples=4000)
    half = 1.96 * values.std() / math.sqrt(500)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)


def test_mcnemar_by_hand():
    a = [True] * 5 + [False] * 1 + [True] * 4 + [False] * 2
    b = [False] * 5 + [True] * 1 + [True] * 4 + [False] * 2
    assert uncertainty.mcnemar(a, b) == 2 * (1 + 6) / 2**6
    assert uncertainty.mcnemar(a, a) == uncertainty.mcnemar([], []) == 1.0
    assert uncertainty.mcnemar([True, False], [False, True]) == 1.0  # not above 1
    with pytest.raises(ValueError, match="2 rows against 1"):
        uncertainty.mcnemar([True, False], [True])


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_agrees_with_the_binomial_test(m, n):
    a, b = [True] * m + [False] * n, [False] * m + [True] * n
    reference = binomtest(m, m + n).pvalue if m + n else 1.0
    assert uncertainty.mcnemar(a, b) == uncertainty.mcnemar(b, a) == pytest.approx(reference)


def test_summary():
    assert uncertainty.summary([], seed=0) == {"value": None, "n": 0}
    assert uncertainty.summary([True, True, True], seed=0) == {"value": 1.0, "n": 3, "low": 1.0, "high": 1.0}
    result = uncertainty.summary([1, 0, 0], seed=0)
    assert result == {"value": 0.3333, "n": 3, "low": 0.0, "high": 1.0}
    assert uncertainty.summary(np.array([1.0, 0.0, 0.0]), seed=0) == result


def test_summary_of_a_statistic_that_is_no_mean():
    rows = [("a", "a")] * 3 + [("a", "b")] + [("b", "b")] * 4

    def f1(rows):
        return metrics.macro_f1(*zip(*rows, strict=True))

    result = uncertainty.summary_of(f1, rows, seed=0)
    assert result["value"] == pytest.approx((6 / 7 + 8 / 9) / 2, abs=1e-4) and result["n"] == 8
    assert result["low"] < result["value"] < result["high"] == 1.0
    assert uncertainty.summary_of(f1, rows, seed=0) == result
    assert uncertainty.summary_of(f1, [], seed=0) == {"value": None, "n": 0}
    share = uncertainty.summary_of(np.mean, [1.0] * 80 + [0.0] * 20, seed=1)
    assert (share["low"], share["high"]) == pytest.approx((0.72, 0.88), abs=0.02)


def test_paired_bootstrap_finds_what_is_there_and_nothing_else():
    noise = np.random.default_rng(0)
    a = noise.random(300)
    near = a + noise.normal(0, 0.1, 300)
    assert uncertainty.paired_bootstrap(a, near, 0) == pytest.approx(ttest_rel(a, near).pvalue, abs=0.02)
    shifted = a + noise.normal(0.012, 0.1, 300)
    assert uncertainty.paired_bootstrap(a, shifted, 0) == pytest.approx(ttest_rel(a, shifted).pvalue, abs=0.02)
    assert uncertainty.paired_bootstrap(a, a + noise.normal(0.1, 0.1, 300), 0) == 1 / 10_001
    assert uncertainty.paired_bootstrap(a, a, 0) == 1.0
    assert uncertainty.paired_bootstrap([0, 1], [1, 0], 0) == 1.0
    with pytest.raises(ValueError, match="2 rows against 1"):
        uncertainty.paired_bootstrap([0, 1], [0], 0)
    with pytest.raises(ValueError, match="no values"):
        uncertainty.paired_bootstrap([], [], 0)


def test_paired_bootstrap_is_blind_to_which_is_which():
    a, b = [0.0, 0.5, 1.0, 1.0, 0.2] * 6, [0.5, 0.5, 1.0, 0.9, 0.6] * 6
    assert uncertainty.paired_bootstrap(a, b, 3) == pytest.approx(uncertainty.paired_bootstrap(b, a, 3), abs=0.01)


def test_holm_by_hand():
    assert uncertainty.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert uncertainty.holm([0.5, 0.9]) == [1.0, 1.0]
    assert uncertainty.holm([0.2]) == [0.2]
    assert uncertainty.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_raw_and_the_bonferroni_values(p_values):
    weaker = false_discovery_control(p_values)  # to bound the share of false finds asks for less than to have none
    for raw, corrected, bound in zip(p_values, uncertainty.holm(p_values), weaker, strict=True):
        assert max(raw, bound - 1e-12) <= corrected <= min(1, len(p_values) * raw)
