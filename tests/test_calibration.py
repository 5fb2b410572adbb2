"""The no-call threshold against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen.evaluation.calibration import no_call_threshold


@pytest.mark.parametrize(
    ("scores", "wants_none", "threshold"),
    [
        ([-1.0, 1.0], [False, True], 0.0),  # right as it is
        ([0.5, 2.5], [False, True], 1.5),
        ([-3.0, -1.0], [False, True], -2.0),
        ([1.0, 2.0], [False, False], 3.0),  # above all: a call always
        ([-1.0, -2.0], [True, True], -3.0),  # below all: never a call
        ([1.0, 2.0, 3.0], [True, False, True], 0.0),  # 0 and 2.5 are equally good
        ([1.0, 1.0], [True, False], 0.0),  # equal scores cannot be parted
    ],
)
def test_by_hand(scores, wants_none, threshold):
    assert no_call_threshold(scores, wants_none) == threshold


@given(st.lists(st.tuples(st.integers(-6, 6), st.booleans()), min_size=1, max_size=12))
def test_no_other_threshold_decides_more_requests_right(rows):
    scores, wants_none = [float(score) for score, _ in rows], [none for _, none in rows]

    def right(threshold: float) -> int:
        return sum((score > threshold) == none for score, none in zip(scores, wants_none, strict=True))

    found = no_call_threshold(scores, wants_none)
    best = max(right(step / 4) for step in range(-40, 41))
    assert right(found) == best
    assert found == 0.0 or right(0.0) < best


def test_nothing_to_calibrate_on():
    with pytest.raises(ValueError, match="no scores"):
        no_call_threshold([], [])
