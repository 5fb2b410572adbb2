"""Padded and packed batches: labels are completions, and neither padding nor a neighbour changes a loss."""

import random
from dataclasses import replace

import pytest
import torch
from test_checkpoints import SETTINGS
from torch.nn.functional import cross_entropy
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from toolgen.conversations import CALL, Conversation
from toolgen.training import batches, loop
from toolgen.training.batches import BadTraining, Encoder, Noise, OfLikeLength, Rows, packed, padded
from toolgen.training.logits import of_completions

ROWS = [
    Conversation("open my window", CALL, (("<<WINDOW_POS&&set>>", (" front left", " 10")),)),
    Conversation("hello there how are you doing on this fine day", CALL, ()),
    Conversation("how fast, how far", CALL, (("<<PERF_VEHICLE_SPEED&&get>>", ()), ("<<RANGE_REMAINING&&get>>", ()))),
]  # fmt: skip
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "head_dim": 16}  # fmt: skip


@pytest.fixture
def encode(small):
    return Encoder(small.tokenizer, max_length=64)


@pytest.fixture
def encoded(encode):
    return [encode.plain(row) for row in ROWS]


def loss_of(model, inputs):
    labels = inputs.pop("labels")
    return cross_entropy(of_completions(model, inputs), labels, reduction="sum")


def architectures(vocab_size):
    yield LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **SIZES))
    yield Qwen3ForCausalLM(Qwen3Config(vocab_size=vocab_size, **SIZES))
    yield Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=vocab_size, sliding_window=4, **SIZES))


def test_neither_padding_nor_packing_changes_a_loss_or_a_gradient(encode, encoded):
    torch.manual_seed(0)
    pad = encode.tokenizer.pad_token_id
    for model in architectures(len(encode.tokenizer)):
        results = []
        for inputs in ([padded([row], pad) for row in encoded], [padded(encoded, pad)], [packed(encoded)]):
            model.zero_grad()
            loss = sum(loss_of(model, part) for part in inputs)
            loss.backward()
            gradients = torch.cat([weight.grad.flatten() for weight in model.parameters()])
            results.append((loss.item(), gradients))
        (alone, wanted), *others = results
        for loss, gradients in others:
            assert loss == pytest.approx(alone, rel=1e-5), type(model)
            assert torch.allclose(gradients, wanted, atol=1e-4 * wanted.abs().max()), type(model)


def test_the_loss_is_that_of_the_completion_alone(encode, encoded):
    """By transformers' own loss, over all logits, with every label of a prompt ignored."""
    torch.manual_seed(0)
    for model in architectures(len(encode.tokenizer)):
        for prompt, completion in encoded:
            ids = torch.tensor([prompt + completion])
            labels = torch.tensor([[-100] * len(prompt) + completion])
            wanted = model(input_ids=ids, labels=labels).loss * len(completion)
            found = loss_of(model, padded([(prompt, completion)], encode.tokenizer.pad_token_id))
            assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
        assert model(input_ids=ids).logits.shape == (1, ids.shape[1], len(encode.tokenizer)), "the hook is gone again"


def test_a_packed_row_would_see_its_neighbour_without_positions(encode, encoded):
    """That the comparison above can fail."""
    torch.manual_seed(0)
    model = next(architectures(len(encode.tokenizer)))
    right, wrong = packed(encoded), packed(encoded)
    del wrong["position_ids"]
    assert abs(loss_of(model, right).item() - loss_of(model, wrong).item()) > 1e-3


def test_packed_training_is_padded_training(small_copy, tmp_path):
    losses = []
    for compute in (loop.Compute(), loop.Compute(packing=True), loop.Compute(device_batch_size=4)):
        checkpoint, found = small_copy(), []
        loop.train(
            checkpoint.model, checkpoint.tokenizer, ROWS * 8, replace(SETTINGS, learning_rate=1e-3), tmp_path,
            lambda point, found=found: found.append(point["loss"]), compute,
        )  # fmt: skip
        losses.append(found)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[2] == pytest.approx(losses[0], rel=1e-4)


def test_labels_are_the_completion_and_its_end(encode, encoded):
    end = encode.tokenizer.eos_token_id
    tools = encode.tokenizer.convert_tokens_to_ids(["<<PERF_VEHICLE_SPEED&&get>>", "<<RANGE_REMAINING&&get>>"])
    for batch in (padded(encoded[1:], encode.tokenizer.pad_token_id), packed(encoded[1:])):
        assert batch["labels"].tolist() == [end, *tools, end]
        following = batch["input_ids"].flatten().roll(-1)[batch["kept"]]
        assert following[1:3].tolist() == tools


def drawn(encode, epoch, seed=0):
    rows = Rows(ROWS * 40, encode, seed)
    rows.set_epoch(epoch)
    return [rows[i] for i in range(len(rows))]


def test_noise_hangs_on_seed_and_epoch_alone(small):
    encode = Encoder(small.tokenizer, 64, Noise(split_words=0.3, word_dropout=0.2))
    assert drawn(encode, 1) == drawn(encode, 1)
    assert drawn(encode, 1) != drawn(encode, 0)
    assert drawn(encode, 1) != drawn(encode, 1, seed=1)


def test_batches_hold_every_row_once_and_rows_of_like_length(encode):
    rows = Rows(ROWS * 43, encode, 0)
    orders = []
    for epoch in (0, 0, 1):
        rows.set_epoch(epoch)
        orders.append(list(OfLikeLength(rows, 8)))
        assert sorted(orders[-1]) == list(range(len(rows)))
    assert orders[0] == orders[1] != orders[2]
    lengths = [sum(map(len, rows[i])) for i in orders[0]]
    whole = [set(lengths[start : start + 8]) for start in range(0, len(rows) - 8, 8)]
    assert sum(len(batch) > 1 for batch in whole) <= 2, "only where one length gives way to the next"
    assert [min(batch) for batch in whole] not in (sorted(map(min, whole)), sorted(map(min, whole), reverse=True))


def test_a_tool_token_that_the_model_lacks_is_a_clear_stop(encode):
    with pytest.raises(BadTraining, match="<<SEAT_MASSAGE&&set>> is no tool token"):
        batches.check([Conversation("massage", CALL, (("<<SEAT_MASSAGE&&set>>", ()),))], encode)


def test_a_completion_beyond_max_length_is_a_clear_stop(small):
    with pytest.raises(BadTraining, match="max_length"):
        batches.check(ROWS[:1], Encoder(small.tokenizer, max_length=3))


def test_what_is_copied_from_a_query_is_never_noise(small_copy):
    tokenizer = small_copy().tokenizer
    tokenizer.init_kwargs["verbatim"] = True
    encode = Encoder(tokenizer, 64, Noise(split_words=0.5, word_dropout=0.5))
    row = Conversation("open the window", CALL, (("<<RANGE_REMAINING&&get>>", (" window",)),))
    (window,) = tokenizer(" window", add_special_tokens=False)["input_ids"]
    for seed in range(10):
        prompt, completion = encode(row, random.Random(seed))
        assert window in prompt and window in completion
