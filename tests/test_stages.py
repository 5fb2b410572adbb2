"""What the training scripts share: earlier examples come back in the asked share, the same ones for the same seed."""

from toolgen.conversations import CALL, DESCRIBE, Conversation
from toolgen.stages import replayed

ROWS = [Conversation(f"query {i}", CALL, ()) for i in range(100)]
EARLIER = [[Conversation(f"tool {i}", DESCRIBE, ()) for i in range(7)], []]


def test_earlier_examples_come_back_behind_the_rows():
    rows = replayed(ROWS, EARLIER, 0.2, seed=1)
    assert rows[:100] == ROWS
    assert len(rows) == 120 and set(rows[100:]) <= set(EARLIER[0])
    assert rows == replayed(ROWS, EARLIER, 0.2, seed=1) != replayed(ROWS, EARLIER, 0.2, seed=2)


def test_no_replay_leaves_the_rows_alone():
    assert replayed(ROWS, EARLIER, 0.0, seed=0) == ROWS
