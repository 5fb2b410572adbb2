import json
import random
from pathlib import Path

import datasets
import pytest

from toolgen import catalog as catalogs
from toolgen.dataset import MOST_FUNCTIONS, WITHOUT_CAR, calls_are_known, query_and_calls, read, row

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
WINDOW = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}
FUEL = {"name": "getFloatProperty", "arguments": {"propertyName": "FUEL_LEVEL", "areaId": 0}}


def made(query: str, calls: list[dict], split: str = "train", seed: int = 0) -> dict:
    return row(query, calls, {"WINDOW_POS": {"16": 10}}, split, "seen_phrasing", CATALOG, random.Random(seed))


@pytest.mark.parametrize("calls", [[], [WINDOW], [WINDOW, FUEL, WINDOW]])
@pytest.mark.parametrize("query", ["open my window", 'Öffne <<WINDOW_POS&&set>> "bitte"\n'])
def test_a_row_goes_there_and_back(query, calls):
    written = json.loads(json.dumps(made(query, calls)))
    assert query_and_calls(written) == (query, calls)


def test_the_form_is_mobile_actions():
    written = made("open my window", [WINDOW])
    assert set(written) == {"metadata", "split", "slice", "end_state", "tools", "messages"}
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
    written = row("honk", [call], None, "train", "seen_phrasing", plain, random.Random(0))
    assert written["tools"] == [{"function": {"name": "horn", "parameters": {"type": "object", "properties": {}}}}]
    assert query_and_calls(written) == ("honk", [call])
    assert written["end_state"] is None


def test_the_end_state_is_text_so_that_every_row_has_one_schema():
    assert made("open", [WINDOW])["end_state"] == '{"WINDOW_POS": {"16": 10}}'
    empty = row("hello", [], {}, "train", "seen_phrasing", CATALOG, random.Random(0))
    assert empty["end_state"] == "{}"


def test_the_catalog_stands_in_the_rows_where_it_is_wanted():
    def written(seed: int, catalog=CATALOG) -> str:
        full = row("open", [], {}, "train", "seen_phrasing", catalog, random.Random(seed), catalog_in_row=True)
        return full["messages"][0]["content"]

    instruction = made("open", [])["messages"][0]["content"]
    assert written(0).startswith(instruction) and written(0) != written(1)
    properties = json.loads(written(0).splitlines()[-1])
    assert {item["name"] for item in properties} == set(CATALOG.property_names)
    window = next(item for item in properties if item["name"] == "WINDOW_POS")
    assert sorted(area["id"] for area in window["areas"]) == sorted(
        area.id for area in CATALOG.property_names["WINDOW_POS"].areas
    )
    assert written(0, catalogs.build([{"name": "horn"}], [])) == WITHOUT_CAR


@pytest.mark.parametrize("catalog_in_row", (False, True))
def test_it_loads_with_datasets(tmp_path, monkeypatch, catalog_in_row):
    """Values of every type under one name, and end states of different cars, are one schema."""
    values = [("setIntProperty", 10), ("setFloatProperty", 21.5), ("setBooleanProperty", True)]
    path = tmp_path / "dataset.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i, (name, value) in enumerate(values * 3):
            call = {"name": name, "arguments": {"propertyName": "P", "areaId": i, "value": value}}
            rng = random.Random(i)
            file.write(json.dumps(
                row(f"query {i}", [call] * (i % 3), {"P": {str(i): value}}, "train", "seen_phrasing", CATALOG, rng,
                    catalog_in_row)) + "\n")  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = datasets.load_dataset("json", data_files=str(path), cache_dir=str(tmp_path / "cache"), split="train")
    assert loaded.num_rows == 9
    assert [json.loads(text) for text in loaded["end_state"]][:2] == [{"P": {"0": 10}}, {"P": {"1": 21.5}}]
    assert query_and_calls(loaded[1])[1][0]["arguments"]["value"] == 21.5


HISTORY = [
    {"role": "user", "content": "is it far"},
    {"role": "assistant", "content": None, "tool_calls": [FUEL]},
    {"role": "tool", "content": "20 litres"},
    {"role": "assistant", "content": "Twenty litres are left."},
]
STEP = {"thought": "the window first", **WINDOW, "observation": "open"}


@pytest.mark.parametrize(("calls", "more"), [
    ([WINDOW], {"history": HISTORY}),
    ([WINDOW], {"accept": [[WINDOW], [FUEL]]}),
    ([], {"relevant_tools": ["WINDOW_POS&&set"], "history": HISTORY}),
    ([WINDOW, WINDOW], {"steps": [STEP, STEP], "final_answer": "It is open.", "relevant_tools": ["WINDOW_POS&&set"]}),
    ([], {"steps": [], "final_answer": ""}),
])  # fmt: skip
def test_what_imported_examples_know_goes_there_and_back(calls, more):
    written = row("and now?", calls, None, "train", "own_split", CATALOG, random.Random(0), more=more)
    found = read(json.loads(json.dumps(written)))
    assert found == {"query": "and now?", "calls": calls, **more}
    assert calls_are_known(found) == ("relevant_tools" not in more or "steps" in more)


def test_a_large_catalog_stands_in_a_row_in_part():
    functions = [{"name": f"tool {number}"} for number in range(100)]
    call, other = {"name": "tool 99", "arguments": {}}, {"name": "tool 98", "arguments": {}}
    more = {"accept": [[call], [other]], "relevant_tools": ["tool 97"]}
    tools = catalogs.build(functions, [])
    written = row("go", [call], None, "train", "own_split", tools, random.Random(0), more=more)
    names = [tool["function"]["name"] for tool in written["tools"]]
    assert len(names) == len(set(names)) == MOST_FUNCTIONS and {"tool 97", "tool 98", "tool 99"} <= set(names)
