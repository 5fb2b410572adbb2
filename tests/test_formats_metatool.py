import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_imports import NAME, QUERY, TEXT

from toolgen.formats import metatool
from toolgen.formats.imported import Imported
from toolgen.records import BadRecord

METATOOL = Path(__file__).parents[2] / "shared/metatool"
needs_metatool = pytest.mark.skipif(not METATOOL.is_dir(), reason=f"{METATOOL} is not here")
CSV = 'Query,Tool\nfind me a paper,Papers\n"how much, is it ",Prices\nhow much, is it,Papers\n'
CSV = CSV.replace("how much, is it,Papers", '"how much, is it",Papers')


def clone(path: Path, csv: str = CSV, **described: object) -> Path:
    (path / "dataset/data").mkdir(parents=True, exist_ok=True)
    plugins = {"Prices": "Tells prices.", **described}
    (path / "dataset/plugin_des.json").write_text(json.dumps(plugins), encoding="utf-8")
    (path / "dataset/big_tool_des.json").write_text(json.dumps({"Papers": "Finds papers."}), encoding="utf-8")
    (path / "dataset/data/all_clean_data.csv").write_text(csv, encoding="utf-8")
    return path


@st.composite
def splits(draw) -> Imported:
    """What a split of MetaTool holds: its queries in the order of its files."""
    names = sorted(draw(st.sets(NAME, min_size=1, max_size=3)))
    functions = [{"name": name, "description": draw(TEXT), "parameters": metatool.NO_ARGUMENTS} for name in names]
    tools = st.lists(st.sampled_from(names), min_size=1, max_size=2)
    examples = [
        {"query": query, "split": split if split in own else own[0], "relevant_tools": draw(tools)}
        for own in metatool.FILES.values()
        for query in draw(st.lists(QUERY, max_size=2))
        for split in [metatool.split_of(query)]
    ]
    return Imported(functions, examples)


@settings(max_examples=60, deadline=None)
@given(splits())
def test_it_goes_out_and_comes_back(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("metatool")
    assert metatool.write(found, path) == []
    assert metatool.read(path) == found


def test_a_clone_is_split_by_the_hash_of_its_queries(tmp_path):
    found = metatool.read(clone(tmp_path))
    assert [tool["name"] for tool in found.functions] == ["Papers", "Prices"]
    assert found.functions[0] == {"name": "Papers", "description": "Finds papers.", "parameters": metatool.NO_ARGUMENTS}
    by_query = {example["query"]: example for example in found.examples}
    assert by_query["how much, is it"]["relevant_tools"] == ["Papers", "Prices"]
    for query in ("how much, is it", "find me a paper"):
        assert by_query[query]["split"] == metatool.split_of(query)
    metatool.write(found, tmp_path / "split")
    assert metatool.read(tmp_path / "split") == found


def test_the_hash_ignores_case():
    queries = [f"Query {number}" for number in range(400)]
    counts = Counter(map(metatool.split_of, queries))
    assert 20 < counts["eval"] < 60 and 2 < counts["validation"] < 20
    assert all(metatool.split_of(query) == metatool.split_of(query.upper()) for query in queries)


def test_other_examples_are_left_out_and_counted(tmp_path):
    tools = metatool.read(clone(tmp_path)).functions
    examples = [{"query": "q", "split": "train", "answers": []}, {"query": "r", "relevant_tools": ["Papers"]}]
    (note,) = metatool.write(Imported(tools, examples), tmp_path / "split")
    assert note.startswith("2 examples")


@pytest.mark.parametrize(("wrong", "complaint"), [
    ({"csv": "Question,Tool\n"}, "all_clean_data.csv:1: expected the columns Query and Tool"),
    ({"csv": CSV + "one column\n"}, "all_clean_data.csv:5: expected two columns"),
    ({"csv": CSV + '"open'}, "not CSV"),
    ({"csv": CSV + "fly me,Plane\n"}, 'all_clean_data.csv:5: expected the name of a tool that the catalog has'),
    ({"csv": CSV + " ,Papers\n"}, "all_clean_data.csv:5: expected a query"),
    ({"Broken": 3}, "plugin_des.json: expected a description of Broken"),
])  # fmt: skip
def test_what_cannot_be_taken(tmp_path, wrong, complaint):
    with pytest.raises(BadRecord) as refused:
        metatool.read(clone(tmp_path, **wrong))
    assert complaint in str(refused.value) and str(refused.value).startswith(f"{tmp_path}/dataset/")


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(BadRecord, match="expected dataset/ of a clone"):
        metatool.read(tmp_path)


@needs_metatool
def test_the_real_split_is_that_of_the_clone():
    ready, raw = metatool.read(METATOOL), metatool.read(METATOOL / "raw")
    assert raw == ready
    assert len(ready.functions) == 199
    counts = Counter(example["split"] for example in ready.examples)
    assert counts["eval"] == 2099 and counts["train"] + counts["validation"] == 18445
    assert 400 < counts["validation"] < 540
    assert raw.notes == ["47 repeated tools, alike, are merged"]


@needs_metatool
def test_the_real_split_is_written_as_it_was(tmp_path):
    assert metatool.write(metatool.read(METATOOL / "raw"), tmp_path) == []
    for name in ("tools.jsonl", *metatool.FILES):
        assert (tmp_path / name).read_bytes() == (METATOOL / name).read_bytes()
