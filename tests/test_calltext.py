from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgen import catalog as catalogs
from toolgen.calltext import BadCallText, read, segments, write

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
NOTES = catalogs.build([{"name": "note"}, {"name": "send"}], [])


def calls(function: str, name: str, areas: list[int], *value) -> list[dict]:
    written = {"value": value[0]} if value else {}
    return [{"name": function, "arguments": {"propertyName": name, "areaId": area, **written}} for area in areas]


def windows(*areas: int, value: int = 10) -> list[dict]:
    return calls("setIntProperty", "WINDOW_POS", list(areas), value)


def temperature(*areas: int, value: float = 22.5) -> list[dict]:
    return calls("setFloatProperty", "HVAC_TEMPERATURE_SET", list(areas), value)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ([], ""),
        (temperature(1), "<<HVAC_TEMPERATURE_SET&&set>> front left 22.5"),
        (temperature(1, value=21.0), "<<HVAC_TEMPERATURE_SET&&set>> front left 21"),
        (windows(16, 64, 256, 1024), "<<WINDOW_POS&&set>> all 10"),
        (windows(16, 64), "<<WINDOW_POS&&set>> front 10"),
        (windows(256, 1024), "<<WINDOW_POS&&set>> rear 10"),
        (windows(16, 256), "<<WINDOW_POS&&set>> left 10"),
        (windows(64, 1024), "<<WINDOW_POS&&set>> right 10"),
        (windows(65536, value=-10), "<<WINDOW_POS&&set>> sunroof -10"),
        (windows(16, 64, 256, 1024, 65536), "<<WINDOW_POS&&set>> all 10 <<WINDOW_POS&&set>> sunroof 10"),
        (windows(16, 64, 256), "<<WINDOW_POS&&set>> front 10 <<WINDOW_POS&&set>> rear left 10"),
        (windows(64, 16), "<<WINDOW_POS&&set>> front right 10 <<WINDOW_POS&&set>> front left 10"),
        (windows(16, value=0) + windows(64), "<<WINDOW_POS&&set>> front left 0 <<WINDOW_POS&&set>> front right 10"),
        (temperature(1, 4, 16, 64, 32), "<<HVAC_TEMPERATURE_SET&&set>> all 22.5"),
        (temperature(1, 4, 16, 64), "<<HVAC_TEMPERATURE_SET&&set>> front 22.5 <<HVAC_TEMPERATURE_SET&&set>> rear 22.5"),
        (calls("getFloatProperty", "TIRE_PRESSURE", [1, 2, 4, 8]), "<<TIRE_PRESSURE&&get>> all"),
        (calls("getFloatProperty", "FUEL_LEVEL", [0]), "<<FUEL_LEVEL&&get>>"),
        (calls("setBooleanProperty", "HVAC_DEFROSTER", [1], True), "<<HVAC_DEFROSTER&&set>> front true"),
        (calls("setBooleanProperty", "HVAC_DEFROSTER", [1, 2], True), "<<HVAC_DEFROSTER&&set>> all true"),
        (calls("setIntProperty", "HEADLIGHTS_SWITCH", [0], 256), "<<HEADLIGHTS_SWITCH&&set>> 256"),
        (
            calls("setBooleanProperty", "DOOR_LOCK", [1, 4, 16, 64], False)
            + calls("setIntProperty", "DOOR_POS", [536870912], 1),
            "<<DOOR_LOCK&&set>> all false <<DOOR_POS&&set>> trunk 1",
        ),
    ],
)
def test_groups_compress_and_expand(wanted, text):
    assert write(wanted, CATALOG) == text
    assert read(text, CATALOG) == wanted


@pytest.mark.parametrize("tool", CATALOG.tools, ids=lambda tool: tool.name)
def test_every_place_of_every_tool_reads_back(tool):
    item = tool.vehicle_property
    for areas in item.places.values():
        value = []
        if tool.writes:
            schema = item.value_schema(item.area(areas[0]))
            value = [True] if schema["type"] == "boolean" else [schema.get("enum", [schema.get("maximum", 1.0)])[0]]
        wanted = calls(tool.function, item.name, list(areas), *value)
        text = write(wanted, CATALOG)
        assert text.count("<<") == 1  # one segment covers the whole group
        assert read(text, CATALOG) == wanted


def test_read_gives_a_float_property_a_float():
    [call] = read("<<HVAC_TEMPERATURE_SET&&set>> front left 21", CATALOG)
    assert type(call["arguments"]["value"]) is float


@pytest.mark.parametrize("wanted", [[], windows(16, 64), [{"name": "note", "arguments": {"text": "x"}}]])
def test_segments_join_to_the_text(wanted):
    catalog = NOTES if wanted and wanted[0]["name"] == "note" else CATALOG
    assert " ".join(tool.token + text for tool, text in segments(wanted, catalog)) == write(wanted, catalog)


def test_ordinary_tools_are_written_as_compact_json():
    wanted = [
        {"name": "note", "arguments": {"text": "milk & Brötchen", "tags": ["a", "b"], "at": {"hour": 7.5}}},
        {"name": "send", "arguments": {}},
    ]
    text = '<<note>> {"text":"milk & Brötchen","tags":["a","b"],"at":{"hour":7.5}} <<send>> {}'
    assert write(wanted, NOTES) == text
    assert read(text, NOTES) == wanted


@pytest.mark.parametrize(
    "literal", ["<<", ">>", ">><<", "<< >", "<<WINDOW_POS&&set>>", "<<note>>", "a <<send>> {} b", "<<<note>>>"]
)
def test_a_token_inside_an_argument_is_plain_text(literal):
    wanted = [{"name": "note", "arguments": {"text": literal}}, {"name": "send", "arguments": {"to": literal}}]
    assert read(write(wanted, NOTES), NOTES) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "<<HVAC_TEMPERATURE_SET&&set>> front left 21 <<FUEL_LEVEL&&get>>",
        "<<HVAC_TEMPERATURE_SET&&set>> front left 21<<FUEL_LEVEL&&get>>",
        "<<HVAC_TEMPERATURE_SET&&set>>front left 21<<FUEL_LEVEL&&get>>",
        " <<HVAC_TEMPERATURE_SET&&set>>  front  left\n21  <<FUEL_LEVEL&&get>> ",
    ],
)
def test_blanks_around_tokens_do_not_matter(text):
    assert read(text, CATALOG) == temperature(1, value=21.0) + calls("getFloatProperty", "FUEL_LEVEL", [0])


def test_what_is_said_twice_is_done_once():
    assert read("<<WINDOW_POS&&set>> front left 10 <<WINDOW_POS&&set>> left 10", CATALOG) == windows(16, 256)
    other = "<<WINDOW_POS&&set>> front left 10 <<WINDOW_POS&&set>> front left 0"
    assert read(other, CATALOG) == windows(16) + windows(16, value=0)
    assert len(read("<<note>> {} <<note>> {}", NOTES)) == 2


@pytest.mark.parametrize(
    "text", ['<<note>> {"a":1} <<send>> {}', '<<note>>{"a":1}<<send>>{}', '<<note>> {"a" : 1}<<send>>\n{}']
)
def test_blanks_around_json_do_not_matter(text):
    assert read(text, NOTES) == [{"name": "note", "arguments": {"a": 1}}, {"name": "send", "arguments": {}}]


texts = st.text(max_size=12) | st.sampled_from(['"', "\\", "}", "\n", '{"a":', "<<note>>", "<<send>> {}", "<<"])


@given(st.lists(st.tuples(st.sampled_from(["note", "send"]), st.dictionaries(texts, texts, max_size=3)), max_size=3))
def test_ordinary_calls_read_back(pairs):
    wanted = [{"name": name, "arguments": arguments} for name, arguments in pairs]
    assert read(write(wanted, NOTES), NOTES) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("open <<WINDOW_POS&&set>> all 10", "text where a tool token belongs"),
        ("all 10", "text where a tool token belongs"),
        ("<<TURBO&&set>> 1", "<<TURBO&&set>> is not in the catalog"),
        ("<<FUEL_LEVEL&&set>> 1", "is not in the catalog"),
        ("<<WINDOW_POS&&set>>", "no value"),
        ("<<WINDOW_POS&&set>> 10", "no place ''"),
        ("<<WINDOW_POS&&set>> all", "not a value"),
        ("<<WINDOW_POS&&set>> attic 10", "no place 'attic'"),
        ("<<WINDOW_POS&&get>> all 10", "no place 'all 10'"),
        ("<<WINDOW_POS&&set>> all ten", "'ten' is not a value"),
    ],
)
def test_bad_car_text_is_named(text, message):
    with pytest.raises(BadCallText, match=message):
        read(text, CATALOG)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<note>> {", "not JSON"),
        ("<<note>>", "not JSON"),
        ("<<note>> []", "not an object"),
        ("<<note>> {} {}", "text where a tool token belongs"),
        ('<<note>> {"at": NaN}', "NaN is not a finite number"),
        ('<<note>> {"at": 1e999}', "1e999 is not a finite number"),
    ],
)
def test_bad_ordinary_text_is_named(text, message):
    with pytest.raises(BadCallText, match=message):
        read(text, NOTES)


@pytest.mark.parametrize("call", [{"name": "fly", "arguments": {}}, windows(1)[0]])
def test_writing_what_the_catalog_lacks_is_a_key_error(call):
    with pytest.raises(KeyError):
        write([call], CATALOG)


pieces = st.sampled_from(
    ["<<WINDOW_POS&&set>>", "<<HVAC_TEMPERATURE_SET&&set>>", "<<FUEL_LEVEL&&get>>", "<<note>>", "all", "front", "left",
     "10", "-2", "NaN", "1e999", '"', "{}", "[", "<<", ">>"]
)  # fmt: skip


@pytest.mark.parametrize("catalog", [CATALOG, NOTES], ids=["car", "notes"])
@given(text=st.text(max_size=40) | st.lists(pieces, max_size=6).map(" ".join))
def test_read_raises_nothing_but_bad_call_text(catalog, text):
    try:
        read(text, catalog)
    except BadCallText:
        pass


@pytest.mark.parametrize(
    ("text", "catalog"),
    [
        ("<<WINDOW_POS&&set>> all " + "9" * 5000, CATALOG),  # ValueError: more digits than Python reads
        ("<<WINDOW_POS&&set>> all " + "[" * 5000, CATALOG),  # RecursionError
        ("<<HVAC_TEMPERATURE_SET&&set>> all " + "9" * 400, CATALOG),  # OverflowError
        ("<<note>> " + "9" * 5000, NOTES),
        ("<<note>> " + "[" * 5000, NOTES),
    ],
    ids=["digits", "nesting", "overflow", "ordinary digits", "ordinary nesting"],
)
def test_runaway_text_is_bad_call_text_too(text, catalog):
    with pytest.raises(BadCallText):
        read(text, catalog)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_does_not_know_is_no_value(value):
    with pytest.raises(BadCallText):
        read(f"<<HVAC_TEMPERATURE_SET&&set>> all {value}", CATALOG)
