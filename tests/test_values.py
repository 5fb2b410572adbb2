import re

import pytest

from toolgen import catalog
from toolgen.training.values import varied

TEXT = {"type": "string"}
CATALOG = catalog.build([{"name": "play", "parameters": {"type": "object", "properties": {
    "title": TEXT, "room": {"enum": ["bath", "hall"]}, "at": TEXT, "volume": {"type": "integer"}}}}], [])  # fmt: skip


def row(query: str, **arguments) -> dict:
    step = {"thought": "", "action": "<<play>>", "action_input": arguments}
    return {"query": query, "plan_sequence": [step], "final_answer": ""}


ROWS = [
    row("play Blue Moon in the bath at 7:30", title="Blue Moon", room="bath", at="7:30", volume=3),
    row("play Über den Wolken", title="Über den Wolken"),
]


def test_what_a_query_quotes_is_replaced_in_both():
    found = varied(ROWS, CATALOG, 20, 0)
    assert found[:2] == ROWS and len(found) == 40
    assert len({again["query"] for again in found}) > 20
    for again in found[::2]:
        given = again["plan_sequence"][0]["action_input"]
        assert again["query"] == f"play {given['title']} in the bath at {given['at']}"
        assert given["room"] == "bath" and given["volume"] == 3 and re.fullmatch(r"\d:\d\d", given["at"])
        assert given["title"] == given["title"].title() or given["title"] == "Über den Wolken"


@pytest.mark.parametrize("fixed", [
    row("play Blue or Blue", title="Blue"), row("play bluebird", title="blue"), row("play it", title="Blue"),
    row("play the hall", room="hall"), row("play"), ROWS[1] | {"history": []}, ROWS[1] | {"observations": [""]},
])  # fmt: skip
def test_what_is_not_quoted_once_stays(fixed):
    assert varied([fixed], CATALOG, 5, 0) == [fixed]


def test_the_same_seed_gives_the_same_rows():
    assert varied(ROWS, CATALOG, 5, 1) == varied(ROWS, CATALOG, 5, 1) != varied(ROWS, CATALOG, 5, 2)
    assert varied(ROWS, CATALOG, 1, 0) == varied(ROWS, CATALOG, 0, 0) == ROWS and varied([], CATALOG, 9, 0) == []
