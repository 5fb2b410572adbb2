import json
import random
from pathlib import Path

import pytest

from toolgen import catalog as catalogs
from toolgen.dataset import query_and_calls, row

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
WINDOW = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}
FUEL = {"name": "getFloatProperty", "arguments": {"propertyName": "FUEL_LEVEL", "areaId": 0}}


def made(query: str, calls: list[dict], split: str = "train", seed: int = 0) -> dict:
    return row(query, calls, split, "seen_phrasing", CATALOG, random.Random(seed))


@pytest.mark.parametrize("calls", [[], [WINDOW], [WINDOW, FUEL, WINDOW]])
@pytest.mark.parametrize("query", ["open my window", 'Öffne <<WINDOW_POS&&set>> "bitte"\n'])
def test_a_row_goes_there_and_back(query, calls):
    written = json.loads(json.dumps(made(query, calls)))
    assert query_and_calls(written) == (query, calls)


def test_the_form_is_mobile_actions():
    written = made("open my window", [WINDOW])
    assert set(written) == {"metadata", "split", "slice", "tools", "messages"}
    assert [message["role"] for message in written["messages"]] == ["developer", "user", "assistant"]
    assert written["messages"][2]["tool_calls"] == [{"function": WINDOW}]
    assert all(set(tool) == {"function"} for tool in written["tools"])


@pytest.mark.parametrize(("split", "metadata"), [("train", "train"), ("validation", "eval"), ("eval", "eval")])
def test_whoever_knows_train_and_eval_alone_trains_on_no_held_out_row(split, metadata):
    assert made("open", [], split)["metadata"] == metadata


def test_tools_are_the_catalogs_in_an_order_of_the_seeds():
    def sorted_tools(written: dict) -> list[str]:
        return sorted(json.dumps(tool["function"], sort_keys=True) for tool in written["tools"])

    one, other = made("q", [], seed=1), made("q", [], seed=2)
    assert json.dumps(one) == json.dumps(made("q", [], seed=1)) != json.dumps(other)
    assert sorted_tools(one) == sorted_tools(other)
    assert sorted_tools(one) == sorted(json.dumps(function, sort_keys=True) for function in CATALOG.functions)


def test_a_function_without_parameters_has_a_row_too():
    plain = catalogs.build([{"name": "horn"}], [])
    call = {"name": "horn", "arguments": {}}
    written = row("honk", [call], "train", "seen_phrasing", plain, random.Random(0))
    assert written["tools"] == [{"function": {"name": "horn", "parameters": {"type": "object", "properties": {}}}}]
    assert query_and_calls(written) == ("honk", [call])
