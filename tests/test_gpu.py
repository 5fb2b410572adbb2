"""What only a CUDA GPU can show: the same scripts there, in bfloat16 and four bits."""

import pytest
import torch
from test_checkpoints import described
from test_profiles import enter_project

import tool_memorization
from toolgen import checkpoints, records
from toolgen.training import loop

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU"),
]


def test_a_stage_runs_on_the_gpu_and_passes_its_gates(tmp_path, monkeypatch):
    enter_project(tmp_path, monkeypatch, "llama-3.2-1b-qlora")
    torch.cuda.reset_peak_memory_stats()
    tool_memorization.main()
    assert torch.cuda.max_memory_allocated() > 0
    assert records.read_json("metrics/tool_memorization.json")["steps"] > 0


def test_packing_in_bfloat16_follows_padding_in_float32(small_copy, tmp_path):
    losses = []
    for compute in (loop.Compute(), loop.Compute(packing=True, dtype="bfloat16")):
        checkpoint, found = small_copy(), []
        checkpoints.to_device(checkpoint)
        rows = described(checkpoint.catalog.tools)
        settings = loop.Settings(
            num_epochs=3, batch_size=16, max_length=64, optimizer="adamw", learning_rate=1e-3,
            embedding_learning_rate=1e-3, weight_decay=0.0, warmup_ratio=0.0, lr_scheduler_type="constant",
            label_smoothing=0.0, split_words=0.0, word_dropout=0.0, seed=0,
        )  # fmt: skip
        loop.train(
            checkpoint.model, checkpoint.tokenizer, rows, settings, tmp_path,
            lambda point, found=found: found.append(point["loss"]), compute,
        )  # fmt: skip
        losses.append(found)
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
