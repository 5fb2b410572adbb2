import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from made_imports import imports

from toolgen.formats import toolgen_files
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord

TOOLS = [{"description": "Sets it.", "token": "<<fan&&set>>"}, {"description": None, "token": "<<a b.c>>"}]
NEEDED = [{"query": "more air", "relevant_tool_tokens": ["<<fan&&set>>"]}]


def planned(action: str = "<<fan&&set>>", **given: object) -> dict:
    return {"thought": "Set it.", "action": action, "action_input": given}


def plan(*steps: dict, query: str = "more air", final_answer: str = "Done.") -> dict:
    return {"query": query, "plan_sequence": list(steps), "final_answer": final_answer}


def read(folder: Path, **files: object) -> Imported:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return toolgen_files.read(folder)


def said(*turns: tuple[str, str]) -> dict:
    return {"conversations": [{"role": role, "content": text, "loss": role == "assistant"} for role, text in turns]}


def trajectory(*turns: tuple[str, str]) -> dict:
    return said(("system", "Act."), ("user", "\nmore air\nBegin!\n"), *turns)


def acted(token: str, given: str, thought: str = "Set it.") -> tuple[tuple[str, str], ...]:
    asked = ("user", "Generate the action."), ("assistant", token), ("user", "Please give the input. Here is ...")
    return (("assistant", thought), *asked, ("assistant", given))


@settings(max_examples=40, deadline=None)
@given(imports(kinds=("relevant_tools", "steps"), history=False, splits=(None,), least_steps=0))
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("toolgen")
    toolgen_files.write(found, folder / "once")
    once = toolgen_files.read(folder / "once")
    assert toolgen_files.write(once, folder / "twice") in ([], ["parameters are in none of the files"])
    twice = toolgen_files.read(folder / "twice")
    assert (twice.functions, twice.examples) == (once.functions, once.examples)
    assert [tool["name"] for tool in once.functions] == [tool["name"] for tool in found.functions]
    assert {example["query"] for example in once.examples} == {example["query"].strip() for example in found.examples}
    for example in found.examples:
        (same,) = (other for other in once.examples if other["query"] == example["query"].strip())
        assert set(example.get("relevant_tools", [])) <= set(same.get("relevant_tools", []))
        assert ("steps" in same) >= ("steps" in example)


def test_an_export_says_what_it_leaves_out(tmp_path):
    tool = {"name": "f", "description": "", "parameters": {"type": "object", "properties": {"x": {}}}}
    held_out = {"query": "q", "split": "eval", "relevant_tools": ["f"]}
    notes = toolgen_files.write(Imported([tool], [held_out, {"query": "r", "answers": []}]), tmp_path)
    assert notes == [
        "parameters are in none of the files",
        "2 examples without relevant tools or steps, with history, or held out, left out",
    ]


def test_the_three_files_are_taken_over(tmp_path):
    plans = [plan(planned(level=2, on=True), planned("<<Finish>>", return_type="give_answer"))]
    found = read(tmp_path, tool_memorization=TOOLS, retrieval_training=NEEDED, agent_tuning=plans)
    step = {"thought": "Set it.", "name": "fan&&set", "arguments": {"level": 2, "on": True}, "observation": ""}
    assert found.examples == [
        {"query": "more air", "relevant_tools": ["fan&&set"], "steps": [step], "final_answer": "Done."}
    ]
    properties = {"level": {"type": "integer"}, "on": {"type": "boolean"}}
    assert found.functions == [
        {"name": "fan&&set", "description": "Sets it.", "parameters": {"type": "object", "properties": properties}},
        {"name": "a b.c", "description": "", "parameters": {"type": "object", "properties": {}}},
    ]
    assert found.notes == ["parameters are those of the inputs seen, none of them required"]


def test_parameters_have_the_types_that_were_seen(tmp_path):
    inputs = [{"x": 1, "y": None, "z": [1]}, {"x": 1.5, "y": "a", "z": {}}, {}]
    plans = [plan(planned(**given), query=str(number)) for number, given in enumerate(inputs)]
    (tool,) = read(tmp_path, agent=plans).functions
    assert tool["parameters"]["properties"] == {
        "x": {"type": "number"}, "y": {"type": ["null", "string"]}, "z": {"type": ["array", "object"]}
    }  # fmt: skip


def test_no_call_is_taken_over_too(tmp_path):
    found = read(tmp_path, a=TOOLS, b=[{"query": "hello", "relevant_tool_tokens": []}], c=[plan(query="hello")])
    assert found.examples == [{"query": "hello", "relevant_tools": [], "steps": [], "final_answer": "Done."}]


def test_without_descriptions_the_tools_are_those_whose_tokens_occur(tmp_path):
    found = read(tmp_path, retrieval=NEEDED)
    assert [(tool["name"], tool["description"]) for tool in found.functions] == [("fan&&set", "")]
    assert found.notes == ["no file describes the tools: they are those whose tokens occur"]


def test_conversations_about_tools_and_queries(tmp_path):
    about = "Tool Name: fan. Tool Description: Air. Api Name: set Api Description: None."
    rows = [said(("user", about), ("assistant", "<<fan&&set>>")), said(("user", about), ("assistant", "<<Finish>>"))]
    needed = [said(("user", "more air"), ("assistant", token)) for token in ("<<fan&&set>>", "<<a b.c>>")]
    shared = {"conversations": [{"from": "human", "value": "A."}, {"from": "gpt", "value": "<<a b.c>>"}]}
    found = read(tmp_path, toolgen_atomic_memorization=[*rows, shared], toolgen_atomic_retrieval_G123=needed)
    assert [(tool["name"], tool["description"]) for tool in found.functions] == [("fan&&set", about), ("a b.c", "A.")]
    assert found.examples == [{"query": "more air", "relevant_tools": ["fan&&set", "a b.c"]}]


def test_conversations_of_several_steps(tmp_path):
    first, second = acted("<<fan&&set>>", '{"level": 2}'), acted("<<fan&&set>>", '{"level": 3}', "Again.")
    finish = acted("<<Finish>>", '{"return_type": "give_answer", "final_answer": "Done."}', "Enough.")
    cut_short = trajectory(*first)
    gave_up = trajectory(*first, ("user", "no"), *acted("<<Finish>>", '{"return_type": "give_up_and_restart"}'))
    whole = trajectory(*first, ("function", "low"), *second, ("tool", "high"), *finish)
    found = read(tmp_path, toolgen_atomic_G123_dfs=[cut_short, gave_up, whole, whole])
    steps = [
        {"thought": "Set it.", "name": "fan&&set", "arguments": {"level": 2}, "observation": "low"},
        {"thought": "Again.", "name": "fan&&set", "arguments": {"level": 3}, "observation": "high"},
    ]
    assert found.examples == [{"query": "more air", "steps": steps, "final_answer": "Done."}]
    left_out = ["2 conversations without an answer left out", "1 further trajectories of a query left out"]
    assert found.notes[-2:] == left_out


def test_a_step_without_a_thought_or_an_input(tmp_path):
    asked = ("user", "Generate the action."), ("assistant", "<<a b.c>>"), ("assistant", "no JSON")
    finish = ("assistant", "<<Finish>>"), ("assistant", '{"final_answer": "Done."}')
    row = trajectory(*asked, ("assistant", "<<fan&&set>>"), ("assistant", "{}"), ("user", "seen"), *finish)
    found = read(tmp_path, agent=[row])
    assert found.examples[0]["steps"] == [{"thought": "", "name": "fan&&set", "arguments": {}, "observation": "seen"}]
    assert "1 steps of conversations without an input left out" in found.notes


def test_a_file_alone(tmp_path):
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS), encoding="utf-8")
    assert len(toolgen_files.read(tmp_path / "tools.json").functions) == 2


@pytest.mark.parametrize("content, told", [
    ({"rows": []}, "rows.json: expected a list, found"),
    ([*TOOLS, {"token": "<<a>>"}], "item 3: expected description and token, query and relevant_tool_tokens,"),
    ([{"description": 3, "token": "<<a>>"}], "item 1: expected a description, a text, found 3"),
    ([{"description": "", "token": "a"}], "item 1: expected a tool's token, <<name>>, found \"a\""),
    ([{"query": "", "relevant_tool_tokens": []}], "item 1: expected a query, a text that is not empty"),
    ([{"query": "q", "relevant_tool_tokens": "<<a>>"}], "item 1: expected relevant_tool_tokens, a list"),
    ([plan() | {"final_answer": None}], "item 1: expected final_answer, a text, found null"),
    ([plan(planned() | {"action_input": "[]"})], "item 1: plan_sequence, item 1: expected thought, a text, and"),
    ([plan(planned("fan"))], "item 1: plan_sequence, item 1: expected a tool's token, <<name>>"),
    ([*TOOLS, plan(planned("<<sun>>"))], 'item 3: expected the token of a tool that is described, found "<<sun>>"'),
    ([said(("user", "q"), ("assistant", "hello"))], "item 1: expected a reply of tokens, <<name>>"),
    ([{"conversations": [{"role": "user"}]}], "conversations, item 1: expected role and content, both texts"),
])  # fmt: skip
def test_mistakes_name_their_file_and_item(tmp_path, content, told):
    with pytest.raises(BadRecord) as error:
        read(tmp_path, rows=content)
    assert str(error.value).startswith(str(tmp_path / "rows.json")) and told in str(error.value)


def test_a_folder_without_files_is_a_mistake(tmp_path):
    with pytest.raises(BadRecord, match="expected files of ToolGen's"):
        toolgen_files.read(tmp_path)
