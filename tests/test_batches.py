"""Padded and packed batches: labels are completions, and neither padding nor a neighbour changes a loss."""

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
from toolgen.training.batches import IGNORED, BadTraining, Encoder, Noise, packed, padded

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


def loss_of(model, inputs):
    labels = inputs.pop("labels")
    inputs = {"logits_to_keep": labels.shape[-1] + 1} | inputs
    logits = model(**inputs, use_cache=False).logits
    logits = logits[:, :-1] if "attention_mask" in inputs else logits
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")


def architectures(vocab_size):
    yield LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **SIZES))
    yield Qwen3ForCausalLM(Qwen3Config(vocab_size=vocab_size, **SIZES))
    yield Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=vocab_size, sliding_window=4, **SIZES))


def test_neither_padding_nor_packing_changes_a_loss_or_a_gradient(encode):
    torch.manual_seed(0)
    for model in architectures(len(encode.tokenizer)):
        results = []
        for inputs in ([padded(encode, [row]) for row in ROWS], [padded(encode, ROWS)], [packed(encode, ROWS)]):
            model.zero_grad()
            loss = sum(loss_of(model, part) for part in inputs)
            loss.backward()
            gradients = torch.cat([weight.grad.flatten() for weight in model.parameters()])
            results.append((loss.item(), gradients))
        (alone, wanted), *others = results
        for loss, gradients in others:
            assert loss == pytest.approx(alone, rel=1e-5), type(model)
            assert torch.allclose(gradients, wanted, atol=1e-4 * wanted.abs().max()), type(model)


def test_a_packed_row_would_see_its_neighbour_without_positions(encode):
    """That the comparison above can fail."""
    torch.manual_seed(0)
    model = next(architectures(len(encode.tokenizer)))
    right, wrong = packed(encode, ROWS), packed(encode, ROWS)
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


def test_labels_are_the_completion_and_its_end(encode):
    end = encode.tokenizer.eos_token_id
    tools = encode.tokenizer.convert_tokens_to_ids(["<<PERF_VEHICLE_SPEED&&get>>", "<<RANGE_REMAINING&&get>>"])
    assert padded(encode, ROWS[1:])["labels"].tolist() == [[IGNORED, IGNORED, end], [*tools, end]]
    assert packed(encode, ROWS[1:])["labels"].tolist() == [end, *tools, end]


def test_a_tool_token_that_the_model_lacks_is_a_clear_stop(encode):
    with pytest.raises(BadTraining, match="<<SEAT_MASSAGE&&set>> is no tool token"):
        list(batches.lengths([Conversation("massage", CALL, (("<<SEAT_MASSAGE&&set>>", ()),))], encode))


def test_a_completion_beyond_max_length_is_a_clear_stop(small):
    with pytest.raises(BadTraining, match="max_length"):
        list(batches.lengths(ROWS[:1], Encoder(small.tokenizer, max_length=3)))


def test_what_is_copied_from_a_query_is_never_noise(small_copy):
    tokenizer = small_copy().tokenizer
    tokenizer.init_kwargs["verbatim"] = True
    encode = Encoder(tokenizer, 64, Noise(split_words=0.5, word_dropout=0.5))
    row = Conversation("open the window", CALL, (("<<RANGE_REMAINING&&get>>", (" window",)),))
    (window,) = tokenizer(" window", add_special_tokens=False)["input_ids"]
    for _ in range(10):
        prompt, completion = encode(row)
        assert window in prompt and window in completion
