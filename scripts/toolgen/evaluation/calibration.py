"""How sure a model must be that a request wants no call."""

from collections.abc import Sequence


def no_call_threshold(scores: Sequence[float], wants_none: Sequence[bool]) -> float:
    """The threshold that decides most requests right: no call above it, a call at it and below.

    `scores` are log P(end) - log P(best tool) at the first position, `wants_none` whether a request wants no call.
    The candidates are 0, the middles between neighbouring scores, and 1 beyond either end. Among equally good ones it
    is the one nearest to 0, which is the model's own decision. Raises ValueError without scores.
    """
    if not scores:
        raise ValueError("no scores to calibrate on")
    order = sorted(zip(scores, wants_none, strict=True))
    right = sum(wants_none)  # below every score
    counted = [(order[0][0] - 1, right)]
    for i, (score, none) in enumerate(order):
        right += -1 if none else 1
        following = order[i + 1][0] if i + 1 < len(order) else score + 2
        if following > score:
            counted.append(((score + following) / 2, right))
    at_zero = sum((score > 0) == none for score, none in order)
    return max([(0.0, at_zero), *counted], key=lambda found: (found[1], -abs(found[0])))[0]
