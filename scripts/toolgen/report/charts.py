"""Charts as inline SVG without a script. Colours are the page's, so that they follow its light and dark.

The charts of a table's row are as wide as their cell: their places along the row are percentages, so nothing is
stretched. The figures they show stand as text in the same row, which is what a screen reader is given.
"""

import math

from markupsafe import Markup

from .parts import Score, plain

GRID = Markup("").join(
    Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="22"/>').format(place) for place in (0, 25, 50, 75, 100)
)
DOT = Markup('<circle class="first" cx="{:.2f}%" cy="11" r="4.5"/>')
DIAMOND = Markup('<svg class="at" x="{:.2f}%" y="11"><path class="second hollow" d="M0-6 6 0 0 6-6 0Z"/></svg>')


def in_row(content: Markup) -> Markup:
    return Markup('<svg class="row" aria-hidden="true" width="100%" height="22">{}</svg>').format(content)


def interval(score: Score | None) -> Markup:
    """A dot for the score and a bar for its interval, between 0 and 1."""
    if score is None:
        return in_row(GRID)
    line = Markup("")
    if score.low is not None and score.high is not None:
        line = Markup('<line class="range" x1="{:.2f}%" x2="{:.2f}%" y1="11" y2="11"/>').format(
            100 * score.low, 100 * score.high
        )
    return in_row(GRID + line + DOT.format(100 * score.value))


def pair(first: Score, second: Score) -> Markup:
    """A dot and a hollow diamond, joined, between 0 and 1."""
    line = Markup('<line class="join" x1="{:.2f}%" x2="{:.2f}%" y1="11" y2="11"/>')
    ends = 100 * first.value, 100 * second.value
    return in_row(GRID + line.format(*ends) + DIAMOND.format(ends[1]) + DOT.format(ends[0]))


def bar(values: list[float], most: float) -> Markup:
    """Values end to end, `most` as wide as the cell: the first filled, the second hatched."""
    content, start = Markup(""), 0.0
    for name, value in zip(("first", "second hatched"), values, strict=False):
        width = 100 * value / most if most else 0.0
        content += Markup('<rect class="{}" x="{:.2f}%" y="5" width="{:.2f}%" height="12"/>').format(name, start, width)
        start += width
    return in_row(content)


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 220, 44, 14, 12, 34
LOWEST = 1e-4  # where a loss of 0 is drawn, since the axis is logarithmic


def curve(name: str, points: list[tuple[int, float]]) -> Markup:
    """A loss over steps, at least one point, on a logarithmic axis from a power of ten to the next."""
    steps, losses = zip(*points, strict=True)
    low = math.floor(math.log10(max(min(losses), LOWEST)))
    high = max(math.ceil(math.log10(max(max(losses), LOWEST))), low + 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (step - steps[0]) / max(steps[-1] - steps[0], 1)

    def y(loss: float) -> float:
        share = (math.log10(max(loss, LOWEST)) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    axis = Markup("").join(
        Markup('<line class="grid" x1="{}" x2="{}" y1="{at:.1f}" y2="{at:.1f}"/>'
               '<text class="left" x="{}" y="{at:.1f}" dy="4">{}</text>').format(
            LEFT, WIDTH - RIGHT, LEFT - 8, f"{10.0**power:g}", at=y(10.0**power)
        )
        for power in range(low, high + 1)
    )  # fmt: skip
    path = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in points)
    return Markup(
        '<svg class="figure" viewBox="0 0 {w} {h}" role="img" aria-label="{said}">{axis}'
        '<text x="{left}" y="{base}">step {first}</text><text class="left" x="{right}" y="{base}">{last}</text>'
        '<polyline class="curve" points="{path}"/><circle class="first" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        '<text class="left figures" x="{right}" y="{above:.1f}">{loss}</text></svg>'
    ).format(
        w=WIDTH, h=HEIGHT, left=LEFT, right=WIDTH - RIGHT, base=HEIGHT - 10, axis=axis, path=path,
        first=plain(steps[0]), last=plain(steps[-1]), x=x(steps[-1]), y=y(losses[-1]), loss=f"{losses[-1]:.3g}",
        above=max(y(losses[-1]) - 12, TOP + 10),
        said=f"Loss of {name} from {losses[0]:.3g} at step {plain(steps[0])} to {losses[-1]:.3g} at step "
             f"{plain(steps[-1])}, lowest {min(losses):.3g}; logarithmic axis.",
    )  # fmt: skip
