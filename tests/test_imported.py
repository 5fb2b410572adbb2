"""Imported examples through every stage: names of any kind, earlier turns, tools without calls, trajectories."""

import random
from pathlib import Path

import pytest
from conftest import make_project, tiny_params, write_params

import agent_tuning
import evaluate
import generate
import prepare
import refine
import retrieval_training
import scores
import tool_memorization
from toolgen import checkpoints, console, conversations, dataset, records
from toolgen.decoding import Decoder
from toolgen.formats import toolbench
from toolgen.params import BadParams

TOOLBENCH = Path(__file__).parents[2] / "shared/toolbench/data_example"
STAGES_TRAINED = ("tool_memorization", "retrieval_training", "agent_tuning")
STAGES = (generate, refine, prepare, tool_memorization, retrieval_training, agent_tuning, evaluate)
TEXT, NUMBER = {"type": "string"}, {"type": "number"}
FUNCTIONS = [
    {"name": "play song", "description": "Play a piece of music.", "parameters": {
        "type": "object", "properties": {"title": TEXT, "volume": {"type": "integer"}}, "required": ["title"]}},
    {"name": "city.weather", "description": "", "parameters": {
        "type": "object", "properties": {"city": TEXT, "days": NUMBER}, "required": ["city"]}},
    {"name": "klänge&&aus", "description": "Silence."},
    {"name": "callContact", "parameters": {"type": "object", "properties": {"who": {
        "type": "object", "properties": {"first": TEXT, "tags": {"type": "array", "items": TEXT}}}}}},
]  # fmt: skip
SILENCE = {"name": "klänge&&aus", "arguments": {}}
WORDS = "amber basil cedar dune ember fjord grove harbor iris juniper kelp lotus maple nectar olive pine".split()


def examples(count: int = 60) -> list[dict]:
    """Requests of every form, with a split for half of them."""
    rng, rows = random.Random(0), []
    for number in range(count):
        title, city = (" ".join(rng.sample(WORDS, 2)).title() for _ in range(2))
        play = {"name": "play song", "arguments": {"title": title, "volume": number}}
        weather = {"name": "city.weather", "arguments": {"city": city}}
        forms = [
            {"query": f"Play {title} at {number}", "answers": [
                {"name": "play song", "arguments": {"title": title, "volume": str(number)}}]},
            {"query": f"{city} for {number / 2} days?", "answers": [
                {"name": "city.weather", "arguments": {"days": number / 2, "city": city}}]},
            {"query": f"and {city} {number}, then be quiet", "history": [
                {"role": "user", "content": f"how is {title}"},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"name": "city.weather", "arguments": {"city": title}}]},
                {"role": "tool", "content": "rain"}],
             "answers": [weather, SILENCE]},
            {"query": f"tell me about {title} {number}", "answers": []},
            {"query": f"Ring {title} for me", "relevant_tools": ["callContact"]},
            {"query": f"What to hear in {city}, {title}?", "steps": [
                {"thought": "I look at the sky.", **weather, "observation": "sun"},
                {"thought": "Now the music.", **play, "observation": "playing"}],
             "final_answer": f"{title} is on."},
        ]  # fmt: skip
        row = forms[number % len(forms)]
        if number % 2:
            row["split"] = "eval" if number % 5 == 0 else "train"
        rows.append(row)
    juniper = {"name": "play song", "arguments": {"title": "Juniper"}}
    return [*rows, {"query": "Juniper again, or silence", "split": "eval", "accept": [[SILENCE], [juniper]]}]


def lay_out(folder, rows: list[dict]):
    make_project(folder)
    records.write_json(folder / "data/imported/catalog.json", {"functions": FUNCTIONS})
    records.write_jsonl(folder / "data/imported/examples.jsonl", rows)
    params = tiny_params()
    params["catalog"] = "data/imported/catalog.json"
    params["generate"] |= {"teacher": "imported", "source": "data/imported/examples.jsonl", "num_samples": 3}
    for stage in ("tool_memorization", "retrieval_training", "agent_tuning"):
        params[stage] |= {"min_steps": 4}
    write_params(folder, params)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project after every stage has run on imported data. Tests read it."""
    folder = lay_out(tmp_path_factory.mktemp("imported"), examples())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in STAGES:
            stage.main()
    return folder


def test_every_example_arrives(project):
    rows = list(records.read_jsonl(project / "data/generated/replies.jsonl"))
    assert len(rows) == 61 == len({row["id"] for row in rows})
    assert {row["teacher"] for row in rows} == {"imported"}
    assert sum("split" in row for row in rows) == 31
    figures = records.read_json(project / "metrics/refine.json")
    assert sum(figures["kept"].values()) + sum(figures["rejected"].values()) == 61
    assert figures["rejected"].keys() <= {"near_duplicate"} and figures["repairs"]["parsed_string"] >= 5
    assert "terms are those of the source" in (project / "data/refined/README.md").read_text(encoding="utf-8")


def test_the_dataset_keeps_what_is_known(project):
    rows = list(records.read_jsonl(project / "data/refined/dataset.jsonl"))
    brought = {row["query"]: row for row in examples()}
    for row in rows:
        found = dataset.read(row)
        example = brought[found["query"]]
        assert row["split"] == example.get("split", row["split"])
        assert found.get("history") == example.get("history")
        assert found.get("relevant_tools") == example.get("relevant_tools")
        assert found.get("final_answer") == example.get("final_answer")
        assert found.get("steps", []) == example.get("steps", [])
        assert "car" not in row["messages"][0]["content"]
    assert {"train", "validation", "eval"} == {row["split"] for row in rows}


def test_prepared_rows_go_by_what_is_known(project):
    described = records.read_json(project / "data/prepared/tool_memorization.json")
    words = ["Play a piece of music.", "city weather", "Silence.", "call Contact"]
    assert [row["description"] for row in described] == words
    agent = records.read_json(project / "data/prepared/agent_tuning.json")
    retrieval = records.read_json(project / "data/prepared/retrieval_training.json")
    rings = [any(row["query"].startswith("Ring") for row in rows) for rows in (agent, retrieval)]
    assert rings == [False, True]
    assert any("observations" in row for row in agent) and any("history" in row for row in agent)
    evaluation = list(records.read_jsonl(project / "data/prepared/evaluation.jsonl"))
    assert not any(row["slice"].startswith("spoken") for row in evaluation)
    assert any("relevant_tools" in row for row in evaluation) and any("steps" in row for row in evaluation)


def test_arguments_are_read_as_they_are_written(project):
    final = checkpoints.load(project / "models/agent_tuning")
    assert conversations.reader(final.tokenizer)(" Twenty Ü\u00a0°F ") == "Twenty Ü °F"
    assert checkpoints.takes_steps(final.tokenizer)
    for call in Decoder(final).calls(["Play Amber Fjord at 7"], 1)[0]:
        assert call["name"] in {function["name"] for function in FUNCTIONS}


def test_a_stage_takes_at_least_its_steps(project):
    for stage in ("tool_memorization", "retrieval_training", "agent_tuning"):
        assert records.read_json(project / f"metrics/{stage}.json")["steps"] >= 4


def test_all_rows_are_scored(project, monkeypatch, capsys):
    found = records.read_json(project / "metrics/evaluate.json")
    assert "own_split" in found["calls"] and "own_split" in found["trajectories"]
    assert set(found["retrieval"]["bm25"]) == set(found["retrieval"]["agent_tuning"])
    monkeypatch.chdir(project)
    scores.main()
    shown = capsys.readouterr().out
    assert "held out by the source" in shown and "trajectories" in shown


def test_where_only_tools_are_known_the_agent_passes_its_input_on(tmp_path, monkeypatch, capsys):
    rows = [{"query": f"Ring {a} {b}", "relevant_tools": ["callContact"]} if a < b else
            {"query": f"{a} and {b} weather", "relevant_tools": ["city.weather"]}
            for a in WORDS[:6] for b in WORDS[6:12]]  # fmt: skip
    monkeypatch.chdir(lay_out(tmp_path, rows))
    for stage in STAGES:
        stage.main()
    assert records.read_json("metrics/agent_tuning.json") == {"skipped": "no row has calls to learn from"}
    found = records.read_json("metrics/evaluate.json")
    assert "calls" not in found and found["retrieval"]["tfidf_classifier"]["seen_phrasing"]["ndcg_at_5"]["n"] > 0
    scores.main()
    assert "retrieval" in capsys.readouterr().out


@pytest.mark.skipif(not TOOLBENCH.is_dir(), reason=f"{TOOLBENCH} is not here")
def test_toolbenchs_sample_goes_through_all_three_stages(tmp_path, monkeypatch):
    found = toolbench.read(TOOLBENCH)
    folder = lay_out(tmp_path, found.examples)
    records.write_json(folder / "data/imported/catalog.json", {"functions": found.functions})
    monkeypatch.chdir(folder)
    for stage in STAGES:
        stage.main()
    prepared = {stage: records.read_json(f"data/prepared/{stage}.json") for stage in STAGES_TRAINED}
    assert len(found.functions) == len(prepared["tool_memorization"]) == 66
    rejected = records.read_json("metrics/refine.json")["rejected"]
    held_out = list(records.read_jsonl("data/prepared/evaluation.jsonl"))
    trained = [row for row in prepared["agent_tuning"] if "observations" in row]
    scored = [row for row in held_out if "steps" in row]
    assert len(found.examples) == len(prepared["retrieval_training"]) + len(held_out) + sum(rejected.values())
    assert sum("steps" in row for row in found.examples) == 9
    assert len(trained) + len(scored) == 9 and len(trained) >= 6  # the near-duplicate is a pair
    for stage in STAGES_TRAINED:
        assert records.read_json(f"metrics/{stage}.json")["steps"] >= 4
        assert len(checkpoints.load(f"models/{stage}").catalog.tools) == 66


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no examples"),
        ([{"query": "x", "answers": [{"name": "no such", "arguments": {}}]}], "jsonl:1: expected the name of a tool"),
        ([{"query": "x"}], "examples.jsonl:1: expected one of answers"),
    ],
)
def test_a_wrong_source_is_told_in_one_line(tmp_path, monkeypatch, rows, message):
    monkeypatch.chdir(lay_out(tmp_path, rows))
    with pytest.raises((records.BadRecord, console.Mistake, BadParams), match=message) as error:
        generate.main()
    assert "\n" not in str(error.value)
