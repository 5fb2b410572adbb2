"""Tool tokens survive: added, trained, saved, loaded, on tied and untied, full and LoRA models (merged: test_gates)."""

import resource
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from toolgen import catalog as catalogs
from toolgen import checkpoints
from toolgen.checkpoints import BadCheckpoint, Checkpoint, Info
from toolgen.conversations import DESCRIBE, encode_part, encode_prompt, memorization
from toolgen.records import read_json, write_json
from toolgen.training import loop

SETTINGS = loop.Settings(
    num_epochs=2, batch_size=8, max_length=64, optimizer="adamw", learning_rate=0.01, embedding_learning_rate=0.01,
    weight_decay=0.0, warmup_ratio=0.0, lr_scheduler_type="constant", label_smoothing=0.0, split_words=0.0,
    word_dropout=0.0, seed=0,
)  # fmt: skip


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def base_folder(request, small, tmp_path):
    """A small pretrained model of the hub's form: a folder without tool tokens."""
    tokenizer = checkpoints.from_scratch(["open the window", "warm my seat"], small.catalog, SHAPE, 0)[1]
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=request.param, eos_token_id=0, pad_token_id=1, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


SHAPE = checkpoints.Shape(vocab_size=400, hidden_size=32, intermediate_size=64, num_layers=1, num_heads=2)


def prepared(folder, catalog, lora_r):
    model, tokenizer = checkpoints.base(str(folder), None, "none")
    new_ids = checkpoints.add_tool_tokens(model, tokenizer, catalog)
    if lora_r:
        model = checkpoints.add_adapter(model, new_ids, lora_r, 16, 0.0, "none")
    return Checkpoint(model, tokenizer, catalog, Info("tool_memorization", str(folder), adapter=lora_r > 0)), new_ids


def top_tools(checkpoint):
    """The most likely next token behind three prompts."""
    checkpoint.model.eval()
    found = []
    for text in ("open the window", "warm my seat", "how fast are we"):
        ids = torch.tensor([encode_prompt(text, DESCRIBE, checkpoint.tokenizer, 64)])
        with torch.no_grad():
            found.append(int(checkpoint.model(input_ids=ids).logits[0, -1].argmax()))
    return found


@pytest.mark.parametrize("lora_r", [0, 4], ids=["full", "lora"])
def test_train_save_load_merge_gives_the_same_answers(base_folder, small, tmp_path, catalog_path, lora_r):
    checkpoint, new_ids = prepared(base_folder, small.catalog, lora_r)
    table = checkpoint.model.get_input_embeddings()
    old = first_rows(table, min(new_ids)).clone()
    new = rows(table, new_ids).clone()
    examples = described(small.catalog.tools[:16])
    loop.train(checkpoint.model, checkpoint.tokenizer, examples, SETTINGS, tmp_path / "work")
    table = checkpoint.model.get_input_embeddings()
    assert not torch.equal(rows(table, new_ids), new), "the tool tokens were not trained"
    if lora_r:
        assert torch.equal(first_rows(table, min(new_ids)), old), "LoRA must leave the old rows alone"
    checkpoints.save(tmp_path / "saved", checkpoint, catalog_path)
    loaded = checkpoints.load(tmp_path / "saved")
    assert len(loaded.tokenizer) == len(checkpoint.tokenizer)
    assert top_tools(loaded) == top_tools(checkpoint)


def test_a_second_stage_goes_on_training_the_adapter(base_folder, small, tmp_path, catalog_path):
    checkpoint, new_ids = prepared(base_folder, small.catalog, 4)
    checkpoints.save(tmp_path / "saved", checkpoint, catalog_path)
    again = checkpoints.load(tmp_path / "saved", trainable=True)
    assert any(weight.requires_grad for weight in again.model.parameters())
    before = rows(again.model.get_input_embeddings(), new_ids).clone()
    examples = described(small.catalog.tools[:8])
    loop.train(again.model, again.tokenizer, examples, SETTINGS, tmp_path / "work")
    assert not torch.equal(rows(again.model.get_input_embeddings(), new_ids), before)


def described(tools):
    return [memorization({"description": tool.description, "token": tool.token}) for tool in tools]


def rows(table, indices):
    with torch.no_grad():
        return table(torch.tensor(indices))


def first_rows(table, count):
    return rows(table, list(range(count)))


def test_new_rows_start_as_the_mean_of_their_words(base_folder, small):
    model, tokenizer = checkpoints.base(str(base_folder), None, "none")
    word = "window"
    tools = catalogs.build([{"name": word, "description": ""}], [])
    ids = checkpoints.encode_text(f" {word}", tokenizer)
    wanted = model.get_input_embeddings().weight[ids].mean(0).detach().clone()
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    got = model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(f"<<{word}>>")]
    assert torch.allclose(got, wanted)


def test_numbers_are_whole_tokens(small):
    _, tokenizer = checkpoints.from_scratch(["open the window"], small.catalog, replace(SHAPE, vocab_size=700), 0)
    for text, count in ((" 21", 1), (" 21.5", 2), (" -2", 1), (" 100", 1)):
        assert len(checkpoints.encode_text(text, tokenizer)) == count, text


def test_a_place_is_one_token_where_it_is_written_and_words_where_it_is_said(small, tmp_path, catalog_path):
    checkpoints.save(tmp_path / "saved", small, catalog_path)
    for tokenizer in (small.tokenizer, checkpoints.load(tmp_path / "saved").tokenizer):
        (written,) = encode_part(" front left", tokenizer)
        assert written not in encode_prompt("the front left window", DESCRIBE, tokenizer, 64)
        tool = tokenizer.convert_tokens_to_ids("<<WINDOW_POS&&get>>")
        assert tokenizer.decode([tool, written]) == "<<WINDOW_POS&&get>> front left"


@pytest.mark.parametrize("make", ["missing", "empty", "not ours"])
def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path, make):
    folder = tmp_path / "model"
    if make != "missing":
        folder.mkdir()
    if make == "not ours":
        (folder / "config.json").write_text("{}")
    with pytest.raises(BadCheckpoint, match="make train") as error:
        checkpoints.load(folder)
    assert "\n" not in str(error.value)


def test_an_unreachable_base_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadCheckpoint, match="local folder") as error:
        checkpoints.base(str(tmp_path / "nowhere"), None, "none")
    assert "\n" not in str(error.value)


def test_saving_replaces_the_old_folder_whole(small, tmp_path, catalog_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "stale").write_text("old")
    checkpoints.save(folder, small, catalog_path)
    assert not (folder / "stale").exists() and (folder / "toolgen.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("lora_r", [0, 4], ids=["full", "lora"])
def test_a_checkpoint_of_another_vocabulary_or_stage_is_refused(base_folder, small, tmp_path, catalog_path, lora_r):
    checkpoint, _ = prepared(base_folder, small.catalog, lora_r)
    folder = tmp_path / "saved"
    checkpoints.save(folder, checkpoint, catalog_path)
    with pytest.raises(BadCheckpoint, match="of tool_memorization, not of agent_tuning"):
        checkpoints.load(folder, stage="agent_tuning")
    document = read_json(folder / "catalog.json")
    document["properties"].append(document["properties"][0] | {"name": "SEAT_MASSAGE"})
    write_json(folder / "catalog.json", document)
    with pytest.raises(BadCheckpoint, match="another vocabulary.*SEAT_MASSAGE"):
        checkpoints.load(folder)


def test_a_damaged_folder_is_refused_in_one_line(small, tmp_path, catalog_path):
    checkpoints.save(tmp_path / "saved", small, catalog_path)
    weights = tmp_path / "saved/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadCheckpoint, match="cannot be loaded") as error:
        checkpoints.load(tmp_path / "saved")
    assert "\n" not in str(error.value)


def test_pickles_are_never_read(base_folder):
    weights = load_file(base_folder / "model.safetensors")
    (base_folder / "model.safetensors").unlink()
    torch.save(weights, base_folder / "pytorch_model.bin")
    with pytest.raises(BadCheckpoint, match="local folder"):
        checkpoints.base(str(base_folder), None, "none")


def test_a_full_disk_leaves_the_last_checkpoint(small, tmp_path, catalog_path):
    checkpoints.save(tmp_path / "saved", small, catalog_path)
    before = (tmp_path / "saved/model.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(BadCheckpoint, match="cannot write"):
            checkpoints.save(tmp_path / "saved", small, catalog_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "saved/model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_quantised_base_is_merged_without_loss(base_folder, small, tmp_path, catalog_path):
    """Merged in four bits the answers would change; dequantised first they do not."""
    model, tokenizer = checkpoints.base(str(base_folder), None, "nf4")
    new_ids = checkpoints.add_tool_tokens(model, tokenizer, small.catalog)
    model = checkpoints.add_adapter(model, new_ids, 4, 16, 0.0, "nf4")
    info = Info("tool_memorization", str(base_folder), quantization="nf4", adapter=True)
    checkpoint = Checkpoint(model, tokenizer, small.catalog, info)
    loop.train(model, tokenizer, described(small.catalog.tools[:16]), SETTINGS, tmp_path / "work")
    checkpoints.save(tmp_path / "saved", checkpoint, catalog_path)
    merged = checkpoints.merged(tmp_path / "saved")
    assert not any("4bit" in type(module).__name__ for module in merged.model.modules())
    assert top_tools(merged) == top_tools(checkpoint)
    checkpoints.save(tmp_path / "merged", merged, catalog_path)
    assert top_tools(checkpoints.load(tmp_path / "merged")) == top_tools(checkpoint)
