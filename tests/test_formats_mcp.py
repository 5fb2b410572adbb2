import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from made_imports import imports

from toolgen.formats import mcp
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "title": "Weather", "description": "Says how it is.", "inputSchema": SCHEMA}
TAKEN = {"name": "get_weather", "description": "Says how it is.", "parameters": SCHEMA}


def page(path: Path, content: object, name: str = "tools.json") -> Path:
    (path / name).write_text(json.dumps(content), encoding="utf-8")
    return path / name


@settings(max_examples=40, deadline=None)
@given(imports(kinds=()))
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("mcp")
    assert mcp.write(found, path) == []
    assert mcp.read(path) == mcp.read(path / "tools.json") == found


def test_examples_are_left_out_and_counted(tmp_path):
    assert mcp.write(Imported([TAKEN], [{"query": "q", "answers": []}]), tmp_path) == ["1 examples left out"]


@pytest.mark.parametrize("content", [
    {"tools": [WEATHER]}, {"jsonrpc": "2.0", "id": 1, "result": {"tools": [WEATHER], "nextCursor": None}},
])  # fmt: skip
def test_with_and_without_the_envelope(tmp_path, content):
    assert mcp.read(page(tmp_path, content)) == Imported([TAKEN], [])


def test_pages_in_a_folder(tmp_path):
    page(tmp_path, {"tools": [WEATHER], "nextCursor": "x"}, "1.json")
    page(tmp_path, {"tools": [WEATHER, WEATHER | {"name": "b", "annotations": {}}]}, "2.json")
    found = mcp.read(tmp_path)
    assert [tool["name"] for tool in found.functions] == ["get_weather", "b"]
    assert found.notes == ["1 repeated tools, alike, are merged", "left out, since nothing reads them: annotations (1)"]


def test_a_missing_page_is_noted(tmp_path):
    (note,) = mcp.read(page(tmp_path, {"tools": [WEATHER], "nextCursor": "x"})).notes
    assert "is missing" in note


@pytest.mark.parametrize(("title", "description", "wanted"), [
    ("Weather", None, "Weather"), (None, None, ""), ("Weather", "Says it.", "Says it."), ("Weather", "", "Weather"),
])  # fmt: skip
def test_a_title_stands_in_for_a_description(tmp_path, title, description, wanted):
    content = {"tools": [WEATHER | {"title": title, "description": description}]}
    assert mcp.read(page(tmp_path, content)).functions[0]["description"] == wanted


@pytest.mark.parametrize(("content", "complaint"), [
    ([], "expected what a server answers"), ({"error": {"code": 1}}, "expected what a server answers"),
    ({"tools": {}}, "expected what a server answers"), ({"tools": [WEATHER, 3]}, "tools, item 2: expected an object"),
    ({"tools": [WEATHER, {"name": ""}]}, "tools, item 2: expected a tool's name"),
    ({"tools": [WEATHER | {"inputSchema": 3}]}, "inputSchema of get_weather: expected a JSON Schema"),
])  # fmt: skip
def test_what_cannot_be_taken(tmp_path, content, complaint):
    with pytest.raises(BadRecord) as refused:
        mcp.read(page(tmp_path, content))
    assert f"{tmp_path}/tools.json" in str(refused.value) and complaint in str(refused.value)


def test_no_pages(tmp_path):
    with pytest.raises(BadRecord, match="found none"):
        mcp.read(tmp_path)
