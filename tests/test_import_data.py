"""The scripts that import and export, in a small repository of git and DVC."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, command, contents, script

from toolgen import catalog
from toolgen.formats import cartool, imported, jsonl

TOOL = {"name": "set fan", "description": "Sets it.", "parameters": {"type": "object", "properties": {}}}
ROW = {"query": "fan on", "answers": [{"name": "set fan", "arguments": {}}]}


@pytest.fixture
def folder(tmp_path) -> Path:
    """The scripts, and data in the format jsonl beside them, without git and DVC."""
    shutil.copytree(ROOT / "scripts", tmp_path / "project/scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "theirs").mkdir()
    write(tmp_path / "theirs/tools.jsonl", [TOOL, TOOL])
    write(tmp_path / "theirs/train.jsonl", [ROW, ROW | {"history": [{"role": "user", "content": "hi"}]}])
    write(tmp_path / "theirs/test.jsonl", [{"query": "fan", "relevant_tools": ["set fan"]}])
    return tmp_path / "project"


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(folder: Path, *more: str, source: str = "../theirs", format_: str = "jsonl") -> subprocess.CompletedProcess:
    return script(folder, "import_data", "--format", format_, "--from", source, *more)


def refused(folder: Path, *more: str, **named: str) -> str:
    before = contents(folder)
    done = run(folder, *more, **named)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert contents(folder) == before
    return done.stderr


def test_an_import_goes_to_dvc_and_says_how_to_go_on(folder):
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert command(folder, *words).returncode == 0
    done = run(folder)
    assert done.returncode == 0 and done.stderr == ""
    note, told, going_on = done.stdout.splitlines()
    assert note == "  1 repeated tools, alike, are merged"
    for part in ("1 tools", "3 examples", "2 train", "1 eval", "2 with answers", "1 of which only the tools are known",
                 "1 with history", "-> data/imported"):  # fmt: skip
        assert part in told
    wanted = "-S catalog=data/imported/catalog.json -S generate.teacher=imported " \
             "-S generate.source=data/imported/examples.jsonl"  # fmt: skip
    assert going_on == f"go on with: dvc exp run {wanted}"
    assert imported.read(folder / "data/imported") == jsonl.read(folder / "../theirs")
    assert [tool.token for tool in catalog.load(folder / "data/imported/catalog.json").tools] == ["<<set fan>>"]
    untracked = command(folder, "git", "ls-files", "--others", "--exclude-standard", "data").stdout.split()
    assert untracked == [f"data/imported/{name}" for name in (".gitignore", "catalog.json.dvc", "examples.jsonl.dvc")]

    write(folder / "../theirs/test.jsonl", [])  # a later import takes the place of the earlier one whole
    assert run(folder).returncode == 0
    assert len(imported.read(folder / "data/imported").examples) == 2
    assert "up to date" in command(folder, "dvc", "status").stdout


def test_without_a_repository_the_files_are_written_all_the_same(folder):
    done = run(folder, "--to", "data/mine")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("not under DVC's control: ")
    assert len(imported.read(folder / "data/mine").examples) == 3


def test_tools_alone_need_a_teacher(folder):
    (folder / "tools.json").write_text(json.dumps({"tools": [{"name": "a"}]}), encoding="utf-8")
    done = run(folder, source="tools.json", format_="mcp")
    assert done.returncode == 0 and "1 tools, 0 examples" in done.stdout
    assert "-S catalog=data/imported/catalog.json -S generate.teacher=openai" in done.stdout
    assert (folder / "data/imported/examples.jsonl").read_bytes() == b""


def test_the_offline_teacher_writes_for_a_car(folder):
    found = json.loads((ROOT / "data/catalog.json").read_text(encoding="utf-8"))
    cartool.write(imported.Imported(found["functions"], [], properties=found["properties"]), folder / "car")
    done = run(folder, source="car", format_="cartool")
    assert done.returncode == 0 and "80 tools, 0 examples" in done.stdout
    assert "dvc exp run -S catalog=data/imported/catalog.json   # " in done.stdout
    assert len(catalog.load(folder / "data/imported/catalog.json").properties) == 48


@pytest.mark.parametrize("to", ["data/generated", "data/refined/mine", "models", "plots/x", "data/../metrics"])
def test_what_belongs_to_the_pipeline_is_left_alone(folder, to):
    assert "belongs to the pipeline" in refused(folder, "--to", to)


def test_a_folder_with_something_else_is_left_alone(folder):
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data/catalog.json", folder / "data/catalog.json")
    (folder / "data/spoken.jsonl").touch()
    assert "holds more than an import (spoken.jsonl)" in refused(folder, "--to", "data")
    assert "is a file" in refused(folder, "--to", "data/catalog.json")


def test_mistakes_end_in_one_line(folder):
    assert "there is no ../nowhere" in refused(folder, source="../nowhere")
    write(folder / "../theirs/train.jsonl", [ROW, {"query": "q", "answers": [{"name": "fly", "arguments": {}}]}])
    assert "../theirs/train.jsonl:2: expected the name of a tool" in refused(folder)


@pytest.mark.parametrize("format_", ["jsonl", "openai"])
def test_an_import_is_exported_and_imported_again(folder, format_):
    (folder / "../theirs/test.jsonl").unlink()
    assert run(folder).returncode == 0
    done = script(folder, "export_data", "--format", format_, "--from", "data/imported", "--to", "out")
    assert done.returncode == 0 and "1 tools, 2 examples -> out" in done.stdout
    assert run(folder, "--to", "data/again", source="out", format_=format_).returncode == 0
    assert imported.read(folder / "data/again") == imported.read(folder / "data/imported")


def test_an_export_says_what_a_form_cannot_hold(folder):
    assert run(folder).returncode == 0
    done = script(folder, "export_data", "--format", "mcp", "--from", "data/imported")
    assert done.returncode == 0 and "3 examples left out" in done.stdout
    assert (folder / "exports/mcp/tools.json").is_file()
    for more in ([], ["--from", "data/imported", "--to", "data/imported"], ["--from", "nowhere"]):
        done = script(folder, "export_data", "--format", "mcp", *more)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr


def test_make_import_needs_a_format_and_a_source():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^import: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "make import FORMAT=jsonl FROM=folder" in recipe
