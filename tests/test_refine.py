"""The real scripts/refine.py on small reply files: what it writes, and what it says of bad input."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import contents, make_project, script, tiny_params, write_params

from toolgen import catalog, dataset, records

REPLIES = "data/generated/replies.jsonl"
WINDOW = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project after generate and refine. Tests read it and leave it as it is."""
    folder = make_project(tmp_path_factory.mktemp("first"))
    for stage in ("generate", "refine"):
        done = script(folder, stage, PYTHONHASHSEED="1")
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(first, tmp_path) -> Path:
    """A tiny project with its replies, before refine."""
    folder = make_project(tmp_path / "project")
    shutil.copytree(first / "data/generated", folder / "data/generated")
    return folder


def set_refine(folder: Path, **changes) -> None:
    params = tiny_params()
    params["refine"] |= changes
    write_params(folder, params)


def refined(folder: Path, **environment: str) -> dict[str, bytes]:
    """What refine writes."""
    done = script(folder, "refine", **environment)
    assert done.returncode == 0, done.stderr
    return {path: text for path, text in contents(folder).items() if path.startswith(("data/refined", "metrics/ref"))}


def rows(folder: Path, path: str = "data/refined/dataset.jsonl") -> list[dict]:
    return list(records.read_jsonl(folder / path))


def replies(folder: Path) -> list[dict]:
    return rows(folder, REPLIES)


def write_replies(folder: Path, written: list[dict]) -> None:
    records.write_jsonl(folder / REPLIES, written)


def refused(folder: Path) -> str:
    """Run refine, which must refuse; its one line, with what was there left as it was."""
    before = contents(folder)
    done = script(folder, "refine")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip() and "/s]" not in line and "?reply" not in line]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    assert contents(folder) == before
    return lines[0]


def reply(query: str, calls: list[dict], **more) -> dict:
    text = json.dumps({"query": query, "answers": calls})
    return {"id": f"own {query}", "teacher": "offline", "prompt_sha": "", "text": text, **more}


# What it writes.


def test_the_end_state_of_every_row_is_that_of_the_car(first):
    tools = catalog.load(first / "data/catalog.json")
    written = rows(first)
    assert any(json.loads(row["end_state"]) for row in written)
    for row in written:
        _, calls = dataset.query_and_calls(row)
        for name, areas in json.loads(row["end_state"]).items():
            assert set(areas) <= {str(area.id) for area in tools.property_names[name].areas}
            assert any(call["arguments"]["propertyName"] == name and "value" in call["arguments"] for call in calls)


def test_the_card_says_what_the_metrics_say(first):
    card = (first / "data/refined/README.md").read_text(encoding="utf-8")
    figures = records.read_json(first / "metrics/refine.json")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "apache-2.0" and header["size_categories"] == ["n<1K"]
    for name, count in {**figures["kept"], **figures["eval_by_slice"], **figures["rejected"]}.items():
        assert f"| {name} | {count:,} |" in card
    assert f"| offline | {figures['replies']} |" in card
    assert "| WINDOW_POS |" in card


def test_catalogs_without_a_car_run_all_but_execution(project):
    search = {"name": "search", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
    records.write_json(project / "data/catalog.json", {"functions": [search]})
    words = [
        f"{a} {b} {c}" for a in ("find", "seek", "show") for b in ("a", "the", "my") for c in ("cat", "map", "inn")
    ]
    asked = [reply(f"please {text}", [{"name": "search", "arguments": {"text": text}}]) for text in words]
    asked.append(reply("and that", [{"name": "search", "arguments": {"text": 1}}]))
    write_replies(project, asked)
    set_refine(project, num_eval=3, num_validation=2, rouge_threshold=1.0)
    refined(project)
    assert all(row["end_state"] is None for row in rows(project))
    assert [row["reason"] for row in rows(project, "data/refined/rejected.jsonl")].count("bad_schema") == 1


def test_another_rule_another_form_and_the_same_rows_again(project, first):
    plain = refined(project, PYTHONHASHSEED="7")
    assert all(contents(first)[path] == text for path, text in plain.items())
    set_refine(project, dedupe="seed", catalog_in_rows=True)
    refined(project)
    figures = records.read_json(project / "metrics/refine.json")
    assert figures["rejected"].get("near_duplicate", 0) >= records.read_json(first / "metrics/refine.json")[
        "rejected"
    ].get("near_duplicate", 0)
    assert all("WINDOW_POS" in row["messages"][0]["content"] for row in rows(project))


def test_rows_with_a_split_of_their_own_stay_there(project):
    """Their held-out rows are kept even where they are equal to others, and what leaks is counted."""
    theirs = [reply(f"set the window to {value}", [WINDOW], split="eval") for value in (3, 4)]
    theirs += [reply("set the window to 5", [WINDOW], split="train"), reply("say hello", [], split="validation")]
    bad = reply("fly", [{"name": "fly", "arguments": {}}], split="eval")
    write_replies(project, [*replies(project), *theirs, bad])
    refined(project)
    own = {row["messages"][1]["content"]: row["split"] for row in rows(project) if row["slice"] == "own_split"}
    assert own == {json.loads(row["text"])["query"]: row["split"] for row in theirs}
    figures = records.read_json(project / "metrics/refine.json")
    assert figures["audit"]["own_split"] == {"masked_equal": 1, "near_identical": 0}
    assert figures["eval_by_slice"]["own_split"] == 2
    assert figures["rejected"]["unknown_function"] == 1


def test_displaced_rows_are_those_held_out_by_the_first_half(project):
    figures = []
    whole = replies(project)
    half = project.parent / "half"
    shutil.copytree(project, half)
    write_replies(half, whole[: len(whole) // 2])
    for folder in (half, project):
        refined(folder)
        figures.append(records.read_json(folder / "metrics/refine.json"))
    held_out = {row["messages"][1]["content"] for row in rows(half) if row["split"] != "train"}
    trained = [row["messages"][1]["content"] for row in rows(project) if row["split"] == "train"]
    assert figures[1]["displaced"] == sum(query in held_out for query in trained) > 0


def test_export_to_the_form_of_cartool(first, tmp_path):
    done = script(first, "export_data", "--format", "cartool", "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    queries, exported = (
        records.read_json(tmp_path / "dataset.json"),
        list(records.read_jsonl(tmp_path / "dataset.jsonl")),
    )
    written = [dataset.query_and_calls(row) for row in rows(first)]
    assert queries == [{"query": query, "answers": calls} for query, calls in written if calls]
    assert f"{sum(not calls for _, calls in written)} without a call" in done.stdout
    assert [dataset.query_and_calls(row) for row in exported] == [(row["query"], row["answers"]) for row in queries]
    assert all(set(row) == {"metadata", "tools", "messages"} for row in exported)


# Bad input: one line, and nothing half-written.


def test_a_leak_fails_the_stage(project):
    """With a split by chance, so that the same words stand on several sides."""
    refined(project)
    path = project / "scripts/toolgen/splits.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(source + "\n\ndef divided(places, *rest):\n"
                    "    return [SPLITS[i % 3] for i in range(len(places))]\n", encoding="utf-8")  # fmt: skip
    said = ["open my window to 2", "open my window to 3, please", "could you open it to 4", "open the sunroof to 5"]
    commas = [
        reply(text.replace(" to", ", to") if i % 2 else text, [WINDOW]) for i, text in enumerate(said + said[::-1])
    ]
    for i, row in enumerate(commas):
        row["id"] = str(i)
    write_replies(project, commas)
    set_refine(project, num_eval=1, num_validation=1, rouge_threshold=1.0)
    assert "masked_equal" in refused(project)


def test_replies_that_are_too_few(project):
    write_replies(project, replies(project)[:20])
    message = refused(project)
    assert "refine.num_eval" in message and REPLIES in message


def test_lines_are_named(project):
    whole = (project / REPLIES).read_bytes()
    lines = whole.splitlines(keepends=True)
    for broken, complaint in (
        (b"".join(lines[:3]) + lines[3][:40], f"{REPLIES}:4: not JSON"),
        (lines[0] + b'{"id": "\xff"}\n', f"{REPLIES}:2: not UTF-8"),
        (lines[0] + b"[]\n", f"{REPLIES}:2: expected an object"),
        (lines[0] + b"\n" + b'{"id": "x", "teacher": "offline"}\n', f"{REPLIES}:3: a reply needs text"),
        (lines[0] + lines[0].replace(b'"text": "', b'"text": " '), f"{REPLIES}:2: the id"),
        (lines[0].replace(b'"teacher"', b'"split": "test", "teacher"'), f"{REPLIES}:1: split is one of"),
        (lines[0] + lines[1].replace(b'"offline"', b'"gemini"'), f"{REPLIES}:2: written by gemini: set refine.license"),
    ):
        (project / REPLIES).write_bytes(broken)
        assert complaint in refused(project)


def test_a_reply_twice_is_one(project):
    whole = replies(project)
    write_replies(project, whole + whole[:5])
    refined(project)
    assert len(rows(project)) + len(rows(project, "data/refined/rejected.jsonl")) == 405


def test_another_teacher_under_a_license(project):
    whole = replies(project)
    write_replies(project, [whole[0] | {"teacher": "gemini"}, *whole[1:]])
    set_refine(project, license="cc-by-4.0")
    card = refined(project)["data/refined/README.md"].decode()
    assert "license: cc-by-4.0" in card and "| gemini | 1 |" in card


def test_a_catalog_that_lacks_what_is_called(project):
    document = records.read_json(project / "data/catalog.json")
    write_replies(project, [row for row in replies(project) if json.loads(row["text"])["answers"]])
    records.write_json(project / "data/catalog.json", {"functions": [{"name": "horn"}]})
    message = refused(project)
    assert "unknown_function" in message and "data/catalog.json lacks" in message and "Property" in message
    records.write_json(project / "data/catalog.json", document | {"functions": [*document["functions"], {"name": "f"}]})
    write_replies(project, [*replies(project), reply("fly", [{"name": "flyAway", "arguments": {}}])])
    done = script(project, "refine")
    assert done.returncode == 0 and "most often flyAway" in done.stdout


# The other engine.


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_ray_without_ray(project):
    set_refine(project, engine="ray")
    assert "pip install -r requirements-ray.txt" in refused(project)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is optional: requirements-ray.txt")
@pytest.mark.parametrize("rule", ("calls", "seed"))
def test_ray_writes_the_same_bytes(project, rule):
    """On a cluster of two workers, which the script joins by RAY_ADDRESS."""
    import ray

    cluster = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        set_refine(project, dedupe=rule)
        local = refined(project)
        set_refine(project, dedupe=rule, engine="ray")
        joined = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}  # as init has set it
        assert refined(project, **joined | {"RAY_ADDRESS": cluster.address_info["address"]}) == local
    finally:
        ray.shutdown()
