import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_imports import QUERY

from toolgen import catalog
from toolgen.formats import cartool, imported
from toolgen.formats.imported import Imported, ordered
from toolgen.records import BadRecord

ROOT = Path(__file__).parents[1]
CARTOOL = ROOT.parent / "shared/cartool"
needs_cartool = pytest.mark.skipif(not CARTOOL.is_dir(), reason=f"{CARTOOL} is not here")

WORD = st.text("abcxyz", min_size=1, max_size=5)
PLACE = st.sampled_from([name for _, name in catalog.ROWS]) | st.lists(WORD, min_size=1, max_size=2).map(" ".join)
LIMIT = st.none() | st.integers(-999, 999) | st.integers(-999, 999).map(lambda number: number / 8)
AREAS = st.lists(
    st.builds(
        lambda id_, name, low, high, enum: {"id": id_, "name": name, "minimum": low, "maximum": high, "enum": enum},
        st.integers(0, 2**31), PLACE, LIMIT, LIMIT, st.lists(st.integers(0, 99), max_size=2),
    ),
    min_size=1, max_size=2,
)  # fmt: skip
VALUES = st.dictionaries(st.integers(0, 99).map(str), st.lists(WORD, min_size=1, max_size=2).map(" ".join), max_size=2)


def accessor(verb: str, type_: str) -> dict:
    named = {"propertyName": {"type": "string"}, "areaId": {"type": "integer"}}
    parameters = {"type": "object", "properties": named, "required": list(named)}
    return {"name": f"{verb}{type_}Property", "description": "An accessor.", "parameters": parameters}


@st.composite
def cars(draw) -> Imported:
    """What a folder of CarTool-Instruct holds."""
    types = ["Boolean", "Float"]
    properties = [
        {
            "name": name, "description": draw(WORD), "type": draw(st.sampled_from(types)), "access": "ReadWrite",
            "change_mode": "OnChange", "areas": draw(AREAS), "unit": "", "values": draw(VALUES), "conventions": {},
        }
        for name in draw(st.lists(WORD.map(str.upper), min_size=1, max_size=2, unique=True))
    ]  # fmt: skip
    functions = [accessor(verb, type_) for type_ in types for verb in ("get", "set")]
    split = draw(st.booleans())
    examples = [
        ordered({
            "query": query,
            "answers": [{"name": "getFloatProperty", "arguments": {"propertyName": name, "areaId": 1}}],
            **({"split": draw(st.sampled_from(["train", "eval"]))} if split else {}),
        })
        for query, name in draw(st.lists(st.tuples(QUERY, WORD), max_size=3))
    ]  # fmt: skip
    return Imported(functions, examples, properties=properties)


@settings(max_examples=40, deadline=None)
@given(cars())
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("cartool")
    assert cartool.write(found, path) == []
    again = cartool.read(path)
    assert again == found
    imported.write(again, path / "imported")
    assert imported.read(path / "imported") == found
    assert catalog.load(path / "imported" / imported.CATALOG) == catalog.load(path)


def project() -> Imported:
    """The project's own car, with two requests."""
    document = json.loads((ROOT / "data/catalog.json").read_text(encoding="utf-8"))
    window = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 3}}
    examples = [{"query": "open it a bit", "split": "train", "answers": [window]}, {"query": "hello", "answers": []}]
    return Imported(document["functions"], examples, properties=document["properties"])


def test_the_projects_own_car(tmp_path):
    found = project()
    assert cartool.write(found, tmp_path) == ["1 examples without a call, or of more than one turn, left out"]
    row = json.loads((tmp_path / "dataset.jsonl").read_text(encoding="utf-8"))
    assert row["metadata"] == "train" and len(row["tools"]) == 16
    assert [message["role"] for message in row["messages"]] == ["developer", "user", "assistant"]
    again = cartool.read(tmp_path)
    assert again.examples == found.examples[:1]
    assert [tool.name for tool in again.catalog().tools] == [tool.name for tool in found.catalog().tools]
    (tmp_path / "dataset.jsonl").unlink()
    assert cartool.read(tmp_path).examples == [{key: found.examples[0][key] for key in ("query", "answers")}]
    (tmp_path / "dataset.json").unlink()
    assert cartool.read(tmp_path).examples == []


@pytest.mark.parametrize(("name", "break_it", "complaint"), [
    ("vehicle_properties.json", lambda _: {}, "Input should be a valid list"),
    ("vehicle_properties.json", lambda old: [old[0], old[1] | {"access": None}], "item 2.access: Input should be"),
    ("vehicle_properties.json", lambda old: [old[0] | {"areaIdProfiles": [{}]}], "1.areaIdProfiles.1.areaId: Field"),
    ("vehicle_properties.json",
     lambda old: [old[0] | {"areaIdProfiles": [old[0]["areaIdProfiles"][0] | {"minValue": "low"}]}], "found 'low'"),
    ("vehicle_properties.json", lambda old: [old[0] | {"dataType": "Text"}], "unknown type 'Text'"),
    ("car_property_functions.json", lambda old: old[1:], "which is missing"),
    ("car_property_functions.json", lambda old: [*old, {"name": "x"}], "item 17.description: Field required"),
    ("dataset.jsonl", lambda _: {"messages": []}, "jsonl:1: expected one message of the user"),
    ("dataset.jsonl", lambda old: old | {"metadata": "x"}, 'expected metadata, train or eval, found "x"'),
    ("dataset.jsonl", lambda old: old | {"messages": [{"role": "user"}, {"role": "assistant"}]}, "expected a query"),
])  # fmt: skip
def test_what_cannot_be_taken(tmp_path, name, break_it, complaint):
    cartool.write(project(), tmp_path)
    old = json.loads((tmp_path / name).read_text(encoding="utf-8"))
    (tmp_path / name).write_text(json.dumps(break_it(old)), encoding="utf-8")
    with pytest.raises(BadRecord) as refused:
        cartool.read(tmp_path)
    assert str(tmp_path) in str(refused.value) and complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@needs_cartool
def test_the_real_car(tmp_path):
    found = cartool.read(CARTOOL)
    assert (len(found.functions), len(found.properties), len(found.catalog().tools)) == (16, 48, 80)
    imported.write(found, tmp_path)
    assert catalog.load(tmp_path / imported.CATALOG) == catalog.load(CARTOOL)
    cartool.write(found, tmp_path / "again")
    assert cartool.read(tmp_path / "again") == found
