"""Trajectories scored turn by turn, with the observations that were recorded played back.

Each turn is taken behind the recorded steps before it. A model that is right up to some turn has been shown the same
observations as one that runs free, so a trajectory is exact when all its turns are.
"""

from .. import turns
from ..conversations import MAX_STEPS
from ..trajectories import Turn, TurnDecoder
from . import metrics, uncertainty

FINISH = "Finish"


def taken(decoder: TurnDecoder, rows: list[dict], batch_size: int) -> list[list[Turn]]:
    """The turns that the model takes in each row {"query", "history"?, "steps", "final_answer"}."""
    texts = [[turns.asked(row, row["steps"][:number]) for number in range(count(row))] for row in rows]
    found = iter(decoder.turns([text for own in texts for text in own], batch_size))
    return [[next(found) for _ in own] for own in texts]


def count(row: dict) -> int:
    """The turns of a row: its steps and the end, MAX_STEPS at most."""
    return min(len(row["steps"]) + 1, MAX_STEPS)


def scores(rows: list[dict], found: list[list[Turn]], seed: int) -> dict:
    """Over all turns that call a tool whether it is the right one, and the right call; over all last turns whether the
    model finishes there, over all others whether it goes on; over the rows whether every turn is right."""
    tools, calls, finished, went_on, exact = [], [], [], [], []
    for row, own in zip(rows, found, strict=True):
        right = []
        for number, turn in enumerate(own):
            if number == len(row["steps"]):
                finished.append(float(turn.answer is not None))
                right.append(finished[-1])
                continue
            gold = {key: row["steps"][number][key] for key in ("name", "arguments")}
            tools.append(float(turn.call is not None and turn.call["name"] == gold["name"]))
            calls.append(float(turn.call is not None and metrics.exact_match([turn.call], [[gold]])))
            went_on.append(float(turn.answer is None))
            right.append(calls[-1])
        exact.append(float(all(right)))
    measured = {
        "next_tool_accuracy": tools, "next_call_exact_match": calls, "finish": finished, "goes_on": went_on,
        "trajectory_exact_match": exact,
    }  # fmt: skip
    return {name: uncertainty.summary(values, seed) for name, values in measured.items()}


def written(own: list[Turn]) -> list[dict]:
    """The turns as a predictions file holds them."""
    return [
        {"thought": turn.thought} | (turn.call or {}) | ({} if turn.answer is None else {FINISH: turn.answer})
        for turn in own
    ]
