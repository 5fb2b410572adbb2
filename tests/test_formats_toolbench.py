import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_imports import NAME, QUERY, TEXT, VALUE

from toolgen import schemas
from toolgen.formats import imported, toolbench, trees
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord

TOOLBENCH = Path(__file__).parents[2] / "shared/toolbench"
real = pytest.mark.skipif(not TOOLBENCH.is_dir(), reason="needs ../shared/toolbench, ToolBench's own sample")


def parameter(name: str = "city", **changes: object) -> dict:
    return {"name": name, "type": "STRING", "description": "", "default": "", **changes}


def api(name: str = "Get Rain", required: list = (), optional: list = (), **changes: object) -> dict:
    lists = {"required_parameters": list(required), "optional_parameters": list(optional)}
    return {"tool_name": "Sky Now", "api_name": name, "api_description": " Rain. ", **lists, **changes}


def row(query: str = "will it rain", apis: list | None = None, **changes: object) -> dict:
    apis = [api()] if apis is None else apis
    relevant = [[one["tool_name"], one["api_name"]] for one in apis]
    return {"query": query, "api_list": apis, "relevant APIs": relevant, "query_id": 1, **changes}


def node(kind: str, text: str, *children: dict, **more: object) -> dict:
    return {"node_type": kind, "description": text, "children": list(children), **more}


def end(return_type: str = "give_answer", **given: object) -> dict:
    text = json.dumps({"return_type": return_type, **given})
    return node("Action", "Finish", node("Action Input", text))


def step(function: str, arguments: str, *children: dict, observation: str = "seen") -> dict:
    return node("Action", function, node("Action Input", arguments, *children, observation=observation))


def tree(*children: dict, functions: tuple[str, ...] = ("get_rain_for_sky_now",), query: str = "will it rain") -> dict:
    listed = [{"name": name, "parameters": {"type": "object", "properties": {}}} for name in functions]
    generated = {"query": query, "function": [*listed, {"name": "Finish"}]}
    return {"tree": {"tree": node("Action Input", "", *children)}, "answer_generation": generated}


def read(folder: Path, **files: object) -> Imported:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return toolbench.read(folder)


def properties_of(folder: Path, **lists: list) -> dict:
    return read(folder, queries=[row(apis=[api(**lists)])]).functions[0]["parameters"]


PART = NAME.filter(lambda name: "&" not in name)
PARAMETER = st.sampled_from([
    {"type": "string"}, {"type": "string", "default": "x", "description": "An x."}, {"type": "number", "default": -1.5},
    {"type": "integer", "default": 3}, {"type": "boolean", "default": False}, {"type": "array", "default": []},
    {"type": "object", "default": {"x": None}},
])  # fmt: skip


@st.composite
def toolbench_imports(draw) -> Imported:
    functions = []
    for name in sorted(draw(st.sets(st.builds("{}&&{}".format, PART, PART), min_size=1, max_size=4))):
        properties = draw(st.dictionaries(NAME, PARAMETER, max_size=3))
        required = [one for one in properties if draw(st.booleans())]
        schema = {"type": "object", "properties": properties, "required": required}
        functions.append({"name": name, "description": draw(TEXT).strip(), "parameters": schema})
    used, examples = st.sampled_from(functions), []
    for query in draw(st.lists(QUERY.map(str.strip), max_size=4, unique=True)):
        example, kind = {"query": query}, draw(st.sampled_from(("relevant_tools", "steps", "both")))
        if kind != "steps":
            relevant = draw(st.lists(used, min_size=1, max_size=3, unique_by=lambda tool: tool["name"]))
            example |= draw(st.sampled_from(({}, {"split": "eval"})))
            example |= {"relevant_tools": [tool["name"] for tool in relevant]}
        if kind != "relevant_tools":
            steps = []
            for tool in draw(st.lists(used, min_size=1, max_size=3)):
                arguments = {name: draw(VALUE) for name in tool["parameters"]["properties"] if draw(st.booleans())}
                said = {"thought": draw(TEXT), "name": tool["name"]}
                steps.append(said | {"arguments": arguments, "observation": draw(TEXT)})
            example |= {"steps": steps, "final_answer": draw(TEXT)}
        examples.append(example)
    examples.sort(key=lambda one: ("relevant_tools" not in one, one.get("split") == "eval"))
    return Imported(functions, examples)


@settings(max_examples=40, deadline=None)
@given(toolbench_imports())
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("toolbench")
    assert toolbench.write(found, folder) == []
    assert toolbench.read(folder) == found


def test_an_export_says_what_it_leaves_out(tmp_path):
    schema = {"type": "object", "properties": {"x": {"type": "string", "enum": ["a"]}, "y": {"type": ["string"]}}}
    held_out = {"query": "r", "split": "validation", "relevant_tools": ["a&&b"]}
    examples = [{"query": "q", "answers": []}, held_out]
    notes = toolbench.write(Imported([{"name": "a&&b", "description": "", "parameters": schema}], examples), tmp_path)
    assert [note.split()[0:2] for note in notes] == [["2", "parameters"], ["2", "examples"]]
    with pytest.raises(BadRecord, match='toolbench: expected a tool called tool&&api, found "b"'):
        toolbench.write(Imported([{"name": "b", "description": "", "parameters": schema}], []), tmp_path)


@real
def test_the_sample_has_its_tools_pairs_and_trajectories():
    found = toolbench.read(TOOLBENCH / "data_example")
    kinds = Counter("steps" if "steps" in example else "relevant_tools" for example in found.examples)
    assert (len(found.functions), kinds) == (66, {"relevant_tools": 10, "steps": 9})
    assert {"6 trees without an answer left out", "1 queries without relevant APIs left out"} < set(found.notes)
    assert sum(len(example.get("steps", [])) for example in found.examples) == 25
    for number, example in enumerate(found.examples):
        imported.check(example, found.catalog(), str(number))
    for tool in found.functions:
        schemas.arguments_grammar(tool["name"], tool["parameters"])


@real
def test_the_solvable_queries_are_for_evaluation(tmp_path):
    found = toolbench.read(TOOLBENCH / "stabletoolbench_solvable")
    assert (len(found.functions), len(found.examples)) == (634, 337)  # of 338 queries one stands there twice
    assert {example["split"] for example in found.examples} == {"eval"}
    toolbench.write(found, tmp_path)
    again = toolbench.read(tmp_path)
    assert (again.functions, again.examples) == (found.functions, found.examples)


@real
def test_functions_of_real_trees_are_the_apis_of_real_lists():
    found = toolbench.read(TOOLBENCH)
    steps = [step for example in found.examples for step in example.get("steps", [])]
    assert {"name": "Transitaires&&Transitaire", "arguments": {"id": "Gondrand"}} in [
        {"name": step["name"], "arguments": step["arguments"]} for step in steps
    ]
    assert sum(step["name"].partition("&&")[0] == "Streaming Availability" for step in steps) == 2


@pytest.mark.parametrize("said, default, schema", [
    ("STRING", "x", {"type": "string", "default": "x"}),
    ("string", "", {"type": "string"}),
    ("STRING", 5, {"type": "string"}),
    ("NUMBER", "5", {"type": "number", "default": 5}),
    ("NUMBER", 5, {"type": "number", "default": 5}),
    ("NUMBER", "five", {"type": "number"}),
    ("NUMBER", "NaN", {"type": "number"}),
    ("NUMBER", "true", {"type": "number"}),
    ("NUMBER", [], {"type": "number"}),
    ("BOOLEAN", "True", {"type": "boolean", "default": True}),
    ("BOOLEAN", False, {"type": "boolean", "default": False}),
    ("BOOLEAN", "1", {"type": "boolean"}),
    ("ARRAY", "[1]", {"type": "array", "default": [1]}),
    ("OBJECT", "{}", {"type": "object", "default": {}}),
    ("ENUM", "a", {"type": "string", "default": "a"}),
    ("DATE (YYYY-MM-DD)", "", {"type": "string"}),
    (None, None, {"type": "string"}),
])  # fmt: skip
def test_types_and_defaults(tmp_path, said, default, schema):
    found = properties_of(tmp_path, required=[parameter(type=said, default=default)])
    assert found == {"type": "object", "properties": {"city": schema}, "required": ["city"]}


def test_optional_parameters_are_not_required(tmp_path):
    optional = [parameter("b", description=" B. "), parameter("a")]
    found = properties_of(tmp_path, required=[parameter("a")], optional=optional)
    assert found["required"] == ["a"]
    assert found["properties"] == {"a": {"type": "string"}, "b": {"type": "string", "description": "B."}}


def test_a_way_with_an_answer_is_taken_and_no_other(tmp_path):
    thought = node("Thought", "Look.", step("get_rain_for_sky_now", "{}", end(final_answer="Yes.")))
    gave_up = step("get_rain_for_sky_now", "{}", end("give_up_and_restart"))
    document = tree(gave_up, step("get_rain_for_sky_now", "{}"), thought)
    (example,) = read(tmp_path, queries=[row()], answer=document).examples
    look = {"thought": "Look.", "name": "Sky Now&&Get Rain", "arguments": {}, "observation": "seen"}
    assert example == {
        "query": "will it rain", "relevant_tools": ["Sky Now&&Get Rain"], "steps": [look], "final_answer": "Yes."
    }  # fmt: skip


def test_of_several_answers_the_one_that_the_tree_names_is_taken(tmp_path):
    first, second = (step("get_rain_for_sky_now", "{}", end(final_answer=text)) for text in ("No.", "Yes."))
    document = tree(first, second)
    document["answer_generation"]["final_answer"] = second["children"][0]["children"][0]["children"][0]["description"]
    assert read(tmp_path, answer=document).examples[0]["final_answer"] == "Yes."


def test_trees_that_give_up_leave_their_tools(tmp_path):
    found = read(tmp_path, answer=tree(step("get_rain_for_sky_now", "{}", end("give_up_and_restart"))))
    assert (found.examples, found.notes) == ([], ["1 trees without an answer left out"])
    assert [tool["name"] for tool in found.functions] == ["sky_now&&get_rain"]


def test_an_answer_in_broken_json_is_still_one(tmp_path):
    broken = '{\n "return_type": "give_answer",\n "final_answer": "It says "rain"."\n}'
    finish = node("Action", "Finish", node("Action Input", broken))
    found = read(tmp_path, answer=tree(step("get_rain_for_sky_now", "{}", finish)))
    assert found.examples[0]["final_answer"] == 'It says "rain".'


def test_steps_that_call_nothing_are_left_out(tmp_path):
    last = step("get_rain_for_sky_now", '{"x"', step("get_rain_for_sky_now", "[]", end(final_answer="Yes.")))
    document = tree(step("get_rain_for_sky_now", "{}", step("imagined", "{}", last)))
    found = read(tmp_path, answer=document)
    assert len(found.examples[0]["steps"]) == 1
    assert found.notes[0].startswith("3 steps that call no function")
    assert "1 answers without a call left out" in read(tmp_path, answer=tree(end(final_answer="Yes."))).notes


def test_arguments_get_their_names_back(tmp_path):
    listed = api(required=[parameter("id"), parameter("Zip-Code"), parameter("2nd")])
    given = {"is_id": "1", "zip_code": "2", "get_2nd": "3", "other": "4"}
    answered = step("get_rain_for_sky_now", json.dumps(given), end(final_answer="Yes."))
    (example,) = read(tmp_path, queries=[row(apis=[listed])], answer=tree(answered)).examples
    assert example["steps"][0]["arguments"] == {"id": "1", "Zip-Code": "2", "2nd": "3", "other": "4"}


def test_a_query_s_own_list_decides_between_tools_that_fall_together(tmp_path):
    apis = [api(), api(tool_name="sky-now")]
    document = tree(step("get_rain_for_sky_now", "{}", end(final_answer="Yes.")))
    queries = [row("another", apis), row(apis=apis[1:])]
    found = read(tmp_path, queries=queries, answer=document)
    assert [step["name"] for step in found.examples[1]["steps"]] == ["sky-now&&Get Rain"]


def test_names_in_trees():
    long = "b" * 70
    names = ["Sky Now&&/v2/rain/", "Sky Now&&from", "Sky Now&&3 days", "A&&x y", "A&&x-y", "A&&x y_2", f"A&&{long}"]
    assert {name: function for function, name in trees.function_names(names).items()} == {
        "Sky Now&&/v2/rain/": "v2_rain_for_sky_now",
        "Sky Now&&from": "is_from_for_sky_now",
        "Sky Now&&3 days": "get_3_days_for_sky_now",
        "A&&x y": "x_y_for_a",
        "A&&x-y": "x_y_for_a_2",
        "A&&x y_2": "x_y_2_for_a",
        f"A&&{long}": "b" * 58 + "_for_a",
    }


def test_a_function_that_no_list_describes_goes_by_its_own_names(tmp_path):
    document = tree(step("rain_for_me_for_sky", "{}", end(final_answer="Yes.")), functions=("rain_for_me_for_sky",))
    own = document["answer_generation"]["function"][0]
    described = 'you can use this tool.The description of this function is: "Rain."'
    own["description"] = f'This is the subfunction for tool "me_for_sky", {described}'
    own["parameters"]["properties"] = {"is_id": {"type": "integer", "description": "", "example_value": 3}}
    (tool,) = read(tmp_path, answer=document).functions
    assert tool == {"name": "me_for_sky&&rain", "description": "Rain.", "parameters": {
        "type": "object", "properties": {"is_id": {"type": "integer", "default": 3}}, "required": []
    }}  # fmt: skip


def test_tool_documents_are_tools(tmp_path):
    document = {"tool_name": "Sky Now", "api_list": [{"name": "Rain", "description": None}, {"name": "Sun"}]}
    assert [tool["name"] for tool in read(tmp_path, sky=document).functions] == ["Sky Now&&Rain", "Sky Now&&Sun"]


def test_test_instructions_are_for_evaluation(tmp_path):
    (tmp_path / "test_instruction").mkdir()
    (tmp_path / "test_instruction/G1.json").write_text(json.dumps([row("a"), row("b")]), encoding="utf-8")
    found = read(tmp_path, queries=[row("a"), row("c")])
    assert [(row["query"], row.get("split")) for row in found.examples] == [("c", None), ("a", "eval"), ("b", "eval")]
    assert "1 repeated queries left out" in found.notes


def test_a_file_of_another_form_in_a_folder_is_counted_alone_it_is_a_mistake(tmp_path):
    (tmp_path / "response_examples").mkdir()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "response_examples/empty.json").touch()
    assert read(tmp_path, queries=[row()], ids={"1": 0}).notes == ["1 files of another form left out"]
    with pytest.raises(BadRecord, match="ids.json: expected queries with an api_list"):
        toolbench.read(tmp_path / "ids.json")
    with pytest.raises(BadRecord, match="expected instruction files, answer trees or tool documents"):
        toolbench.read(tmp_path / "nothing")


@pytest.mark.parametrize("content, told", [
    ([row(), row(query=" ")], 'item 2: expected a query, a text that is not empty, found " "'),
    ([row(api_list=None)], "item 1: api_list: expected a list, found null"),
    ([row(apis=[api(api_name="")])], "item 1: api_list, item 1: expected an API with the name of its tool"),
    ([row(apis=[api(api_description=3)])], "item 1: api_list, item 1: expected a description, a text, found 3"),
    ([row(apis=[api(required=[{"type": "STRING"}])])], "required_parameters, item 1: expected a parameter's name"),
    ([row(**{"relevant APIs": []})], "item 1: expected relevant APIs, a list that is not empty"),
    ([row(**{"relevant APIs": [["Sky Now", "Snow"]]})], "expected a relevant API, [tool_name, api_name], that some"),
    ({"answer_generation": {}}, "queries.json: expected answer_generation with a query, found {}"),
    (tree() | {"tree": None}, "queries.json: expected a tree, found null"),
    (tree({"node_type": "Action"}), "expected a node of the tree with node_type and description"),
    (tree(functions=("rain",)), 'queries.json: expected a function named api_for_tool, found "rain"'),
])  # fmt: skip
def test_mistakes_name_their_file_and_item(tmp_path, content, told):
    with pytest.raises(BadRecord) as error:
        read(tmp_path, queries=content)
    assert str(error.value).startswith(str(tmp_path / "queries.json")) and told in str(error.value)
