"""The real evaluate script: what it leaves behind, and what it answers to a user's mistake."""

import shutil

import pytest
from conftest import make_project, script, spoken_rows, tiny_params, write_params

from toolgen import checkpoints, records

STAGES = ("tool_memorization", "retrieval_training", "agent_tuning")


# What a run leaves behind.


def leaves(scores: dict, path: str = ""):
    """Every score in a metrics file, with where it stands."""
    if "value" in scores and "n" in scores:
        yield path, scores
        return
    for name, inner in scores.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{path}.{name}")


def test_every_score_has_its_rows_and_an_interval(tiny):
    scores = records.read_json(tiny / "metrics/evaluate.json")
    assert set(scores) == {"memorization", "retrieval", "calls", "calls_by_property", "no_call_threshold",
                           "calls_calibrated", "calls_unconstrained", "calls_nearest_query"}  # fmt: skip
    assert len(found := list(leaves(scores))) > 500
    for path, score in found:
        if score["n"]:
            assert 0 <= score["low"] <= score["high"] <= 1, path
            # The mean of resampled means is the mean. A macro F1 over the labels that were drawn is another matter.
            assert score["low"] <= score["value"] <= score["high"] or path.endswith("macro_f1"), path
        else:
            assert score["value"] is None, path
    assert set(scores["calls"]) >= {"seen_phrasing", "spoken", "spoken_dev", "spoken_test", "spoken_noisy"}
    assert scores["calls"]["spoken"]["invalid_calls"]["value"] == 0.0
    assert scores["calls"]["spoken"]["hallucinated_tools"]["value"] == 0.0
    assert set(scores["retrieval"]) == {"retrieval_training", "agent_tuning", "bm25", "bm25_training_queries",
                                        "nearest_query", "tfidf_classifier", "fused"}  # fmt: skip


def test_the_prompt_method_is_timed_beside_the_model(tiny):
    timing = records.read_json(tiny / "metrics/timing/evaluate.json")
    assert timing["prompt_method_takes_times"]["prompt_tokens"] > 100
    assert timing["prompt_method"]["ms_per_query_single"]["median"] > timing["ms_per_query_single"]["median"] > 0
    assert timing["model_bytes"] == 4 * records.read_json(tiny / "metrics/agent_tuning.json")["parameters"]


def test_the_worst_answers_are_of_the_half_that_may_be_read(tiny):
    text = (tiny / "metrics/worst.md").read_text(encoding="utf-8")
    halves = {name: {row["query"] for row in records.read_jsonl(tiny / f"metrics/predictions/{name}.jsonl")}
              for name in ("spoken_dev", "spoken_test")}  # fmt: skip
    assert "soft accuracy" in text
    assert any(query in text for query in halves["spoken_dev"])
    assert not any(query in text for query in halves["spoken_test"])


def test_predictions_say_where_the_wanted_tools_were_ranked(tiny):
    for row in records.read_jsonl(tiny / "metrics/predictions/spoken_dev.jsonl"):
        assert bool(row["ranks"]) == (row["kind"] != "no-call")
        assert row["ranks"] == sorted(set(row["ranks"])) and all(1 <= rank <= 80 for rank in row["ranks"])


# A user's mistakes: one line, exit status 1.


@pytest.fixture
def project(tmp_path):
    """A tiny project with evaluation rows and no models."""
    folder = make_project(tmp_path)
    rows = [row | {"slice": "spoken_dev"} for row in spoken_rows()]
    records.write_jsonl(folder / "data/prepared/evaluation.jsonl", rows)
    return folder


def refused(folder) -> str:
    done = script(folder, "evaluate")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert not (folder / "metrics").exists()
    (line,) = [line for line in done.stderr.splitlines() if line.strip() and "/s]" not in line]
    return line


def test_a_row_with_an_unknown_tool_is_named(project):
    rows = list(records.read_jsonl(project / "data/prepared/evaluation.jsonl"))
    rows[1]["accept"][0][0]["arguments"]["propertyName"] = "FRIDGE_TEMPERATURE"
    records.write_jsonl(project / "data/prepared/evaluation.jsonl", rows)
    message = refused(project)
    assert "data/prepared/evaluation.jsonl:2: unknown_property" in message and "FRIDGE_TEMPERATURE" in message


def test_no_rows(project):
    (project / "data/prepared/evaluation.jsonl").write_text("", encoding="utf-8")
    assert "no evaluation rows" in refused(project)


def test_no_models(project):
    assert "models/tool_memorization holds no model" in refused(project)


def test_a_model_without_its_weights(project, small):
    for stage in STAGES:
        checkpoints.save(project / f"models/{stage}", small, project / "data/catalog.json")
    (project / "models/agent_tuning/model.safetensors").unlink()
    assert "models/agent_tuning" in refused(project)


def test_the_prompt_method_needs_a_pretrained_model(project, small):
    for stage in STAGES:
        checkpoints.save(project / f"models/{stage}", small, project / "data/catalog.json")
    params = tiny_params()
    params["evaluate"]["prompt_method"] = True
    write_params(project, params)
    assert "evaluate.prompt_method needs a pretrained chat model" in refused(project)


def test_an_embedding_model_that_is_not_there(tiny, project):
    for name in ("data/prepared", "models"):
        shutil.copytree(tiny / name, project / name, dirs_exist_ok=True)
    params = tiny_params()
    params["evaluate"]["embedding_model"] = "./no/such/model"
    write_params(project, params)
    assert "evaluate.embedding_model" in refused(project)
