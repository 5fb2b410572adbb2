import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen.splits import OWN, SEEN, SLICES, displaced, divided, is_held_out, lowest, position

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


# divided: (place, slice, own split) -> split


our_rows = st.lists(st.tuples(st.integers(0, 40).map(lambda i: i / 41), st.sampled_from(SLICES)), max_size=60)
own_rows = st.lists(
    st.tuples(st.integers(0, 40).map(lambda i: i / 41), st.sampled_from(["train", "validation", "eval"])), max_size=20
)
counts = st.integers(0, 8)


def split_of(ours, own, closed, num_eval, num_validation) -> list[str | None]:
    places = [place for place, _ in ours] + [place for place, _ in own]
    slices = [slice_ for _, slice_ in ours] + [OWN] * len(own)
    brought = [None] * len(ours) + [split for _, split in own]
    return divided(places, slices, brought, closed, num_eval, num_validation)


@given(our_rows, own_rows, st.sets(st.integers(0, 40).map(lambda i: i / 41), max_size=5), counts, counts)
def test_no_place_stands_on_two_sides_of_a_split_that_we_made(ours, own, closed, num_eval, num_validation):
    split = split_of(ours, own, closed, num_eval, num_validation)
    assert [name for name in split[len(ours) :] if name] == [
        name for place, name in own if name != "train" or place not in closed
    ]
    sides: dict[float, set[str]] = {}
    for (place, slice_), name in zip(ours, split, strict=False):
        if name is not None:
            assert place not in closed and (name == "eval" or slice_ == SEEN)
            sides.setdefault(place, set()).add(name)
    assert all(len(names) == 1 for names in sides.values())
    for (place, brought), name in zip(own, split[len(ours) :], strict=True):
        assert name in (brought, None)
        if brought != "train":
            assert name == brought and place not in sides
        else:
            assert sides.get(place, {"train"}) == {"train"}


@given(our_rows, counts, counts)
def test_the_lowest_places_are_held_out(ours, num_eval, num_validation):
    split = split_of(ours, [], set(), num_eval, num_validation)
    seen = sorted({place for place, slice_ in ours if slice_ == SEEN})
    evaluated = {place for (place, slice_), name in zip(ours, split, strict=True) if (slice_, name) == (SEEN, "eval")}
    assert evaluated == set(seen[:num_eval])
    assert len({place for (place, _), name in zip(ours, split, strict=True) if name == "validation"}) <= num_validation


@given(our_rows, st.integers(0, 60), counts)
def test_growth_only_pushes_out(ours, first, num_eval):
    """No first row is held out only because more rows come; those that are pushed out are counted."""
    ours = [(place, SEEN) for place, _ in ours]
    earlier, now = split_of(ours[:first], [], set(), num_eval, 0), split_of(ours, [], set(), num_eval, 0)
    assert not [pair for pair in zip(earlier, now, strict=False) if pair == ("train", "eval")]
    assert displaced(earlier, now) == list(zip(earlier, now, strict=False)).count(("eval", "train"))
