"""What the training scripts share: replay, stages that are switched off, general data, what a failed stage leaves."""

import pytest
from conftest import contents
from safetensors.torch import load_file, save_file
from training_project import TRAINED, lay_out

import agent_tuning
import retrieval_training
import tool_memorization
from toolgen import checkpoints, records
from toolgen.conversations import CALL, DESCRIBE, Conversation
from toolgen.training import gates, general, loop, stages
from toolgen.training.stages import replayed

ROWS = [Conversation(f"query {i}", CALL, ()) for i in range(100)]
EARLIER = [[Conversation(f"tool {i}", DESCRIBE, ()) for i in range(7)], []]
CHAT = [{"messages": [{"role": "user", "content": f"say {i}"}, {"role": "assistant", "content": f"{i} it is"}]}
        for i in range(30)]  # fmt: skip


def test_earlier_examples_come_back_behind_the_rows():
    rows = replayed(ROWS, EARLIER, 0.2, seed=1)
    assert rows[:100] == ROWS
    assert len(rows) == 120 and set(rows[100:]) <= set(EARLIER[0])
    assert rows == replayed(ROWS, EARLIER, 0.2, seed=1) != replayed(ROWS, EARLIER, 0.2, seed=2)


def test_no_replay_leaves_the_rows_alone():
    assert replayed(ROWS, EARLIER, 0.0, seed=0) == ROWS


def switched_off(*names):
    def change(params):
        for name in names:
            params[name]["num_epochs"] = 0

    return change


def test_stages_that_are_switched_off_pass_their_input_on(tmp_path, monkeypatch):
    folder = lay_out(tmp_path / "project", switched_off("tool_memorization", "retrieval_training"))
    monkeypatch.chdir(folder)
    tool_memorization.main()
    retrieval_training.main()
    first, second = (contents(folder / "models" / stage) for stage in TRAINED[:2])
    assert first.pop("toolgen.json") != second.pop("toolgen.json")
    assert first.pop("tokenizer_config.json") and second.pop("tokenizer_config.json")  # which says how it was loaded
    assert first == second
    for stage in TRAINED[:2]:
        assert records.read_json(folder / f"metrics/{stage}.json") == {"skipped": f"{stage}.num_epochs is 0"}
        assert (folder / "plots" / stage).is_dir()
        checkpoint = checkpoints.load(folder / "models" / stage, stage=stage)
        gates.whole(checkpoint)  # the tokens are there, although nobody has learned them
    agent_tuning.main()
    assert records.read_json(folder / "metrics/agent_tuning.json")["steps"] == 1


def test_general_data_is_replayed_and_its_perplexity_measured(tmp_path, monkeypatch):
    def change(params):
        params["train"] |= {"general_share": 0.5}
        params["tool_memorization"] |= {"num_epochs": 6}

    folder = lay_out(tmp_path / "project", change)
    records.write_jsonl(folder / "data/general.jsonl", CHAT)
    monkeypatch.chdir(folder)
    tool_memorization.main()
    found = records.read_json("metrics/tool_memorization.json")
    assert found["examples"] == 160
    assert 1 < found["general_perplexity"]["after"] < found["general_perplexity"]["before"]


def test_what_is_held_out_is_never_replayed(small, tmp_path):
    records.write_jsonl(tmp_path / "chat.jsonl", CHAT)
    rows = general.read(tmp_path / "chat.jsonl", small.tokenizer, 64)
    again = general.replayed(ROWS, rows, 0.5, seed=0)
    assert len(again) == 200 and not set(again) & set(rows[:: general.HELD_OUT])
    assert general.replayed(ROWS, rows, 0.0, seed=0) == general.replayed(ROWS, [], 0.5, seed=0) == ROWS


@pytest.mark.parametrize(
    "row", [{"text": "hi"}, {"messages": [{"role": "user", "content": "hi"}]}, {"messages": [{"role": "user"}]}]
)
def test_general_data_of_another_form_names_its_line(small, tmp_path, row):
    records.write_jsonl(tmp_path / "chat.jsonl", [*CHAT[:1], row])
    with pytest.raises(records.BadRecord, match=r"chat\.jsonl:2: "):
        general.read(tmp_path / "chat.jsonl", small.tokenizer, 64)


def test_a_stage_that_fails_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    folder = lay_out(tmp_path / "project")
    monkeypatch.chdir(folder)
    tool_memorization.main()
    before = contents(folder / "models")
    for name in ("metrics", "plots"):
        before |= contents(folder / name) if name == "metrics" else {}
    monkeypatch.setattr(gates, "NEAR", {"float32": -1.0})  # as if no answer survived being saved
    with pytest.raises(stages.MISTAKES, match="another answer"):
        tool_memorization.main()
    assert {**contents(folder / "models"), **contents(folder / "metrics")}.items() >= before.items() - {
        (name, content) for name, content in before.items() if "timing" in name
    }


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    folder = lay_out(tmp_path / "project")
    monkeypatch.chdir(folder)
    tool_memorization.main()
    retrieval_training.main()
    path = folder / "models/tool_memorization/model.safetensors"
    save_file({name: weight * float("nan") for name, weight in load_file(path).items()}, path, {"format": "pt"})
    before = contents(folder / "models")
    with pytest.raises(loop.BadTraining, match="lower the learning_rate"):
        retrieval_training.main()
    assert contents(folder / "models") == before


def test_a_stage_wants_the_checkpoint_of_the_one_before(tmp_path, monkeypatch):
    folder = lay_out(tmp_path / "project", switched_off("tool_memorization"))
    monkeypatch.chdir(folder)
    tool_memorization.main()
    (folder / "models/tool_memorization").rename(folder / "models/retrieval_training")
    with pytest.raises(checkpoints.BadCheckpoint, match="of tool_memorization, not of retrieval_training"):
        agent_tuning.main()
