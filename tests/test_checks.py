import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolgen import catalog as catalogs
from toolgen.calltext import read, write
from toolgen.checks import (
    MAX_REPLY,
    REASONS,
    Rejected,
    check_call,
    check_example,
    check_query,
    parse_reply,
    repair_call,
)
from toolgen.records import BadRecord

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
WINDOW = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}
REPLY = {"query": "open my window", "answers": [WINDOW]}
PLAIN = catalogs.build(
    [
        {
            "name": "search",
            "parameters": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1},
                    "price": {"type": "number"},
                    "exact": {"type": "boolean", "default": False},
                },
                "required": ["text"],
                "additionalProperties": False,
            },
        }
    ],
    [],
)


def changed(**arguments) -> dict:
    """The window call with some arguments other; None takes one away."""
    merged = {**WINDOW["arguments"], **arguments}
    return {"name": WINDOW["name"], "arguments": {key: value for key, value in merged.items() if value is not None}}


def accessor_call(function: str, name: str, area: int, *value) -> dict:
    written = {"value": value[0]} if value else {}
    return {"name": function, "arguments": {"propertyName": name, "areaId": area, **written}}


def reason_of(check, *arguments) -> str:
    with pytest.raises(Rejected) as rejection:
        check(*arguments)
    assert rejection.value.reason in REASONS
    assert "\n" not in rejection.value.detail and len(rejection.value.detail) < 300
    return rejection.value.reason


# parse_reply


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(REPLY),
        json.dumps(REPLY, indent=2),
        f"```json\n{json.dumps(REPLY)}\n```",
        f"```\n{json.dumps(REPLY)}\n```",
        f"Sure! Here it is:\n\n```json\n{json.dumps(REPLY, indent=1)}\n```\nAnything else?",
        f"\ufeff {json.dumps(REPLY)} ",
        json.dumps(REPLY | {"query": "\n open my window  "}),
    ],
)
def test_one_object_is_found_in_what_surrounds_it(text):
    assert parse_reply(text) == REPLY


def test_other_keys_are_kept_and_no_calls_are_a_right_answer():
    reply = {"query": "how are you", "answers": [], "phrases": ["a {b}", "```"], "thought": None}
    assert parse_reply(json.dumps(reply)) == reply


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("I would rather not.", "not_json"),
        ("}{", "not_json"),
        ("{", "not_json"),
        ("null", "not_json"),
        (json.dumps([REPLY]), "not_json"),
        (json.dumps(REPLY) * 2, "not_json"),
        (f"{json.dumps(REPLY)}\n{json.dumps(REPLY)}", "not_json"),
        (json.dumps(REPLY)[:-1], "not_json"),
        (json.dumps(REPLY).replace('"', "'"), "not_json"),
        (json.dumps(REPLY | {"x": float("nan")}), "not_json"),
        (json.dumps(REPLY | {"x": float("-inf")}), "not_json"),
        (json.dumps(REPLY | {"x": 0}).replace("0}", "1e999}"), "not_json"),
        (json.dumps(REPLY | {"x": 0}).replace("0}", "1" * 5000 + "}"), "not_json"),
        (json.dumps(REPLY | {"query": "\ud800"}), "not_json"),
        ('{"query":' * 7000, "not_json"),
        ('{"query":' * 7000 + "1" + "}" * 100, "not_json"),
        ('{"query": "q", "answers": [], "x": ' + "[" * 900 + "]" * 900 + "}", "bad_form"),
        ("{}", "bad_form"),
        (json.dumps({"answers": []}), "bad_form"),
        (json.dumps(REPLY | {"query": 3}), "bad_form"),
        (json.dumps(REPLY | {"query": ""}), "empty_query"),
        (json.dumps(REPLY | {"query": " \n\t"}), "empty_query"),
        (json.dumps(REPLY | {"query": "x" * 2001}), "query_too_long"),
        (json.dumps({"query": "q"}), "bad_form"),
        (json.dumps(REPLY | {"answers": None}), "bad_form"),
        (json.dumps(REPLY | {"answers": WINDOW}), "bad_form"),
        (json.dumps(REPLY | {"answers": ["open"]}), "bad_form"),
        (json.dumps(REPLY | {"answers": [{"name": "f"}]}), "bad_form"),
        (json.dumps(REPLY | {"answers": [{"name": 1, "arguments": {}}]}), "bad_form"),
        (json.dumps(REPLY | {"answers": [{"name": "f", "arguments": "{}"}]}), "bad_form"),
        (json.dumps(REPLY | {"answers": [WINDOW | {"id": 1}]}), "bad_form"),
    ],
)
def test_anything_else_is_rejected(text, reason):
    assert reason_of(parse_reply, text) == reason


def test_a_query_of_2000_characters_is_the_longest():
    assert check_query("  " + "x" * 2000 + "  ") is None
    assert reason_of(check_query, "x" * 2001) == "query_too_long"


@pytest.mark.parametrize("pattern", ["{", '{"a":', '{"{":1,', '{"a":"', "[{", "}{", "```json\n{", '{"query":"\\"', " "])
def test_ten_megabytes_do_not_hang(pattern):
    start = time.perf_counter()
    assert reason_of(parse_reply, pattern * (10_000_000 // len(pattern))) == "not_json"
    assert reason_of(parse_reply, (pattern * MAX_REPLY)[: MAX_REPLY - 1] + "}") == "not_json"
    assert time.perf_counter() - start < 1


def test_the_limit_says_itself():
    with pytest.raises(Rejected, match="longer than 65536 characters"):
        parse_reply("x" * (MAX_REPLY + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
json_like = st.lists(
    st.sampled_from([*'{}[]:,"\\\n ', '"query"', '"answers"', '"name"', "NaN", "1e999", "\\ud800", "```", "9" * 20])
    | st.text(max_size=3),
    max_size=30,
).map("".join)
near_replies = st.fixed_dictionaries(
    {"query": json_values, "answers": st.lists(json_values | st.just(WINDOW), max_size=3) | json_values},
    optional={"x": json_values},
).map(json.dumps)


@given(st.text() | st.text(st.characters()) | json_like | json_values.map(json.dumps) | near_replies)
def test_parse_raises_nothing_but_rejected(text):
    try:
        reply = parse_reply(text)
    except Rejected as rejection:
        assert rejection.reason in REASONS
    else:
        assert 1 <= len(reply["query"]) <= 2000
        json.dumps(reply, allow_nan=False, ensure_ascii=False).encode("utf-8")


@given(
    st.fixed_dictionaries({"query": st.text(min_size=1, max_size=50).filter(str.strip), "answers": st.just([WINDOW])}),
    st.text(st.characters(exclude_characters="{}[", exclude_categories=["Cs"]), max_size=50),
    st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=50),
)
def test_a_right_reply_is_read_whatever_is_said_around_it(reply, before, after):
    assert parse_reply(before + json.dumps(reply) + after) == reply | {"query": reply["query"].strip()}


def test_a_reason_comes_from_the_closed_list():
    assert len(set(REASONS)) == len(REASONS) == 19
    with pytest.raises(AssertionError):
        Rejected("looks_odd")


# repair_call


@pytest.mark.parametrize(
    ("call", "value", "repairs"),
    [
        (accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, 21), 21.0, ["int_to_float"]),
        (accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, "21"), 21.0, ["parsed_string"]),
        (accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, " 22.5 "), 22.5, ["parsed_string"]),
        (changed(value=5.0), 5, ["float_to_int"]),
        (changed(value="5"), 5, ["parsed_string"]),
        (changed(value="5.0"), 5, ["parsed_string"]),
        (accessor_call("setIntProperty", "HVAC_SEAT_TEMPERATURE", 1, "-2"), -2, ["parsed_string"]),
        (accessor_call("setBooleanProperty", "DOOR_LOCK", 1, "true"), True, ["parsed_string"]),
        (accessor_call("setBooleanProperty", "DOOR_LOCK", 1, "False"), False, ["parsed_string"]),
        (accessor_call("setIntProperty", "DOOR_LOCK", 1, True), True, ["accessor"]),
        (accessor_call("setIntProperty", "HVAC_TEMPERATURE_SET", 1, 21), 21.0, ["accessor", "int_to_float"]),
        (changed(areaId="16"), 10, ["parsed_string"]),
        (changed(areaId=16.0), 10, ["float_to_int"]),
        (changed(areaId="16", value="5"), 5, ["parsed_string", "parsed_string"]),
    ],
)
def test_what_has_one_right_answer_is_repaired(call, value, repairs):
    before = json.dumps(call)
    repaired, done = repair_call(call, CATALOG)
    assert done == repairs
    assert repaired["arguments"]["value"] == value and type(repaired["arguments"]["value"]) is type(value)
    assert json.dumps(call) == before
    check_call(repaired, CATALOG)
    assert repair_call(repaired, CATALOG) == (repaired, [])


def test_a_getters_accessor_is_repaired_too():
    call = accessor_call("getIntProperty", "FUEL_LEVEL", 0)
    assert repair_call(call, CATALOG) == (accessor_call("getFloatProperty", "FUEL_LEVEL", 0), ["accessor"])


@pytest.mark.parametrize(
    "call",
    [
        WINDOW,
        changed(value=5.5),
        changed(value="five"),
        changed(value="05"),
        changed(value="1_0"),
        changed(value="٣"),
        changed(value="1e1"),
        changed(value="9" * 5000),
        changed(value=True),
        changed(value=float("inf")),
        changed(value=[5]),
        changed(propertyName="WINDOW"),
        changed(propertyName=["WINDOW_POS"]),
        accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, "nan"),
        accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, "72F"),
        accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, 10**400),
        accessor_call("setBooleanProperty", "DOOR_LOCK", 1, 1),
        accessor_call("setBooleanProperty", "DOOR_LOCK", 1, "yes"),
        accessor_call("setDoubleProperty", "HVAC_TEMPERATURE_SET", 1, 21.0),
        {"name": "openWindow", "arguments": {}},
    ],
)
def test_what_could_mean_several_things_is_left(call):
    assert repair_call(call, CATALOG) == (call, [])


def test_ordinary_arguments_are_repaired_by_their_schema():
    call = {"name": "search", "arguments": {"text": "21", "count": "3", "price": "2.5", "exact": "true"}}
    repaired, repairs = repair_call(call, PLAIN)
    assert repaired["arguments"] == {"text": "21", "count": 3, "price": 2.5, "exact": True}
    assert repairs == ["parsed_string"] * 3
    whole = {"name": "search", "arguments": {"text": "x", "count": 3.0, "price": 21}}
    repaired, repairs = repair_call(whole, PLAIN)
    assert repairs == ["float_to_int"] and type(repaired["arguments"]["price"]) is int


# check_call


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"name": "openWindow", "arguments": {}}, "unknown_function"),
        ({"name": "WINDOW_POS&&set", "arguments": {"areaId": 16, "value": 10}}, "unknown_function"),
        (changed(propertyName="WINDOW"), "unknown_property"),
        (changed(propertyName=None), "unknown_property"),
        (changed(propertyName={"a": 1}), "unknown_property"),
        (changed(propertyName="DOOR_LOCK"), "wrong_accessor"),
        (accessor_call("getFloatProperty", "WINDOW_POS", 16), "wrong_accessor"),
        (accessor_call("getLongProperty", "WINDOW_POS", 16), "wrong_accessor"),
        (changed(value=None), "bad_schema"),
        (changed(areaId=None), "bad_schema"),
        (changed(speed="fast"), "bad_schema"),
        (accessor_call("getIntProperty", "WINDOW_POS", 16, 10), "bad_schema"),
        (changed(areaId=1), "bad_area"),
        (changed(areaId="16"), "bad_area"),
        (changed(areaId=16.0), "bad_area"),
        (changed(areaId=[16]), "bad_area"),
        (accessor_call("getIntProperty", "HVAC_FAN_SPEED", True), "bad_area"),
        (changed(value="10"), "bad_type"),
        (changed(value=10.0), "bad_type"),
        (changed(value=True), "bad_type"),
        (changed(value={}), "bad_type"),
        (accessor_call("setBooleanProperty", "DOOR_LOCK", 1, 1), "bad_type"),
        (accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, "21"), "bad_type"),
        (changed(value=11), "out_of_range"),
        (changed(value=-1), "out_of_range"),
        (changed(areaId=65536, value=-11), "out_of_range"),
        (accessor_call("setIntProperty", "HVAC_FAN_SPEED", 1, 0), "out_of_range"),
        (accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, 33.0), "out_of_range"),
        (accessor_call("setFloatProperty", "EV_CHARGE_PERCENT_LIMIT", 0, 101.0), "out_of_range"),
        (accessor_call("setIntProperty", "HEADLIGHTS_SWITCH", 0, 3), "not_in_enum"),
        (accessor_call("setIntProperty", "HVAC_FAN_DIRECTION", 1, 5), "not_in_enum"),
        (accessor_call("setFloatProperty", "FUEL_LEVEL", 0, 1.0), "read_only"),
        (accessor_call("setFloatProperty", "RANGE_REMAINING", 0, 1000.0), "read_only"),
    ],
)
def test_each_rule_of_the_car_has_its_reason(call, reason):
    assert reason_of(check_call, call, CATALOG) == reason
    assert reason_of(check_example, "do it", [WINDOW, call], CATALOG) == reason


@pytest.mark.parametrize(
    ("call", "first"),
    [
        (accessor_call("flyProperty", "NO_SUCH", 9, "x"), "unknown_function"),
        (accessor_call("setIntProperty", "NO_SUCH", 9, "x"), "unknown_property"),
        (accessor_call("setIntProperty", "FUEL_LEVEL", 9, "x"), "wrong_accessor"),
        (accessor_call("setFloatProperty", "FUEL_LEVEL", 9, "x"), "bad_area"),
        (accessor_call("setFloatProperty", "FUEL_LEVEL", 0, "x"), "bad_type"),
        (accessor_call("setFloatProperty", "TIRE_PRESSURE", 1, 100.0), "out_of_range"),
        (accessor_call("setFloatProperty", "TIRE_PRESSURE", 1, 200.0), "read_only"),
    ],
)
def test_of_several_faults_the_first_in_order_is_named(call, first):
    assert reason_of(check_call, call, CATALOG) == first


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"text": 3},
        {"text": "x", "count": 0},
        {"text": "x", "count": True},
        {"text": "x", "colour": "red"},
        {"text": None},
    ],
)
def test_ordinary_tools_go_by_their_schema(arguments):
    assert reason_of(check_call, {"name": "search", "arguments": arguments}, PLAIN) == "bad_schema"


def test_defaults_are_not_filled_in():
    call = {"name": "search", "arguments": {"text": "x"}}
    check_example("find x", [call], PLAIN)
    assert call["arguments"] == {"text": "x"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "str"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "schema.json"},
        {"type": "string", "pattern": "("},
        "string",
    ],
)
def test_a_tool_with_a_bad_schema_is_the_catalogs_fault(schema):
    catalog = catalogs.build([{"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}], [])
    with pytest.raises(BadRecord, match="f: its parameters are not a JSON Schema"):
        check_call({"name": "f", "arguments": {"a": "x"}}, catalog)


@pytest.mark.parametrize("name", ["id", "$id", "$ref", "type", "value", "propertyName", 'a"]{}'])
def test_an_ordinary_argument_may_have_any_name(name):
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    catalog = catalogs.build([{"name": "f", "parameters": schema}], [])
    check_call({"name": "f", "arguments": {name: "x"}}, catalog)
    assert reason_of(check_call, {"name": "f", "arguments": {name: 1}}, catalog) == "bad_schema"


# check_example


def test_an_example_is_held_against_its_form_too():
    check_example("open my window", [WINDOW], CATALOG)
    check_example("how are you", [], CATALOG)
    assert reason_of(check_example, " ", [WINDOW], CATALOG) == "empty_query"
    assert reason_of(check_example, None, [WINDOW], CATALOG) == "bad_form"
    assert reason_of(check_example, "open", WINDOW, CATALOG) == "bad_form"
    assert reason_of(check_example, "open", [{"name": "f"}], CATALOG) == "bad_form"


@pytest.mark.parametrize(
    ("calls", "end_state"),
    [
        ([], {}),
        ([WINDOW], {"WINDOW_POS": {"16": 10}}),
        ([changed(value=0)], {}),
        ([WINDOW, changed(value=0)], {}),
        ([WINDOW, changed(areaId=64, value=3)], {"WINDOW_POS": {"16": 10, "64": 3}}),
        ([accessor_call("setFloatProperty", "HVAC_TEMPERATURE_SET", 1, 25)], {"HVAC_TEMPERATURE_SET": {"1": 25.0}}),
        ([accessor_call("getFloatProperty", "FUEL_LEVEL", 0)], {}),
    ],
)
def test_the_end_state_is_what_differs_from_the_start(calls, end_state):
    assert check_example("a query", calls, CATALOG) == end_state


def test_without_a_car_there_is_no_end_state():
    assert check_example("find x", [{"name": "search", "arguments": {"text": "x"}}], PLAIN) is None


def test_ordinary_tools_beside_a_car_are_checked_by_their_schema_alone():
    search = PLAIN.functions[0]
    accessors = [{"name": "getIntProperty"}, {"name": "setIntProperty"}]
    window = {"name": "P", "type": "Integer", "access": "ReadWrite", "areas": [{"id": 16, "name": "front left"}]}
    both = catalogs.build([*accessors, search], [window])
    found = {"name": "search", "arguments": {"text": "x"}}
    check_example("find x and close", [found, accessor_call("setIntProperty", "P", 16, 0)], both)
    assert reason_of(check_example, "find", [{"name": "search", "arguments": {}}], both) == "bad_schema"


def test_a_call_that_only_the_car_refuses_is_not_executable():
    secret = {"name": "KEY", "type": "Integer", "access": "WriteOnly", "areas": [{"id": 0, "name": "car"}]}
    catalog = catalogs.build([{"name": "getIntProperty"}, {"name": "setIntProperty"}], [secret])
    check_example("set it", [accessor_call("setIntProperty", "KEY", 0, 1)], catalog)
    assert reason_of(check_example, "q", [accessor_call("getIntProperty", "KEY", 0)], catalog) == "not_executable"


# What the catalog's own schemas allow is allowed, and nothing beside it.


def values(item: catalogs.Property, area: catalogs.Area) -> st.SearchStrategy:
    schema = item.value_schema(area)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "boolean":
        return st.booleans()
    numbers = st.integers if schema["type"] == "integer" else st.floats
    return numbers(schema["minimum"], schema["maximum"])


@st.composite
def valid_calls(draw, tools=CATALOG.tools):
    grantable = [tool for tool in tools if not tool.writes or tool.vehicle_property.writable_on_request]
    tool = draw(st.sampled_from(grantable))
    area = draw(st.sampled_from(tool.vehicle_property.areas))
    value = {"value": draw(values(tool.vehicle_property, area))} if tool.writes else {}
    return {"name": tool.function, "arguments": {**tool.bound, "areaId": area.id, **value}}


SETTERS = [tool for tool in CATALOG.tools if tool.writes]


def mutated(call: dict, **arguments) -> dict:
    return {"name": call["name"], "arguments": {**call["arguments"], **arguments}}


@given(st.lists(valid_calls(), max_size=6))
def test_what_the_catalog_allows_passes_and_survives_call_text(calls):
    check_example("a query", calls, CATALOG)
    assert read(write(calls, CATALOG), CATALOG) == [call for i, call in enumerate(calls) if call not in calls[:i]]
    assert [repair_call(call, CATALOG) for call in calls] == [(call, []) for call in calls]


@given(valid_calls())
def test_json_keeps_a_valid_call_valid(call):
    reply = parse_reply(json.dumps({"query": "q", "answers": [call]}))
    assert reply["answers"] == [call]
    check_call(reply["answers"][0], CATALOG)


@given(valid_calls(), st.integers(-5, 2**31) | st.sampled_from([None, True, "1", 1.0, [], {}]))
def test_another_area_is_refused(call, area):
    known = CATALOG.property_names[call["arguments"]["propertyName"]].areas
    if type(area) is not int or area not in [item.id for item in known]:
        assert reason_of(check_call, mutated(call, areaId=area), CATALOG) == "bad_area"


@given(valid_calls(), st.text(max_size=20) | st.none() | st.integers() | st.lists(st.text(), max_size=1))
def test_another_property_is_refused(call, name):
    assert reason_of(check_call, mutated(call, propertyName=name), CATALOG) == "unknown_property"


@given(valid_calls(), st.sampled_from(sorted(CATALOG.function_names)))
def test_another_accessor_is_refused(call, function):
    if function != call["name"]:
        other = {"name": function, "arguments": call["arguments"]}
        same_type = function[3:] == call["name"][3:]
        assert reason_of(check_call, other, CATALOG) == ("bad_schema" if same_type else "wrong_accessor")


@given(valid_calls(SETTERS), json_values)
def test_a_value_of_another_type_is_refused(call, value):
    item = CATALOG.property_names[call["arguments"]["propertyName"]]
    allowed = {"Boolean": (bool,), "Integer": (int,), "Float": (int, float)}[item.type]
    if type(value) not in allowed:
        assert reason_of(check_call, mutated(call, value=value), CATALOG) == "bad_type"


@given(valid_calls(SETTERS), st.integers(), st.floats(allow_nan=True))
@settings(max_examples=200)
def test_a_value_beyond_range_or_enum_is_refused(call, whole, decimal):
    item = CATALOG.property_names[call["arguments"]["propertyName"]]
    schema = item.value_schema(item.area(call["arguments"]["areaId"]))
    value = decimal if schema["type"] == "number" else whole
    if schema["type"] == "boolean" or schema.get("minimum", value) <= value <= schema.get("maximum", value):
        if value in schema.get("enum", [value]):
            return
    expected = {"out_of_range", "not_in_enum"} if "enum" in schema else {"out_of_range"}
    assert reason_of(check_call, mutated(call, value=value), CATALOG) in expected


@given(st.sampled_from([item for item in CATALOG.properties if not item.writable_on_request]), st.data())
def test_no_request_writes_what_is_for_reading_only(item, data):
    area = data.draw(st.sampled_from(item.areas))
    kind = {"Boolean": st.booleans(), "Integer": st.integers(-5, 5), "Float": st.floats(193, 300),
            "String": st.text(max_size=5), "IntArray": st.lists(st.integers(1, 12), max_size=3)}[item.type]  # fmt: skip
    function = f"set{catalogs.ACCESSOR[item.type][0]}Property"
    call = accessor_call(function, item.name, area.id, data.draw(kind))
    assert reason_of(check_call, call, CATALOG) == "read_only"


names = st.text(max_size=10) | st.sampled_from(["propertyName", "areaId", "value"])
contents = json_values | st.sampled_from(sorted(CATALOG.property_names))
functions = st.text(max_size=30) | st.sampled_from(sorted(CATALOG.function_names))


@given(functions, st.dictionaries(names, contents, max_size=4))
def test_no_call_makes_repair_or_check_fall_over(name, arguments):
    call, _ = repair_call({"name": name, "arguments": arguments}, CATALOG)
    try:
        check_call(call, CATALOG)
    except Rejected as rejection:
        assert re.fullmatch(r"[a-z_]+", rejection.reason)
