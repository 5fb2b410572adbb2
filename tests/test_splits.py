import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen.splits import is_held_out, lowest, position

names = st.text(max_size=12)
seeds = st.integers(0, 2**31)
shares = st.floats(0, 1)


def test_positions_never_change():
    """Splits of published datasets depend on these numbers."""
    assert position(0, "open my window") == pytest.approx(0.2386306, abs=1e-7)
    assert position(1, "open my window") != position(0, "open my window")


@given(seeds, names)
def test_a_position_lies_in_the_unit_interval(seed, name):
    assert 0 <= position(seed, name) < 1
    assert not is_held_out(seed, name, 0) and is_held_out(seed, name, 1)


@given(seeds, names, shares, shares)
def test_a_larger_share_only_adds(seed, name, one, other):
    if is_held_out(seed, name, min(one, other)):
        assert is_held_out(seed, name, max(one, other))


def test_a_share_is_about_that_share():
    held_out = sum(is_held_out(3, f"name {i}", 0.1) for i in range(5000))
    assert 400 < held_out < 600


@given(st.lists(names, max_size=30), st.lists(names, max_size=30), st.integers(0, 40), seeds)
def test_growth_moves_no_name_in(old, new, count, seed):
    """What was not among the lowest does not get there because more names come; what was may be pushed out."""
    assert lowest(seed, old + new, count) & set(old) <= lowest(seed, old, count)


@given(st.lists(names, max_size=30), st.integers(0, 40), seeds)
def test_lowest_counts_each_name_once_whatever_the_order(old, count, seed):
    chosen = lowest(seed, old, count)
    assert len(chosen) == min(count, len(set(old)))
    assert chosen == lowest(seed, old[::-1] * 2, count)
    assert lowest(seed, old, count) <= lowest(seed, old, count + 1)
