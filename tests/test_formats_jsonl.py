import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_imports import imports

from toolgen.formats import imported, jsonl
from toolgen.records import BadRecord

TOOL = {"name": "set fan", "description": "Sets it.", "parameters": {"type": "object", "properties": {}}}
METATOOL = Path(__file__).parents[2] / "shared/metatool"


def folder(path: Path, tools: list, **files: list) -> Path:
    """Write rows, records or lines of text, to tools.jsonl and to a file for each keyword, and leave no others."""
    for earlier in path.glob("*.jsonl"):
        earlier.unlink()
    for name, rows in {"tools": tools, **files}.items():
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (path / f"{name}.jsonl").write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def read_one(path: Path, row: dict, tool: dict = TOOL) -> dict:
    (example,) = jsonl.read(folder(path, [tool], examples=[row])).examples
    return example


def call(name: str = "set fan", **arguments: object) -> dict:
    return {"name": name, "arguments": arguments}


@settings(max_examples=60, deadline=None)
@given(imports())
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("jsonl")
    assert jsonl.write(found, path) == []
    first = jsonl.read(path)
    assert first.examples == found.examples
    jsonl.write(first, path)
    assert jsonl.read(path) == first
    imported.write(first, path / "imported")
    assert imported.read(path / "imported") == first


def test_the_file_names_the_split(tmp_path):
    row = {"query": "q", "answers": [call()]}
    found = jsonl.read(folder(tmp_path, [TOOL], train=[row], validation=[row], test=[row], examples=[row]))
    assert [example.get("split") for example in found.examples] == ["train", "validation", "eval", None]


def test_a_row_may_name_its_split(tmp_path):
    found = [read_one(tmp_path, {"query": "q", "answers": [], "split": split})["split"] for split in ("test", "dev")]
    assert found == ["eval", "validation"]


def test_tools_may_be_a_json_array(tmp_path):
    folder(tmp_path, [], train=[{"query": "q", "answers": [call()]}])
    (tmp_path / "tools.jsonl").unlink()
    (tmp_path / "tools.json").write_text(json.dumps([TOOL]), encoding="utf-8")
    assert jsonl.read(tmp_path).functions == [TOOL]


@pytest.mark.parametrize("name", ["a.b.c", "play it", "Heizung für", "it's \"hot\"", "a&&b", "天気", "a/b-c", " x "])
def test_names_stay_as_they_are(tmp_path, name):
    found = jsonl.read(folder(tmp_path, [TOOL | {"name": name}], train=[{"query": "q", "answers": [call(name)]}]))
    imported.write(found, tmp_path / "to")
    (tool,) = imported.read(tmp_path / "to").catalog().tools
    assert (tool.name, tool.token, tool.function) == (name, f"<<{name}>>", name)


@pytest.mark.parametrize("parameters", [
    None, {}, {"properties": {}}, {"type": "object"}, {"type": "object", "properties": None}, {"type": "OBJECT"},
    {"type": "dict", "properties": {}, "required": None}, "{}", {"type": ["object", "null"]},
])  # fmt: skip
def test_parameters_that_name_none(tmp_path, parameters):
    bare = TOOL | {"parameters": parameters}
    for tool in (bare, {"type": "function", "function": bare}):
        found = jsonl.read(folder(tmp_path, [tool], train=[]))
        assert found.functions == [TOOL]
    del bare["parameters"]
    assert jsonl.read(folder(tmp_path, [bare], train=[])).functions == [TOOL]


@pytest.mark.parametrize(("given_", "wanted"), [
    ({"city": {"type": "string"}}, {"city": {"type": "string"}}),
    ({"properties": {"city": "string"}}, {"city": {"type": "string"}}),
    ({"properties": {"n": {"type": "float", "default": None}}}, {"n": {"type": "number", "default": None}}),
    ({"properties": {"n": {"type": "INTEGER", "description": None}}}, {"n": {"type": "integer"}}),
    ({"properties": {"n": {"type": "string", "enum": []}}}, {"n": {"type": "string"}}),
    ({"properties": {"n": {"type": "string", "enum": None, "items": None}}}, {"n": {"type": "string"}}),
    ({"properties": {"n": {"type": "list", "items": {"type": "dict", "properties": {"m": {"type": "bool"}}}}}},
     {"n": {"type": "array", "items": {"type": "object", "properties": {"m": {"type": "boolean"}}}}}),
    ({"type": "object", "properties": {"type": {"type": "str"}}}, {"type": {"type": "string"}}),
])  # fmt: skip
def test_parameters_in_other_words(tmp_path, given_, wanted):
    found = jsonl.read(folder(tmp_path, [TOOL | {"parameters": given_}], train=[]))
    assert found.functions == [TOOL | {"parameters": {"type": "object", "properties": wanted}}] and not found.notes


def test_a_type_that_json_schema_does_not_know_lets_any_value_through(tmp_path):
    parameters = {"properties": {"x": {"type": "percentage", "description": "d"}, "y": {"type": ["str", "colour"]}}}
    found = jsonl.read(folder(tmp_path, [TOOL | {"parameters": parameters}], train=[]))
    assert found.functions[0]["parameters"]["properties"] == {"x": {"description": "d"}, "y": {}}
    assert "the type percentage (1)" in found.notes[0]


def test_a_property_that_says_itself_that_it_is_required(tmp_path):
    parameters = {"properties": {"a": {"type": "string", "required": True}, "b": {"type": "string", "required": False}}}
    found = jsonl.read(folder(tmp_path, [TOOL | {"parameters": parameters}], train=[]))
    (function,) = found.functions
    assert function["parameters"]["required"] == ["a"]
    assert function["parameters"]["properties"] == {"a": {"type": "string"}, "b": {"type": "string"}}


@pytest.mark.parametrize("schema", [
    {"type": "string", "format": "HH:MM", "minLength": 5},
    {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
    {"type": "string", "not": {"enum": ["x"]}}, {"$ref": "#/definitions/none"}, {"type": "integer", "minimum": "0"},
])  # fmt: skip
def test_a_schema_that_decoding_cannot_follow_is_cut_down_and_noted(tmp_path, schema):
    parameters = {"type": "object", "properties": {"x": schema | {"description": "d"}}, "required": ["x"]}
    found = jsonl.read(folder(tmp_path, [TOOL | {"parameters": parameters}], train=[]))
    kept = {key: value for key, value in schema.items() if key in ("type", "items", "minLength")}
    assert found.functions[0]["parameters"] == parameters | {"properties": {"x": kept | {"description": "d"}}}
    assert found.notes[0].startswith(f"{tmp_path}/tools.jsonl:1: set fan: ") and "is left out" in found.notes[0]


@pytest.mark.parametrize("description", [None, ""])
def test_a_tool_without_description(tmp_path, description):
    found = jsonl.read(folder(tmp_path, [TOOL | {"description": description}, {"name": "b"}], train=[]))
    assert [tool["description"] for tool in found.functions] == ["", ""]


@pytest.mark.parametrize("answers", [
    [{"name": "set fan", "arguments": {"speed": 3}}],
    {"name": "set fan", "arguments": {"speed": 3}},
    [{"name": "set fan", "arguments": '{"speed": 3}'}],
    [{"function": {"name": "set fan", "arguments": {"speed": 3}}}],
    [{"id": "c1", "type": "function", "function": {"name": "set fan", "arguments": '{"speed": 3}'}}],
    '[{"name": "set fan", "arguments": {"speed": 3}}]',
])  # fmt: skip
def test_answers_in_other_forms(tmp_path, answers):
    assert read_one(tmp_path, {"query": "q", "answers": answers}) == {"query": "q", "answers": [call(speed=3)]}


@pytest.mark.parametrize("answers", [[], None, "", "[]"])
def test_no_call(tmp_path, answers):
    assert read_one(tmp_path, {"query": "q", "answers": answers}) == {"query": "q", "answers": []}


@pytest.mark.parametrize("arguments", [{}, None, "", "{}"])
def test_a_call_without_arguments(tmp_path, arguments):
    row = {"query": "q", "answers": [{"name": "set fan", "arguments": arguments}, {"name": "set fan"}]}
    assert read_one(tmp_path, row)["answers"] == [call(), call()]


def test_values_stay_as_they_are(tmp_path):
    """What a schema wants of a value is for refine to see to."""
    arguments = {"n": "21", "deep": {"list": [1, 2.5, None, {"x": True}]}, "ü": "Größe"}
    assert read_one(tmp_path, {"query": "q", "answers": [call(**arguments)]})["answers"] == [call(**arguments)]


@pytest.mark.parametrize("row", [
    {"relevant_tools": ["set fan"]}, {"relevant_tools": "set fan"}, {"relevant_tools": ["set fan"], "answers": None},
])  # fmt: skip
def test_only_the_tools_are_known(tmp_path, row):
    assert read_one(tmp_path, {"query": "q", **row}) == {"query": "q", "relevant_tools": ["set fan"]}


def test_history_in_the_roles_of_chats(tmp_path):
    history = [
        {"role": "system", "content": "You are a car."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": call(speed=1)}]},
        {"role": "tool", "content": {"ok": True}, "tool_call_id": "1"},
        {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
        {"role": "function", "name": "set fan", "content": "ok"},
    ]
    found = jsonl.read(folder(tmp_path, [TOOL], train=[{"query": "q", "history": history, "answers": []}] * 2))
    assert found.examples[0] == {"query": "q", "split": "train", "answers": [], "history": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call(speed=1)]},
        {"role": "tool", "content": '{"ok": true}'},
        {"role": "assistant", "content": "Done."},
        {"role": "tool", "content": "ok"},
    ]}  # fmt: skip
    assert found.notes[-1] == "left out, since nothing reads them: messages of system and developer (2)"
    assert "history" not in read_one(tmp_path, {"query": "q", "history": None, "answers": []})


def test_a_tool_that_names_no_arguments_has_those_of_its_calls(tmp_path):
    history = [{"role": "assistant", "tool_calls": call(x=[1])}]
    rows = [{"query": "q", "answers": [call(speed=1, place="rear"), call(speed=2.5, on=True, mode=None)]},
            {"query": "r", "answers": [call(mode="eco")], "history": history}]  # fmt: skip
    held_out = [{"query": "s", "answers": [call(no=1)]}]
    found = jsonl.read(folder(tmp_path, [TOOL, {"name": "b"}], train=rows, test=held_out))
    assert found.functions[0]["parameters"] == {"type": "object", "properties": {
        "speed": {"type": "number"}, "place": {"type": "string"}, "on": {"type": "boolean"},
        "mode": {"type": ["null", "string"]}, "x": {"type": "array"},
    }}  # fmt: skip
    assert found.functions[1]["parameters"]["properties"] == {}
    assert found.notes == ["1 tools that name no arguments have those of their calls: set fan"]


def test_a_trajectory(tmp_path):
    steps = [{"thought": None, **call(speed=1), "observation": {"ok": 1}}, {**call(speed="2")}]
    found = read_one(tmp_path, {"query": "q", "steps": steps, "relevant_tools": ["set fan"]})
    assert found["steps"] == [
        {"thought": "", **call(speed=1), "observation": '{"ok": 1}'},
        {"thought": "", **call(speed="2"), "observation": ""},
    ]
    assert found["final_answer"] == "" and found["relevant_tools"] == ["set fan"]


def test_unknown_keys_are_left_out_and_noted_once(tmp_path):
    rows = [{"id": 7, "query": "q", "answers": [], "speaker": "anna", "locale": "de"}] * 3
    found = jsonl.read(folder(tmp_path, [TOOL | {"strict": True}], train=rows))
    assert found.functions == [TOOL]
    assert found.examples == [{"query": "q", "split": "train", "answers": [], "source": "7"}] * 3
    assert found.notes == ["left out, since nothing reads them: locale (3), speaker (3), strict (1)"]


def test_what_editors_leave_behind(tmp_path):
    folder(tmp_path, [], train=[])
    (tmp_path / "tools.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(TOOL).encode() + b"\r\n\r\n")
    row = json.dumps({"query": "a\u2028b", "answers": []}, ensure_ascii=False).encode()
    (tmp_path / "train.jsonl").write_bytes(b"\xef\xbb\xbf\r\n" + row + b"\r\n  \r\n" + row)
    found = jsonl.read(tmp_path)
    assert found.functions == [TOOL] and [example["query"] for example in found.examples] == ["a\u2028b"] * 2


def test_repeated_tools(tmp_path):
    other = TOOL | {"description": "Something else."}
    found = jsonl.read(folder(tmp_path, [TOOL, TOOL, other, other], train=[]))
    assert found.functions == [TOOL]
    alike, differing = found.notes
    assert alike.startswith("1 repeated") and f"set fan ({tmp_path}/tools.jsonl:3)" in differing


# What cannot be taken.


@pytest.mark.parametrize(("tool", "said"), [
    ("{", "not JSON"), ("[]", "expected an object, found []"), ('{"name": NaN}', "not a finite number"),
    ('{"name": "\\ud800"}', "surrogate"), ({"description": "d"}, "expected a tool's name, found null"),
    ({"name": " "}, "expected a tool's name"), ({"name": "a<b"}, "without < and >"),
    ({"name": "a", "description": 3}, "expected a description of a"),
    ({"name": "a", "parameters": [1]}, "expected a JSON Schema, an object, found [1]"),
    ({"name": "a", "parameters": {"type": "array"}}, "JSON Schema of an object"),
    ({"name": "a", "parameters": {"properties": {"x": {"type": 3}}}}, ".x: expected a type, a text, found 3"),
    ({"name": "a", "parameters": {"properties": {"x": 3}}}, ".x: expected a JSON Schema, found 3"),
    ({"name": "a", "parameters": {"properties": [3]}}, "expected properties, an object, found [3]"),
    ({"name": "a", "parameters": "x"}, "not JSON"),
    ({"name": "a", "parameters": {"required": "x"}}, "Expected array for 'required'"),
])  # fmt: skip
def test_a_bad_tool_is_refused_with_its_line(tmp_path, tool, said):
    with pytest.raises(BadRecord) as refused:
        jsonl.read(folder(tmp_path, [TOOL, "", tool], train=[]))
    assert str(refused.value).startswith(f"{tmp_path}/tools.jsonl:3") and said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("row", "said"), [
    ({"answers": []}, "expected a query, a text that is not empty, found null"),
    ({"query": " ", "answers": []}, "expected a query"),
    ({"query": "q"}, 'expected one of answers, relevant_tools and steps, found ["query"]'),
    ({"query": "q", "answers": 3}, "answers: expected a list, found 3"),
    ({"query": "q", "answers": ["set fan"]}, 'answers, item 1: expected an object, found "set fan"'),
    ({"query": "q", "answers": [call(), call("fly")]}, 'expected the name of a tool that the catalog has, found "fly"'),
    ({"query": "q", "answers": [{"name": "set fan", "parameters": {"speed": 1}}]}, "expected a call"),
    ({"query": "q", "answers": [{"name": "set fan", "arguments": [1]}]}, "expected a call"),
    ({"query": "q", "answers": [{"name": "set fan", "arguments": "{speed"}]}, "answers, item 1: arguments: not JSON"),
    ({"query": "q", "relevant_tools": ["fly"]}, 'found "fly"'),
    ({"query": "q", "relevant_tools": [["x"]]}, 'found ["x"]'),
    ({"query": "q", "relevant_tools": {"a": 1}}, "expected relevant_tools, a list of names"),
    ({"query": "q", "answers": [], "split": "eval"}, 'expected a split, one of train, found "eval"'),
    ({"query": "q", "answers": [], "history": "hello"}, "history: expected a list"),
    ({"query": "q", "answers": [], "history": [{"role": "judge", "content": ""}]}, "history, item 1: expected a role"),
    ({"query": "q", "answers": [], "history": [{"role": "assistant", "tool_calls": [call("fly")]}]}, 'found "fly"'),
    ({"query": "q", "steps": [{"thought": "t"}]}, "steps, item 1: "),
    ({"query": "q", "steps": [{"thought": "t", **call("fly")}]}, 'found "fly"'),
])  # fmt: skip
def test_a_bad_example_is_refused_with_its_line(tmp_path, row, said):
    with pytest.raises(BadRecord) as refused:
        jsonl.read(folder(tmp_path, [TOOL], train=[{"query": "q", "answers": []}, row]))
    assert str(refused.value).startswith(f"{tmp_path}/train.jsonl:2: ") and said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_text_that_is_not_utf8(tmp_path):
    folder(tmp_path, [TOOL], train=[])
    (tmp_path / "train.jsonl").write_bytes(b'{"query": "q", "answers": []}\n{"query": "\xff"}\n')
    with pytest.raises(BadRecord, match="train.jsonl:2: not UTF-8"):
        jsonl.read(tmp_path)


def test_missing_files(tmp_path):
    with pytest.raises(BadRecord, match="there is no file .*tools.jsonl"):
        jsonl.read(tmp_path)
    with pytest.raises(BadRecord, match="expected examples, found none of train.jsonl"):
        jsonl.read(folder(tmp_path, [TOOL]))


@pytest.mark.skipif(not METATOOL.is_dir(), reason=f"{METATOOL} is not here")
def test_real_data():
    found = jsonl.read(METATOOL)
    assert len(found.functions) == 199 and len(found.examples) == 18445 + 2099
    assert found.notes == ["not read: test_multi.jsonl"]


WORDS = st.sampled_from(["name", "arguments", "function", "type", "role", "content", "properties", "required", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "{", "a", "object", "\ud800"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6,
)  # fmt: skip
TOOLS = st.fixed_dictionaries(
    {"name": st.just("a") | ANYTHING},
    optional={"description": ANYTHING, "parameters": ANYTHING | st.fixed_dictionaries({"properties": ANYTHING})},
)
TURNS = st.fixed_dictionaries({"role": st.just("assistant") | ANYTHING}, optional={"tool_calls": ANYTHING})
ROWS = st.fixed_dictionaries(
    {"query": st.just("q") | ANYTHING},
    optional={
        "answers": ANYTHING, "relevant_tools": ANYTHING, "steps": ANYTHING, "accept": ANYTHING, "split": ANYTHING,
        "history": st.lists(TURNS, max_size=1) | ANYTHING, "final_answer": ANYTHING, "id": ANYTHING,
    },
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(TOOLS, ROWS)
def test_whatever_stands_there_is_taken_or_refused_in_one_line(tmp_path_factory, tool, row):
    path = folder(tmp_path_factory.mktemp("jsonl"), [{"name": "a"}, tool], examples=[row])
    try:
        found = jsonl.read(path)
    except BadRecord as refused:
        assert str(path) in str(refused) and "\n" not in str(refused)
    else:
        imported.write(found, path / "imported")
        assert imported.read(path / "imported") == found
