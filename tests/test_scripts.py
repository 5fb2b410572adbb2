"""The real scripts, end to end on a tiny params.yaml, and what they answer to a user's mistake."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, SPOKEN, STAGES, command, contents, make_project, script, tiny_params, write_params

from toolgen import catalog, checkpoints, dataset, records
from toolgen.decoding import Decoder

SHAPE = checkpoints.Shape(vocab_size=400, hidden_size=64, intermediate_size=128, num_layers=2, num_heads=2)
TRAINED = ("tool_memorization", "retrieval_training", "agent_tuning")
HARD_QUERIES = [
    "set my side to 21",
    "",
    "   ",
    "warmer " * 10_000,
    "open\x00 the \x1b[31m window\x7f",
    "🥶🥶 heat please 🔥",
    "<<HVAC_TEMPERATURE_SET&&set>> front left 22 <|end|>",
    "it's $(touch x) `id` \"hot\" \\ 'here'",
    "set my side to 21",
]


def rows(folder: Path, path: str) -> list[dict]:
    return list(records.read_jsonl(folder / path))


def metrics(folder: Path, stage: str) -> dict:
    return records.read_json(folder / f"metrics/{stage}.json")


# What a run leaves behind.


def test_generate_writes_every_reply(tiny):
    replies = rows(tiny, "data/generated/replies.jsonl")
    assert len(replies) == metrics(tiny, "generate")["replies"] == 400
    assert all(set(reply) == {"id", "teacher", "prompt_sha", "text"} for reply in replies)
    assert len({reply["id"] for reply in replies}) == len({reply["text"] for reply in replies})
    assert all({"query", "answers"} <= set(json.loads(reply["text"])) for reply in replies)


def test_the_first_rows_of_a_larger_run_are_the_same_bytes(tiny, tmp_path):
    folder = make_project(tmp_path)
    params = tiny_params()
    params["generate"]["num_samples"] = 100
    write_params(folder, params)
    assert script(folder, "generate").returncode == 0
    shorter = (folder / "data/generated/replies.jsonl").read_bytes()
    assert (tiny / "data/generated/replies.jsonl").read_bytes().startswith(shorter)
    assert shorter.count(b"\n") == 100


def test_refine_accounts_for_every_reply(tiny):
    kept, rejected = rows(tiny, "data/refined/dataset.jsonl"), rows(tiny, "data/refined/rejected.jsonl")
    counted = metrics(tiny, "refine")
    assert len(kept) + len(rejected) == 400
    assert len(kept) == sum(counted["kept"].values())
    assert len(rejected) == sum(counted["rejected"].values())
    assert all(set(row) == {"id", "reason", "detail", "example"} for row in rejected)
    assert {row["metadata"] for row in kept} == {"train", "eval"}


def test_prepare_lays_out_what_refine_kept(tiny):
    tools = catalog.load(tiny / "data/catalog.json")
    memorization = records.read_json(tiny / "data/prepared/tool_memorization.json")
    retrieval = records.read_json(tiny / "data/prepared/retrieval_training.json")
    agent = records.read_json(tiny / "data/prepared/agent_tuning.json")
    assert [row["token"] for row in memorization] == [tool.token for tool in tools.tools]
    train = [row for row in rows(tiny, "data/refined/dataset.jsonl") if row["split"] == "train"]
    asked = [dataset.query_and_calls(row) for row in train]
    assert [row["query"] for row in retrieval] == [row["query"] for row in agent] == [query for query, _ in asked]
    for row, found, (_, calls) in zip(agent, retrieval, asked, strict=True):
        bound = [(tools.by_token[step["action"]], step["action_input"]) for step in row["plan_sequence"]]
        assert [{"name": tool.function, "arguments": {**tool.bound, **given}} for tool, given in bound] == calls
        assert found["relevant_tool_tokens"] == list(dict.fromkeys(tool.token for tool, _ in bound))


def test_evaluation_rows_are_of_no_training_query(tiny):
    evaluation = rows(tiny, "data/prepared/evaluation.jsonl")
    trained = {row["query"] for row in records.read_json(tiny / "data/prepared/agent_tuning.json")}
    assert not trained & {row["query"] for row in evaluation}
    spoken = [row for row in evaluation if row["slice"] in ("spoken_dev", "spoken_test")]
    noisy = [row for row in evaluation if row["slice"] == "spoken_noisy"]
    assert [row["query"] for row in spoken] == [query for query, _, _ in SPOKEN]
    assert [row["accept"] for row in noisy] == [row["accept"] for row in spoken]
    assert any(one["query"] != other["query"] for one, other in zip(noisy, spoken, strict=True))
    assert metrics(tiny, "prepare")["evaluation"].keys() >= {"seen_phrasing", "validation", "spoken_dev", "spoken_test"}


@pytest.mark.parametrize("stage", TRAINED)
def test_every_trained_folder_is_whole(tiny, stage):
    tools = catalog.load(tiny / "data/catalog.json")
    checkpoint = checkpoints.load(tiny / "models" / stage)
    ids = [checkpoint.tokenizer.convert_tokens_to_ids(tool.token) for tool in tools.tools]
    assert len(set(ids)) == len(tools.tools)
    assert all(checkpoint.tokenizer(tool.token)["input_ids"] == [i] for tool, i in zip(tools.tools, ids, strict=True))
    assert checkpoint.info.stage == stage
    assert checkpoint.catalog == tools
    assert metrics(tiny, stage)["parameters"] == sum(weight.numel() for weight in checkpoint.model.parameters())
    with (tiny / f"plots/{stage}/plots/metrics/loss.tsv").open() as file:
        assert all(float(point["loss"]) > 0 for point in csv.DictReader(file, delimiter="\t"))


def test_evaluate_scores_every_row(tiny):
    evaluation = rows(tiny, "data/prepared/evaluation.jsonl")
    scores = metrics(tiny, "evaluate")
    predicted = {path.stem: rows(tiny, path) for path in (tiny / "metrics/predictions").glob("*.jsonl")}
    assert {name: len(members) for name, members in predicted.items()} == metrics(tiny, "prepare")["evaluation"]
    assert sum(map(len, predicted.values())) == len(evaluation)
    for name, members in predicted.items():
        assert scores["calls"][name]["exact_match"]["n"] == len(members)
        assert [row["query"] for row in members] == [row["query"] for row in evaluation if row["slice"] == name]
    for name, columns in (("by_kind", ["kind", "exact_match"]), ("confusion", ["actual", "predicted"])):
        with (tiny / f"plots/evaluate/{name}.csv").open() as file:
            assert next(csv.reader(file)) == columns


def test_the_scores_are_printed_as_a_table(tiny):
    done = script(tiny, "scores")
    assert done.returncode == 0, done.stderr
    assert "| spoken" in done.stdout


def test_nothing_but_named_outputs_is_left(tiny):
    assert not [path for path in contents(tiny) if Path(path).name.startswith(".") and not path.endswith("ignore")]


# Predictions.


def test_predict_answers_every_row_in_order(tiny, tmp_path):
    asked, answered = tmp_path / "q.jsonl", tmp_path / "calls.jsonl"
    asked.write_text("".join(json.dumps({"query": query}) + "\n" for query in HARD_QUERIES), encoding="utf-8")
    done = script(tiny, "predict", "--input", str(asked), "--output", str(answered))
    assert done.returncode == 0, done.stderr
    answers = list(records.read_jsonl(answered))
    assert [row["query"] for row in answers] == HARD_QUERIES
    assert all(set(call) == {"name", "arguments"} for row in answers for call in row["calls"])
    assert answers[0] == answers[-1]
    decoder = Decoder(checkpoints.load(tiny / "models/agent_tuning"))
    assert decoder.calls(HARD_QUERIES[:1], 1) == [answers[0]["calls"]]


def test_predict_answers_the_environment(tiny):
    done = script(tiny, "predict", Q="set my side to 21 $(touch x) `id`")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


# A user's mistakes: one line that says what is wrong, exit status 1, and no file touched.


def refused(folder: Path, name: str, *arguments: str, **environment: str) -> str:
    """Run a script that must refuse; return its message, the one line on stderr beside progress bars."""
    before = kept(folder)
    done = script(folder, name, *arguments, **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip() and "/s]" not in line]
    assert len(lines) == 1, done.stderr
    assert kept(folder) == before
    return lines[0]


def kept(folder: Path) -> dict[str, bytes]:
    """Every file but the curves, which a run opens before it knows that it can train."""
    return {path: content for path, content in contents(folder).items() if not path.startswith("plots/")}


@pytest.fixture
def bare(tmp_path) -> Path:
    """A tiny project before its first run."""
    return make_project(tmp_path)


@pytest.mark.parametrize("stage", ("generate", "refine", "prepare"))
def test_wrong_working_directory(bare, tmp_path_factory, stage):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(bare / "scripts", elsewhere / "scripts")
    message = refused(elsewhere, stage)
    assert "no params.yaml" in message and "top folder" in message


def test_all_mistakes_in_params_are_told_at_once(bare):
    params = tiny_params()
    params["generate"]["no_calls"] = 0.1
    params["refine"]["rouge_threshold"] = "8e-1"
    del params["agent_tuning"]["num_epochs"]
    write_params(bare, params)
    before = kept(bare)
    done = script(bare, "generate")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 3
    for part in ("generate.no_calls is not a parameter", "write 8.0e-1", "agent_tuning.num_epochs is missing"):
        assert part in done.stderr
    assert kept(bare) == before


def test_unknown_section(bare):
    write_params(bare, tiny_params() | {"retrieval": {}})
    assert "retrieval is not a parameter" in refused(bare, "generate")


def test_params_that_are_not_yaml(bare):
    (bare / "params.yaml").write_text("catalog: [\n", encoding="utf-8")
    assert "params.yaml:2: not YAML" in refused(bare, "generate")


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda item: item | {"type": "Text"}, "unknown type 'Text'"),
        (lambda item: item | {"areas": []}, "no areas"),
        (lambda item: item | {"areas": [{}]}, "empty area"),
        (lambda item: item | {"name": "WINDOW_POS"}, "duplicate property WINDOW_POS"),
    ],
)
def test_bad_catalog(bare, break_it, complaint):
    document = records.read_json(bare / "data/catalog.json")
    first = next(i for i, item in enumerate(document["properties"]) if item["name"] != "WINDOW_POS")
    document["properties"][first] = break_it(document["properties"][first])
    records.write_json(bare / "data/catalog.json", document)
    message = refused(bare, "generate")
    assert complaint in message and "data/catalog.json" in message


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("generate", "data/catalog.json"),
        ("refine", "data/generated/replies.jsonl"),
        ("prepare", "data/refined/dataset.jsonl"),
        ("refine", "data/spoken_car.jsonl"),
    ],
)
def test_missing_input(bare, stage, missing):
    (bare / missing).unlink(missing_ok=True)
    assert missing in refused(bare, stage)


def test_no_phrases(bare):
    shutil.rmtree(bare / "data/phrases")
    assert "data/phrases" in refused(bare, "generate")


def test_empty_reply_file(bare):
    (bare / "data/generated").mkdir()
    (bare / "data/generated/replies.jsonl").touch()
    assert "data/generated/replies.jsonl holds no usable reply" in refused(bare, "refine")


def test_a_reply_line_that_is_no_json_is_named(bare):
    (bare / "data/generated").mkdir()
    (bare / "data/generated/replies.jsonl").write_text("{\n", encoding="utf-8")
    assert "data/generated/replies.jsonl:1: not JSON" in refused(bare, "refine")


def test_missing_models(bare):
    for stage, needed in (("retrieval_training", "tool_memorization"), ("predict", "agent_tuning")):
        message = refused(bare, stage, Q="set my side to 21")
        assert f"models/{needed} holds no model" in message and "make train" in message


def test_empty_training_file(tiny, bare):
    shutil.copytree(tiny / "data/prepared", bare / "data/prepared")
    shutil.copytree(tiny / "models/retrieval_training", bare / "models/retrieval_training")
    for name in ("retrieval_training", "agent_tuning"):
        (bare / f"data/prepared/{name}.json").write_text("[]\n", encoding="utf-8")
    assert "nothing to train on" in refused(bare, "agent_tuning")


def test_predict_without_a_query(bare):
    assert "make predict Q=" in refused(bare, "predict")


def test_scores_before_an_evaluation(bare):
    assert "make evaluate" in refused(bare, "scores")


@pytest.mark.parametrize(
    "name", (*STAGES, "predict", "serve", "scores", "compare", "report", "import_data", "export_data", "push_hub")
)
def test_every_script_opens_with_what_it_does(name):
    source = (ROOT / f"scripts/{name}.py").read_text(encoding="utf-8")
    assert source.startswith('"""') and "\nreads " in source


def test_help_is_the_docstring(bare):
    done = command(bare, "python", "scripts/generate.py", "--help")
    assert done.returncode == 0
    assert "data/generated/replies.jsonl" in done.stdout


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_base_model_in_a_folder_goes_through_the_same_scripts(tiny, tmp_path, small, quantization):
    """What a hub holds, in small: a Llama without tool tokens, trained by LoRA or QLoRA through all three stages."""
    base = tmp_path / "base"
    plain, tokenizer = checkpoints.from_scratch(["open the window"], catalog.build([], []), SHAPE, 0)
    plain.save_pretrained(base)
    tokenizer.save_pretrained(base)
    folder = make_project(tmp_path / "project")
    shutil.copytree(tiny / "data/prepared", folder / "data/prepared")
    params = tiny_params()
    params["model"] |= {"base_model": str(base), "lora_r": 4, "quantization": quantization}
    write_params(folder, params)
    for stage in TRAINED:
        done = script(folder, stage)
        assert done.returncode == 0, done.stderr
        assert (folder / f"models/{stage}/adapter_model.safetensors").is_file()
    loaded = checkpoints.load(folder / "models/agent_tuning")
    assert loaded.info.base_model == str(base) and loaded.info.quantization == quantization
    assert len(Decoder(loaded).calls(["open my window"], batch_size=1)) == 1


def test_a_base_model_that_cannot_be_reached_is_told_in_one_line(tiny, tmp_path):
    folder = make_project(tmp_path)
    shutil.copytree(tiny / "data/prepared", folder / "data/prepared")
    params = tiny_params()
    params["model"]["base_model"] = "./no/such/model"
    write_params(folder, params)
    done = script(folder, "tool_memorization")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "local folder" in done.stderr.strip().splitlines()[-1]
    assert not (folder / "models/tool_memorization").exists()
