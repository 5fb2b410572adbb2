import pytest

from toolgen.refining.leaks import Leak, Row, audit


def call(value: object, area: int = 16) -> dict:
    return {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": area, "value": value}}


LONG = "please roll the passenger window all the way down"
NOTHING = {"masked_equal": 0, "near_identical": 0}


def row(split: str, query: str, calls: list[dict], own: bool = False) -> Row:
    return Row(split, own, query, calls)


def found(*rows: Row, spoken: tuple = (), rule: str = "calls") -> dict:
    return audit(lambda: iter(rows), [{"query": query, "accept": accept} for query, accept in spoken], 0.8, rule)


@pytest.mark.parametrize("sides", [("train", "eval"), ("eval", "validation"), ("validation", "train")])
@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (("open it to 5", [call(5)]), ("Open it, to seven!", [call(7)]), "masked_equal"),
        (("open it to 5", [call(5)]), ("open it to 5", [call(True)]), "masked_equal"),
        ((LONG, [call(10)]), (f"{LONG} now", [call(9)]), "near_identical"),
    ],
)
def test_a_leak_names_both_queries_and_sides(sides, one, other, kind):
    rows = row(sides[0], *one), row(sides[1], *other)
    for order in (rows, rows[::-1]):
        with pytest.raises(Leak) as leak:
            found(*order)
        message = str(leak.value)
        assert message.startswith(kind) and "\n" not in message
        assert all(part in message for part in (*sides, repr(one[0]), repr(other[0])))


def test_minimal_pairs_and_pairs_on_one_side_are_no_leak():
    result = found(
        row("train", LONG, [call(10)]), row("train", LONG, [call(10)]), row("eval", f"{LONG} now", [call(True)]),
        row("eval", "open it", [call(5)]), row("eval", "open it", [call(5)]),
    )  # fmt: skip
    assert result == {"own_split": NOTHING, "spoken_rows_with_near_training_row": 0}
    with pytest.raises(Leak):
        found(row("train", LONG, [call(10)]), row("eval", f"{LONG} now", [call(True)]), rule="seed")


@pytest.mark.parametrize("ours", ("train", "eval", None))
def test_a_split_that_was_brought_along_is_reported(ours):
    rows = [
        row("train", LONG, [call(10)], own=ours != "train"),
        row("eval", f"{LONG} now", [call(10)], own=ours != "eval"),
        row("train", "open it to 5", [call(5)], own=ours != "train"),
        row("eval", "open it to 6", [call(6)], own=ours != "eval"),
    ]
    assert found(*rows)["own_split"] == {"masked_equal": 1, "near_identical": 1}


def test_spoken_rows_near_a_training_row_are_counted_once():
    spoken = (LONG, [[call(1)], [call(2, area=64)]]), ("open it", [[call(5)]])
    rows = [row("train", f"{LONG} now", [call(9)]), row("train", f"now {LONG}", [call(9, area=64)])]
    assert found(*rows, spoken=spoken)["spoken_rows_with_near_training_row"] == 1
    assert found(row("eval", LONG, [call(9)]), spoken=spoken)["spoken_rows_with_near_training_row"] == 0
