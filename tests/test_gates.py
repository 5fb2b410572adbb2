"""The gates at a stage's end: each way in which tool tokens are known to get lost is stopped, a sound stage passes."""

from dataclasses import replace

import pytest
import torch
from test_checkpoints import SETTINGS, base_folder, described, prepared  # noqa: F401

from toolgen import checkpoints
from toolgen.training import gates, loop
from toolgen.training.gates import FailedGate


@pytest.fixture(params=[0, 4], ids=["full", "lora"])
def trained(request, base_folder, small, tmp_path):  # noqa: F811
    """A checkpoint after a short training, and its rows before."""
    checkpoint, _ = prepared(base_folder, small.catalog, request.param)
    before = gates.rows(checkpoint)
    rows = described(small.catalog.tools[:16])
    loop.train(checkpoint.model, checkpoint.tokenizer, rows, SETTINGS, tmp_path / "work")
    return checkpoint, before, rows


def table(checkpoint, which):
    """The stored table that the rows of embeddings or of the output layer are taken from."""
    module = getattr(checkpoint.model, f"get_{which}_embeddings")()
    return getattr(module, "original_module", module).weight


def test_a_sound_stage_passes(trained, tmp_path, catalog_path):
    checkpoint, before, rows = trained
    gates.changed(before, checkpoint)
    gates.whole(checkpoint)
    checkpoints.save(
        tmp_path / "saved", checkpoint, catalog_path, lambda folder: gates.survives(checkpoint, folder, rows, 64)
    )
    merged = checkpoints.merged(tmp_path / "saved")
    assert not hasattr(merged.model, "peft_config") and not merged.info.adapter
    checkpoints.save(tmp_path / "merged", merged, catalog_path)
    gates.survives(checkpoint, tmp_path / "merged", rows, 64)


def test_rows_that_were_never_trained(base_folder, small):  # noqa: F811
    checkpoint, _ = prepared(base_folder, small.catalog, 4)
    with pytest.raises(FailedGate, match="has not changed"):
        gates.changed(gates.rows(checkpoint), checkpoint)


def test_old_rows_that_drift_beside_an_adapter(trained):
    checkpoint, before, _ = trained
    with torch.no_grad():
        table(checkpoint, "input")[5] += 0.1
    if checkpoint.info.adapter:
        with pytest.raises(FailedGate, match="none of the tools"):
            gates.changed(before, checkpoint)
    else:
        gates.changed(before, checkpoint)


def test_rows_that_are_not_finite(trained):
    checkpoint, before, _ = trained
    if checkpoint.info.adapter:
        weight = next(w for name, w in checkpoint.model.named_parameters() if "trainable_tokens_delta" in name)
    else:
        weight = table(checkpoint, "input")
    with torch.no_grad():
        weight.fill_(float("nan"))
    with pytest.raises(FailedGate, match="not finite"):
        gates.changed(before, checkpoint)


def test_ties_that_come_apart_or_close(base_folder, small):  # noqa: F811
    checkpoint, _ = prepared(base_folder, small.catalog, 0)
    model, tied = checkpoint.model, checkpoint.model.config.tie_word_embeddings
    weight = model.get_input_embeddings().weight
    model.get_output_embeddings().weight = torch.nn.Parameter(weight.detach() + 1) if tied else weight
    with pytest.raises(FailedGate, match="come apart" if tied else "become one"):
        gates.whole(checkpoint)


def test_a_vocabulary_that_does_not_agree(trained):
    checkpoint, _, _ = trained
    checkpoint.model.config.vocab_size += 1
    with pytest.raises(FailedGate, match="do not agree"):
        gates.whole(checkpoint)


def test_a_tool_token_that_the_tokenizer_takes_apart(trained, base_folder):  # noqa: F811
    checkpoint, _, _ = trained
    plain = checkpoints.base(str(base_folder), None, "none")[1]
    with pytest.raises(FailedGate, match="not one"):
        gates.whole(replace(checkpoint, tokenizer=plain))


def test_a_folder_that_answers_otherwise_replaces_nothing(trained, tmp_path, catalog_path):
    checkpoint, _, rows = trained
    checkpoints.save(tmp_path / "saved", checkpoint, catalog_path)
    kept = (tmp_path / "saved/toolgen.json").stat().st_mtime_ns

    def lost(folder):
        """As when new rows are left out of what is saved: the checkpoint in memory goes on from other rows."""
        with torch.no_grad():
            for weight in checkpoint.model.parameters():
                weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
        gates.survives(checkpoint, folder, rows, 64)

    with pytest.raises(FailedGate, match="another answer"):
        checkpoints.save(tmp_path / "saved", checkpoint, catalog_path, lost)
    assert (tmp_path / "saved/toolgen.json").stat().st_mtime_ns == kept
    assert not (tmp_path / ".saved.new").exists()
