"""The loop: loss on completions alone, padding without effect, clear stops."""

from dataclasses import replace

import pytest
import torch
from test_checkpoints import SETTINGS

from toolgen import training
from toolgen.conversations import CALL, Conversation
from toolgen.muon import MuonWithAdamW, orthogonalized

ROWS = [
    Conversation("open my window", CALL, (("<<WINDOW_POS&&set>>", (" front left", " 10")),)),
    Conversation("hello there how are you doing on this fine day", CALL, ()),
    Conversation("how fast, how far", CALL, (("<<PERF_VEHICLE_SPEED&&get>>", ()), ("<<RANGE_REMAINING&&get>>", ()))),
]  # fmt: skip


def loss_of(model, batches, rows):
    inputs = batches(rows)
    labels = inputs.pop("labels")
    logits = model(**inputs, logits_to_keep=labels.shape[1] + 1, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")


def test_padding_changes_no_loss(small):
    small.model.eval()
    batches = training.Batches(small.tokenizer, SETTINGS)
    with torch.no_grad():
        together = loss_of(small.model, batches, ROWS)
        alone = sum(loss_of(small.model, batches, [row]) for row in ROWS)
    assert together.item() == pytest.approx(alone.item(), rel=1e-4)


def test_labels_are_the_completion_and_its_end(small):
    labels = training.Batches(small.tokenizer, SETTINGS)(ROWS[1:])["labels"]
    end = small.tokenizer.eos_token_id
    tools = small.tokenizer.convert_tokens_to_ids(["<<PERF_VEHICLE_SPEED&&get>>", "<<RANGE_REMAINING&&get>>"])
    assert labels.tolist() == [[training.IGNORED, training.IGNORED, end], [*tools, end]]


def test_training_lowers_the_loss_and_is_reproducible(small_copy, tmp_path):
    results = []
    for _ in range(2):
        checkpoint = small_copy()
        settings = replace(SETTINGS, num_epochs=10, optimizer="muon", split_words=0.2, word_dropout=0.1)
        losses = []
        training.train(
            checkpoint.model, checkpoint.tokenizer, ROWS * 4, settings, tmp_path,
            lambda step, loss, rate, losses=losses: losses.append(loss),
        )  # fmt: skip
        results.append(losses)
    assert results[0] == results[1]
    assert results[0][-1] < 0.7 * results[0][0]


def test_no_rows_is_a_clear_stop(small, tmp_path):
    with pytest.raises(training.BadTraining, match="empty"):
        training.train(small.model, small.tokenizer, [], SETTINGS, tmp_path)


def test_a_completion_beyond_max_length_is_a_clear_stop(small, tmp_path):
    with pytest.raises(training.BadTraining, match="max_length"):
        training.train(small.model, small.tokenizer, ROWS, replace(SETTINGS, max_length=3), tmp_path)


def test_a_loss_that_is_not_finite_is_a_clear_stop(small_copy, tmp_path):
    checkpoint = small_copy()
    with torch.no_grad():
        checkpoint.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(training.BadTraining, match="learning_rate"):
        training.train(checkpoint.model, checkpoint.tokenizer, ROWS, SETTINGS, tmp_path)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 40), (2, 40, 16)])
def test_orthogonalized_has_singular_values_near_one(shape):
    values = torch.linalg.svdvals(orthogonalized(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.3 and values.max() < 1.3


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
    result = training.train(checkpoint.model, checkpoint.tokenizer, rows * 3, SETTINGS, tmp_path)
    assert 0 < result["loss"] < 20
