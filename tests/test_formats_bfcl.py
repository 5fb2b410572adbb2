from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_imports import NAME, QUERY, VALUE, functions, histories, imports

from toolgen.formats import bfcl, imported
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord, write_jsonl

FAN = {"name": "fan.set", "description": "Sets it.", "parameters": {
    "type": "dict", "properties": {"level": {"type": "integer"}, "place": {"type": "string"}}, "required": ["level"]
}}  # fmt: skip


def question(name: str = "simple_0", query: str = "more air", tools: list | None = None, **changes: object) -> dict:
    tools = [FAN] if tools is None else tools
    return {"id": name, "question": [[{"role": "user", "content": query}]], "function": tools, **changes}


def truth(*calls: dict, name: str = "simple_0") -> dict:
    return {"id": name, "ground_truth": list(calls)}


def read(folder: Path, rows: list, truths: list | None = None, name: str = "BFCL_v3_simple.json") -> Imported:
    write_jsonl(folder / name, rows)
    if truths is not None:
        write_jsonl(folder / "possible_answer" / name, truths)
    return bfcl.read(folder)


def accepted(folder: Path, *calls: dict) -> list[list[dict]]:
    return read(folder, [question()], [truth(*calls)]).examples[0]["accept"]


def types_of(folder: Path, **properties: object) -> dict:
    tool = {"name": "f", "parameters": {"type": "dict", "properties": properties}}
    return read(folder, [question("irrelevance_0", tools=[tool])]).functions[0]["parameters"]["properties"]


ALTERNATIVE = st.just("") | VALUE | st.dictionaries(NAME, st.lists(VALUE, min_size=1, max_size=2), max_size=2)


@st.composite
def questions(draw) -> tuple[list[dict], list[dict]]:
    tools, rows, truths = draw(functions()), [], []
    for number in range(draw(st.integers(0, 3))):
        own = draw(st.lists(st.sampled_from(tools), min_size=1, unique_by=lambda tool: tool["name"]))
        names = [tool["name"] for tool in own]
        rows.append(question(f"row_{number}", draw(QUERY), own))
        rows[-1]["question"][0] = [*draw(histories(names)), *rows[-1]["question"][0]]
        arguments = st.dictionaries(NAME, st.lists(ALTERNATIVE, max_size=3), max_size=4)
        calls = draw(st.lists(st.tuples(st.sampled_from(names), arguments), max_size=3))
        truths.append(truth(*({name: given} for name, given in calls), name=f"row_{number}"))
    return [*rows, question("irrelevance_0", "nothing", tools)], truths


@settings(max_examples=40, deadline=None)
@given(questions())
def test_it_comes_in_goes_out_and_comes_back(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("bfcl")
    once = read(folder / "once", *drawn)
    assert len(once.examples) == len(drawn[0])
    for number, example in enumerate(once.examples):
        imported.check(example, once.catalog(), str(number))
    assert bfcl.write(once, folder / "twice") == []
    twice = bfcl.read(folder / "twice")
    assert (twice.functions, twice.examples) == (once.functions, once.examples)


@settings(max_examples=25, deadline=None)
@given(imports())
def test_what_an_export_keeps_comes_back(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("bfcl")
    notes = bfcl.write(found, folder)
    back = bfcl.read(folder)
    assert back.functions == found.functions
    assert len(notes) == (len(back.examples) < len(found.examples))
    for example in back.examples:
        same = found.examples[int(example["source"].removeprefix("imported_")) - 1]
        assert example.get("accept", [[]]) == same.get("accept", [same.get("answers")])


def test_alternatives_are_every_right_answer(tmp_path):
    found = accepted(tmp_path, {"fan.set": {"level": [2, 3], "place": ["", "left"]}})
    given = [{"level": 2}, {"level": 2, "place": "left"}, {"level": 3}, {"level": 3, "place": "left"}]
    assert found == [[{"name": "fan.set", "arguments": arguments}] for arguments in given]


def test_of_several_calls_all_combinations_are_right(tmp_path):
    found = accepted(tmp_path, {"fan.set": {"level": [1, 2]}}, {"fan.set": {"level": [3]}})
    assert [[call["arguments"]["level"] for call in calls] for calls in found] == [[1, 3], [2, 3]]


def test_objects_hold_alternatives_themselves(tmp_path):
    place = {"row": ["front", "first"], "seat": ["", 2]}
    every = [{"row": "front"}, {"row": "front", "seat": 2}, {"row": "first"}, {"row": "first", "seat": 2}]
    found = accepted(tmp_path, {"fan.set": {"place": [place]}})
    assert [calls[0]["arguments"]["place"] for calls in found] == every
    found = accepted(tmp_path, {"fan.set": {"place": [[place, "x"], ["a", "b"]]}})
    assert [calls[0]["arguments"]["place"] for calls in found] == [*([one, "x"] for one in every), ["a", "b"]]


def test_no_alternative_is_an_empty_list(tmp_path):
    found = accepted(tmp_path, {"fan.set": {"level": [], "place": [{"row": []}]}})
    assert found == [[{"name": "fan.set", "arguments": {"level": [], "place": {"row": []}}}]]


def test_only_so_many_right_answers_are_kept(tmp_path):
    found = read(tmp_path, [question()], [truth({"fan.set": {"level": [*range(9)], "place": [*range(9)]}})])
    assert len(found.examples[0]["accept"]) == bfcl.MOST
    assert found.notes == ["1 rows with right answers beyond the first 64, which are left out"]


def test_irrelevance_is_no_call_and_no_ground_truth_is_no_example(tmp_path):
    found = read(tmp_path, [question("live_irrelevance_0-0-0"), question("live_relevance_0-0-0")])
    assert found.examples == [{"query": "more air", "split": "eval", "answers": [], "source": "live_irrelevance_0-0-0"}]
    assert found.notes == ["1 rows without a ground truth of calls left out"]


def test_rows_of_several_turns_and_of_code_are_counted(tmp_path):
    turns = question("multi_turn_0", question=[[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]])
    found = read(tmp_path, [turns, question()], [{"id": "simple_0", "ground_truth": ["fan.set(level=1)"]}])
    assert (found.examples, len(found.notes)) == ([], 2)


def test_earlier_messages_are_history(tmp_path):
    said = [("system", "Be brief."), ("user", "hi"), ("assistant", "yes?"), ("user", "more air")]
    row = question("irrelevance_0", question=[[{"role": role, "content": text} for role, text in said]])
    found = read(tmp_path, [row])
    assert found.examples[0]["query"] == "more air"
    assert found.examples[0]["history"] == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]
    assert found.notes == ["1 messages of system and developer left out"]


@pytest.mark.parametrize("asked", ["more air", [{"role": "user", "content": "more air"}]])
def test_questions_of_earlier_versions(tmp_path, asked):
    found = read(tmp_path, [question("irrelevance_0", question=asked, function=FAN)])
    assert (found.examples[0]["query"], len(found.functions)) == ("more air", 1)


def test_a_function_that_another_row_defines_otherwise_is_numbered(tmp_path):
    rows = [question(f"simple_{number}", tools=[FAN | {"description": text}]) for number, text in enumerate("abab")]
    found = read(tmp_path, rows, [truth({"fan.set": {"level": [1]}}, name=f"simple_{number}") for number in range(4)])
    assert [tool["name"] for tool in found.functions] == ["fan.set", "fan.set (2)"]
    called = [example["accept"][0][0]["name"] for example in found.examples]
    assert called == ["fan.set", "fan.set (2)", "fan.set", "fan.set (2)"]
    assert found.notes == ["functions of one name and other definitions, numbered from (2) on: 1 names"]


def test_types_of_python_and_java_are_types_of_json(tmp_path):
    many = {"type": "tuple", "items": {"type": "any"}}
    said = {
        "a": {"type": "dict", "properties": {"type": {"type": "float"}, "many": many}}, "b": {"type": "HashMap"},
        "c": {"type": "long"}, "d": {"type": "Any"}, "e": {"type": "String", "optional": True}, "f": {"type": "socket"},
    }  # fmt: skip
    assert types_of(tmp_path, **said) == {
        "a": {"type": "object", "properties": {"type": {"type": "number"}, "many": {"type": "array", "items": {}}}},
        "b": {"type": "object"}, "c": {"type": "integer"}, "d": {}, "e": {"type": "string"}, "f": {},
    }  # fmt: skip


def test_function_documents_are_tools(tmp_path):
    write_jsonl(tmp_path / "multi_turn_func_doc/fan.json", [FAN | {"response": {"type": "dict"}}])
    found = bfcl.read(tmp_path)
    assert [tool["name"] for tool in found.functions] == ["fan.set"] and found.examples == []
    assert bfcl.read(tmp_path / "multi_turn_func_doc/fan.json").functions == found.functions


def test_a_file_of_questions_alone_finds_its_answers(tmp_path):
    read(tmp_path, [question()], [truth({"fan.set": {"level": [1]}})])
    assert len(bfcl.read(tmp_path / "BFCL_v3_simple.json").examples) == 1


@pytest.mark.parametrize("row, told", [
    ({"id": "a"}, "expected a question with its functions, or a function with its parameters"),
    (question(None), "expected an id, a text, found null"),
    (question(question=[[{"role": "assistant", "content": "a"}]]), "expected a question that ends with a user's"),
    (question(question=[]), "expected a question that ends with a user's"),
    (question(question=3), "expected a question, a list of turns, found 3"),
    (question("simple_1"), 'expected an id that possible_answer has, found "simple_1"'),
    (question(tools=[{"parameters": {}}]), "function, item 1: expected a tool's name, found null"),
    (question(tools=[FAN | {"parameters": 3}]), "function, item 1: parameters of fan.set: expected a JSON Schema"),
])  # fmt: skip
def test_mistakes_of_questions_name_file_and_line(tmp_path, row, told):
    with pytest.raises(BadRecord) as error:
        read(tmp_path, [question(), row], [truth({"fan.set": {}})])
    assert str(error.value).startswith(f"{tmp_path / 'BFCL_v3_simple.json'}:2: ") and told in str(error.value)


@pytest.mark.parametrize("row, told", [
    ({"id": "simple_0"}, "expected an id and its ground_truth"),
    (truth({"fan.get": {}}), "expected a call {name: arguments} of one of the row's functions"),
    (truth({"fan.set": {"level": 1}}), "expected arguments of fan.set, each with a list of alternatives"),
    ({"id": "simple_0", "ground_truth": 3}, "expected ground_truth, a list of calls, found 3"),
])  # fmt: skip
def test_mistakes_of_answers_name_file_and_line(tmp_path, row, told):
    with pytest.raises(BadRecord) as error:
        read(tmp_path, [question()], [row])
    path = tmp_path / "possible_answer/BFCL_v3_simple.json"
    assert str(error.value).startswith(f"{path}:1: ") and told in str(error.value)


def test_a_folder_without_questions_is_a_mistake(tmp_path):
    with pytest.raises(BadRecord, match="expected questions with their functions"):
        bfcl.read(tmp_path)
