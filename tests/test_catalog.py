import json
from pathlib import Path

import pytest

from toolgen import catalog as catalogs
from toolgen.bank import phrases
from toolgen.records import BadRecord

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
CARTOOL = ROOT.parent / "shared/cartool"
needs_cartool = pytest.mark.skipif(not CARTOOL.is_dir(), reason=f"{CARTOOL} is not here")


def cartool_facts(item: dict) -> dict:
    def number(text: str) -> float | None:
        return float(text) if text else None

    areas = [
        (area["areaId"], number(area["minValue"]), number(area["maxValue"]), area["supportedEnumValues"])
        for area in item["areaIdProfiles"]
    ]
    return {"type": item["dataType"], "access": item["access"], "change_mode": item["changeMode"], "areas": areas}


@needs_cartool
def test_facts_are_cartools():
    theirs = json.loads((CARTOOL / "vehicle_properties.json").read_text(encoding="utf-8"))
    ours = {
        item.name: {
            "type": item.type,
            "access": item.access,
            "change_mode": item.change_mode,
            "areas": [(area.id, area.minimum, area.maximum, list(area.enum)) for area in item.areas],
        }
        for item in CATALOG.properties
    }
    assert list(ours) == [item["propertyName"] for item in theirs]
    assert ours == {item["propertyName"]: cartool_facts(item) for item in theirs}


@needs_cartool
def test_accessors_are_cartools():
    theirs = json.loads((CARTOOL / "car_property_functions.json").read_text(encoding="utf-8"))
    assert [function["name"] for function in CATALOG.functions] == [function["name"] for function in theirs]
    for ours, function in zip(CATALOG.functions, theirs, strict=True):
        assert set(ours["parameters"]["properties"]) == set(function["parameters"]["properties"])
        assert set(ours["parameters"]["required"]) == set(function["parameters"]["required"])


@needs_cartool
def test_no_description_is_copied():
    theirs = {
        item["propertyDescription"].split("\n")[0].rstrip(".").lower()
        for item in json.loads((CARTOOL / "vehicle_properties.json").read_text(encoding="utf-8"))
    }
    assert theirs.isdisjoint(item.description.rstrip(".").lower() for item in CATALOG.properties)


@needs_cartool
def test_cartools_folder_loads_as_it_is():
    theirs = catalogs.load(CARTOOL)
    assert [tool.name for tool in theirs.tools] == [tool.name for tool in CATALOG.tools]
    for ours, item in zip(CATALOG.properties, theirs.properties, strict=True):
        assert [area.id for area in item.areas] == [area.id for area in ours.areas]
        assert item.groups == ours.groups
        assert item.conventions == ours.conventions
        if len(item.areas) > 1:  # a single area is never named in call text
            assert [area.name for area in item.areas] == [area.name for area in ours.areas]
    types = {function["parameters"]["type"] for function in theirs.functions}
    assert types == {"object"}
    assert len(phrases.load(ROOT / "data/phrases", theirs).phrases) > 6000, "the bank speaks of their car, too"


def test_48_getters_and_32_setters():
    getters = [tool for tool in CATALOG.tools if tool.name.endswith("&&get")]
    setters = [tool for tool in CATALOG.tools if tool.name.endswith("&&set")]
    assert (len(getters), len(setters), len(CATALOG.tools)) == (48, 32, 80)
    assert not any(tool.writes for tool in getters) and all(tool.writes for tool in setters)
    assert len(CATALOG.by_token) == len(CATALOG.by_name) == 80


@pytest.mark.parametrize("tool", CATALOG.tools, ids=lambda tool: tool.name)
def test_a_virtual_tool_is_its_accessor_with_the_property_bound(tool):
    item = tool.vehicle_property
    assert tool.bound == {"propertyName": item.name}
    assert tool.function in CATALOG.function_names
    call = {"name": tool.function, "arguments": {**tool.bound, "areaId": item.areas[0].id}}
    assert CATALOG.tool_of(call) is tool
    assert tool.parameters["properties"]["areaId"]["enum"] == [area.id for area in item.areas]
    assert tool.token == f"<<{tool.name}>>" and item.description in tool.description


def test_tool_of_finds_nothing_for_what_the_car_lacks():
    for name, bound in (("getIntProperty", "FUEL_LEVEL"), ("setFloatProperty", "FUEL_LEVEL"), ("fly", None)):
        assert CATALOG.tool_of({"name": name, "arguments": {"propertyName": bound}}) is None
    assert CATALOG.tool_of({"name": "getIntProperty", "arguments": {"propertyName": ["list"]}}) is None


def test_groups_follow_the_conventions():
    groups = {item.name: item.groups for item in CATALOG.properties}
    assert groups["WINDOW_POS"] == {
        "all": (16, 64, 256, 1024), "front": (16, 64), "rear": (256, 1024), "left": (16, 256), "right": (64, 1024),
    }  # fmt: skip
    assert groups["DOOR_POS"]["all"] == (1, 4, 16, 64)  # the trunk is named on its own
    assert groups["HVAC_POWER_ON"]["all"] == (1, 4, 16, 64, 32)  # everybody has the middle seat too
    assert groups["HVAC_POWER_ON"]["rear"] == (16, 64)
    assert groups["TIRE_PRESSURE"]["front"] == (1, 2) and groups["TIRE_PRESSURE"]["rear"] == (4, 8)
    assert groups["HVAC_DEFROSTER"] == {"all": (1, 2)}
    assert groups["FUEL_LEVEL"] == {}


def test_value_schema_goes_by_area_and_convention():
    window = CATALOG.property_names["WINDOW_POS"]
    assert window.value_schema(window.area(16)) == {"type": "integer", "minimum": 0, "maximum": 10}
    assert window.value_schema(window.area(65536)) == {"type": "integer", "minimum": -10, "maximum": 10}
    limit = CATALOG.property_names["EV_CHARGE_PERCENT_LIMIT"]
    assert limit.value_schema(limit.areas[0]) == {"type": "number", "minimum": 0.0, "maximum": 100.0}
    lights = CATALOG.property_names["HEADLIGHTS_SWITCH"]
    assert lights.value_schema(lights.areas[0]) == {"type": "integer", "enum": [0, 1, 2, 256]}
    fan = CATALOG.property_names["HVAC_FAN_DIRECTION"]
    assert fan.value_schema(fan.areas[0])["enum"] == [1, 2, 3, 4, 6]


def test_the_range_may_be_written_by_the_car_but_not_on_request():
    reach = CATALOG.property_names["RANGE_REMAINING"]
    assert reach.writable and not reach.writable_on_request
    assert [item.name for item in CATALOG.properties if item.writable and not item.writable_on_request] == [reach.name]


def test_functions_without_properties_are_ordinary_tools():
    catalog = catalogs.build([{"name": "search", "description": "Finds.", "parameters": {"type": "object"}}], [])
    tool = catalog.by_name["search"]
    assert (tool.function, tool.bound, tool.vehicle_property) == ("search", {}, None)
    assert catalog.tool_of({"name": "search", "arguments": {"propertyName": "x"}}) is tool


def test_other_functions_beside_properties_are_ordinary_tools_but_idle_accessors_are_none():
    functions = [*ACCESSORS, {"name": "getLongProperty"}, {"name": "setFloatArrayProperty"}, {"name": "getHelp"}]
    catalog = catalogs.build(functions, [GOOD])
    assert [tool.name for tool in catalog.tools] == ["P&&get", "P&&set", "getHelp"]
    assert catalog.by_name["getHelp"].vehicle_property is None
    assert catalog.tool_of({"name": "getLongProperty", "arguments": {"propertyName": "P"}}) is None
    assert len(catalogs.build(functions, []).tools) == 5  # without a car, these names mean nothing


GOOD = {"name": "P", "type": "Integer", "access": "ReadWrite", "areas": [{"id": 0, "name": "car"}]}
ACCESSORS = [{"name": "getIntProperty"}, {"name": "setIntProperty"}]


@pytest.mark.parametrize(
    ("functions", "properties", "message"),
    [
        (ACCESSORS, [GOOD | {"type": "Complex"}], "P has the unknown type 'Complex'"),
        (ACCESSORS, [GOOD | {"type": None}], "P has the unknown type None"),
        (ACCESSORS, [GOOD | {"access": "Sometimes"}], "unknown access 'Sometimes'"),
        (ACCESSORS, [GOOD | {"areas": []}], "P has no areas"),
        (ACCESSORS, [{key: GOOD[key] for key in ("name", "type", "access")}], "P has no areas"),
        (ACCESSORS, [GOOD | {"areas": [{}]}], "P has an empty area"),
        (ACCESSORS, [GOOD | {"areas": [{"id": 1, "name": ""}]}], "P has an empty area"),
        (ACCESSORS, [GOOD, GOOD], "duplicate property P"),
        (ACCESSORS * 2, [GOOD], "duplicate function getIntProperty, setIntProperty"),
        ([{"name": "search"}, {"name": "search"}], [], "duplicate function search"),
        (ACCESSORS[:1], [GOOD], "P needs the function setIntProperty, which is missing"),
        ([{"description": "nameless"}], [], "every function needs a name"),
        ({"search": {}}, [], "expected a list of objects, each one a function"),
        (["search"], [], "expected a list of objects, each one a function"),
        (ACCESSORS, {"P": GOOD}, "expected a list of objects, each one a property"),
        ([{"name": "search", "parameters": {"properties": []}}], [], "parameters of search are not a JSON Schema"),
        ([{"name": "search", "parameters": [1]}], [], "parameters of search are not a JSON Schema"),
        (ACCESSORS, [GOOD | {"areas": 3}], "P has no areas; it needs a list"),
        (ACCESSORS, [GOOD | {"values": {"one": "low"}}], "the values of P must be an object"),
        (ACCESSORS, [GOOD | {"values": ["low"]}], "the values of P must be an object"),
        (ACCESSORS, [{"name": 3}], "every property needs a name"),
    ],
)
def test_a_bad_catalog_is_one_clear_line(functions, properties, message):
    with pytest.raises(BadRecord, match=message) as error:
        catalogs.build(functions, properties, "mine.json")
    assert str(error.value).startswith("mine.json: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "message"), [("[]", "expected an object"), ("{", "not JSON"), ("{}", "functions")])
def test_a_file_of_another_form_is_named(tmp_path, text, message):
    path = tmp_path / "catalog.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadRecord, match=message) as error:
        catalogs.load(path)
    assert str(path) in str(error.value)
