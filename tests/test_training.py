"""The loop: reproducible, resumed without a trace, with clear stops."""

import resource
from dataclasses import replace

import pytest
import torch
from test_batches import ROWS
from test_checkpoints import SETTINGS

from toolgen.conversations import CALL, Conversation
from toolgen.training import loop
from toolgen.training.muon import MuonWithAdamW, orthogonalized
from toolgen.training.resuming import latest


def test_training_lowers_the_loss_and_is_reproducible(small_copy, tmp_path):
    results = []
    for _ in range(2):
        checkpoint = small_copy()
        settings = replace(SETTINGS, num_epochs=10, optimizer="muon", split_words=0.2, word_dropout=0.1)
        losses = []
        loop.train(
            checkpoint.model, checkpoint.tokenizer, ROWS * 4, settings, tmp_path,
            lambda point, losses=losses: losses.append(point["loss"]),
        )  # fmt: skip
        results.append(losses)
    assert results[0] == results[1]
    assert results[0][-1] < 0.7 * results[0][0]


def test_no_rows_is_a_clear_stop(small, tmp_path):
    with pytest.raises(loop.BadTraining, match="empty"):
        loop.train(small.model, small.tokenizer, [], SETTINGS, tmp_path)


def test_a_loss_that_is_not_finite_is_a_clear_stop(small_copy, tmp_path):
    checkpoint = small_copy()
    with torch.no_grad():
        checkpoint.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(loop.BadTraining, match="learning_rate"):
        loop.train(checkpoint.model, checkpoint.tokenizer, ROWS, SETTINGS, tmp_path)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 40), (2, 40, 16)])
def test_orthogonalized_has_singular_values_near_one(shape):
    values = torch.linalg.svdvals(orthogonalized(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.3 and values.max() < 1.3


def test_muon_steps_every_neuron_as_far():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(24, 16))
    weight.grad = torch.randn(24, 16) * torch.logspace(-3, 0, 24)[:, None]
    MuonWithAdamW([weight], [], 0.01, 0.1, 0.0).step()
    assert torch.allclose(weight.square().mean(1).sqrt(), torch.tensor(0.2 * 0.01), rtol=1e-4)


def test_muons_adamw_half_is_torchs_adamw():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    matrix = torch.nn.Parameter(torch.eye(3))
    optimizers = (
        MuonWithAdamW([matrix], [ours], 0.01, 0.1, 0.0),
        torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.95), weight_decay=0.0),
    )
    for _ in range(4):
        gradient = torch.randn(5)
        ours.grad, theirs.grad, matrix.grad = gradient.clone(), gradient.clone(), torch.randn(3, 3)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_batch_of_requests_without_calls_has_a_finite_loss(small_copy, tmp_path):
    checkpoint = small_copy()
    rows = [Conversation("hello", CALL, ()), Conversation("what a day", CALL, ())]
    result = loop.train(checkpoint.model, checkpoint.tokenizer, rows * 3, SETTINGS, tmp_path)
    assert 0 < result["loss"] < 20


class Killed(Exception):
    pass


@pytest.mark.parametrize("save_after", [0.0, None], ids=["saved", "never saved"])
@pytest.mark.parametrize(
    ("optimizer", "compute", "min_steps", "kill_at"),
    [
        ("muon", loop.Compute(), 0, 12),
        ("muon", loop.Compute(), 0, 13),  # saved at the end of an epoch
        ("muon", loop.Compute(), 40, 33),  # in an epoch that only min_steps asks for
        ("adamw", loop.Compute(device_batch_size=2), 0, 10),
        ("adamw", loop.Compute(packing=True), 0, 9),
    ],
)
def test_a_killed_run_ends_with_the_same_weights(
    small_copy, tmp_path, optimizer, compute, min_steps, kill_at, save_after
):
    settings = replace(
        SETTINGS, num_epochs=5, min_steps=min_steps, batch_size=4, optimizer=optimizer, split_words=0.3,
        word_dropout=0.2, warmup_ratio=0.1,
    )  # fmt: skip
    compute = replace(compute, save_minutes=save_after)

    def run(work, die_at=None):
        checkpoint, points = small_copy(), []
        for layer in checkpoint.model.model.layers:
            layer.self_attn.attention_dropout = 0.1  # drawn from torch's generator, which is saved

        def record(point):
            points.append((point["step"], point["loss"], point["learning_rate"]))
            if point["step"] == die_at:
                raise Killed

        result = loop.train(checkpoint.model, checkpoint.tokenizer, ROWS * 8, settings, work, record, compute)
        return result, points, checkpoint.model.state_dict()

    result, points, weights = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "work", kill_at)
    assert (latest(tmp_path / "work") is None) == (save_after is None)
    again, repeated, resumed = run(tmp_path / "work")
    assert (again, repeated) == (result, points)
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


def test_a_disk_that_takes_no_more_is_a_clear_stop(small, tmp_path):
    """A limit on the size of files stands in for a full disk: writing ends in an OSError in the same places."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(loop.BadTraining, match="make room"):
            loop.train(
                small.model, small.tokenizer, ROWS * 8, SETTINGS, tmp_path, compute=loop.Compute(save_minutes=0.0)
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert latest(tmp_path) is None


def test_a_batch_that_cannot_be_shared_is_a_clear_stop(small, tmp_path):
    with pytest.raises(loop.BadTraining, match="batch_size of 8 cannot be shared by 1 processes with 3 rows each"):
        loop.train(
            small.model, small.tokenizer, ROWS, SETTINGS, tmp_path, compute=loop.Compute(device_batch_size=3)
        )
