import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from made_imports import imports

from toolgen.formats import openai
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord

FAN = {"name": "set_fan", "description": "Sets it.", "parameters": {"type": "object", "properties": {}}}
WRAPPED = {"type": "function", "function": FAN}
ORDER = ("train", "validation", "eval", None)
SYSTEM = {"role": "system", "content": "You are a car."}


def user(content: str) -> dict:
    return {"role": "user", "content": content}


def assistant(*calls: dict, content: str | None = None, **more: object) -> dict:
    made = [
        {"id": f"c{number}", "type": "function", "function": call | {"arguments": json.dumps(call["arguments"])}}
        for number, call in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, **({"tool_calls": made} if made else {}), **more}


def result(content: str, number: int = 0) -> dict:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": content}


def call(speed: int) -> dict:
    return {"name": "set_fan", "arguments": {"speed": speed}}


def read(path: Path, *messages: list[dict], tools: object = (WRAPPED,), name: str = "rows") -> Imported:
    (path / "tools.json").write_text(json.dumps(tools), encoding="utf-8")
    rows = "".join(json.dumps({"messages": said}) + "\n" for said in messages)
    (path / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    return openai.read(path)


@settings(max_examples=60, deadline=None)
@given(imports(kinds=("answers", "steps"), least_steps=2))
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("openai")
    assert openai.write(found, path) == []
    again = openai.read(path)
    assert [tool["name"] for tool in again.functions] == [tool["name"] for tool in found.functions]
    assert again.examples == sorted(found.examples, key=lambda example: ORDER.index(example.get("split")))
    openai.write(again, path)
    assert openai.read(path) == again


def test_what_the_form_cannot_hold_is_counted(tmp_path):
    found = Imported([FAN], [{"query": "q", "relevant_tools": ["set_fan"]}, {"query": "r", "answers": []}])
    assert openai.write(found, tmp_path) == ["1 examples without one right answer left out"]
    assert [example["query"] for example in openai.read(tmp_path).examples] == ["r"]


@pytest.mark.parametrize("tools", [[WRAPPED], [FAN], {"tools": [WRAPPED]}, {"functions": [FAN]}])
def test_tools_alone(tmp_path, tools):
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(tools), encoding="utf-8")
    assert openai.read(path) == openai.read(tmp_path) == Imported([FAN], [])


def test_rows_alone_bring_their_tools(tmp_path):
    row = {"messages": [SYSTEM, user("q"), assistant(call(3))], "tools": [WRAPPED], "parallel_tool_calls": False}
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 2, encoding="utf-8")
    found = openai.read(path)
    assert found.examples == [{"query": "q", "answers": [call(3)]}] * 2
    (tool,) = found.functions
    assert tool["parameters"]["properties"] == {"speed": {"type": "integer"}}
    assert found.notes[1:] == ["left out, since nothing reads them: parallel_tool_calls (2)"]


def test_every_answered_message_is_an_example(tmp_path):
    said = [SYSTEM, user("one"), assistant(call(1)), result("ok"), assistant(content="Done."), user("two"),
            assistant(content="Hello."), user("three"), assistant(call(3), call(4))]  # fmt: skip
    one, two, three = read(tmp_path, said).examples
    assert one == {"query": "one", "answers": [call(1)]}
    assert (two["query"], two["answers"], len(two["history"])) == ("two", [], 4)
    assert (three["query"], three["answers"], len(three["history"])) == ("three", [call(3), call(4)], 6)
    assert two["history"][:2] == [user("one"), {"role": "assistant", "content": None, "tool_calls": [call(1)]}]


def test_turns_of_no_weight_are_history_alone(tmp_path):
    said = [user("one"), assistant(call(1), weight=0), user("two"), assistant(call(2), weight=1)]
    (example,) = read(tmp_path, said).examples
    assert (example["query"], example["answers"], len(example["history"])) == ("two", [call(2)], 2)


def test_calls_in_several_goes_are_steps(tmp_path):
    said = [user("q"), assistant(call(1), call(2), content="Both."), result("two", 1), result("one", 0),
            assistant(call(3)), result("three"), assistant(content="Done.")]  # fmt: skip
    (example,) = read(tmp_path, said).examples
    assert example == {"query": "q", "final_answer": "Done.", "steps": [
        {"thought": "Both.", **call(1), "observation": "one"},
        {"thought": "", **call(2), "observation": "two"},
        {"thought": "", **call(3), "observation": "three"},
    ]}  # fmt: skip


def test_a_trajectory_that_is_cut_off_has_no_final_answer(tmp_path):
    said = [user("q"), assistant(call(1)), result("ok"), assistant(call(2), content="on")]
    (example,) = read(tmp_path, said).examples
    assert example["final_answer"] == "" and example["steps"][1]["thought"] == "on"


def test_the_older_form_of_calls(tmp_path):
    made = {"role": "assistant", "content": None, "function_call": {"name": "set_fan", "arguments": '{"speed": 3}'}}
    said = [user("q"), made, {"role": "function", "name": "set_fan", "content": "ok"}, made, assistant(content="Done.")]
    (example,) = read(tmp_path, said).examples
    assert [step["observation"] for step in example["steps"]] == ["ok", ""]


def test_the_file_names_the_split(tmp_path):
    for name in ("train", "validation", "test"):
        found = read(tmp_path, [user("q"), assistant()], name=name)
    assert [example["split"] for example in found.examples] == ["train", "validation", "eval"]


@pytest.mark.parametrize(("said", "complaint"), [
    (None, "messages: expected a list, found null"),
    ([], "expected a message of the user"),
    ([SYSTEM, assistant(call(1))], "expected a message of the user"),
    ([user("q"), {"role": "judge"}], "messages, item 2: expected a role"),
    ([user("q"), {"content": "x"}], "messages, item 2: expected a role, one of"),
    ([user(""), assistant()], "expected a query"),
    ([user("q"), {"role": "assistant", "tool_calls": [{"name": "fly", "arguments": "{}"}]}], 'found "fly"'),
    ([user("q"), {"role": "assistant", "tool_calls": [{"name": "set_fan", "arguments": "{"}]}], "not JSON"),
])  # fmt: skip
def test_a_bad_row_is_refused_with_its_line(tmp_path, said, complaint):
    with pytest.raises(BadRecord) as refused:
        read(tmp_path, [user("q"), assistant()], said)
    assert str(refused.value).startswith(f"{tmp_path}/rows.jsonl:2: ") and complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("tools", "complaint"), [
    (3, "expected a list, found 3"), ({"tool": []}, "expected a list, found null"),
    (["a"], "item 1: expected an object"),
    ([WRAPPED, {"type": "web_search"}], "item 2: expected a tool's name, found null"),
])  # fmt: skip
def test_bad_tools(tmp_path, tools, complaint):
    with pytest.raises(BadRecord) as refused:
        read(tmp_path, tools=tools)
    assert f"{tmp_path}/tools.json" in str(refused.value) and complaint in str(refused.value)


def test_no_files(tmp_path):
    with pytest.raises(BadRecord, match="found none"):
        openai.read(tmp_path)
    (tmp_path / "tools.json").write_text("[\n{,", encoding="utf-8")
    with pytest.raises(BadRecord, match="tools.json:2: not JSON"):
        openai.read(tmp_path)
