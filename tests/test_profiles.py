"""Every profile through all three stages, on a tiny random model of its architecture; and what a wrong one is told."""

import pytest
import torch
import yaml
from conftest import ROOT
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from training_project import TRAINED, lay_out
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

import agent_tuning
import retrieval_training
import tool_memorization
from toolgen import checkpoints, params, records
from toolgen.training import gates

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "head_dim": 32}  # fmt: skip
TINY = {  # the architecture and the ties of each profile's base model
    "llama-3.2-1b-qlora": (LlamaForCausalLM, LlamaConfig, True),
    "functiongemma-270m": (Gemma3ForCausalLM, Gemma3TextConfig, True),
    "qwen3-4b-lora": (Qwen3ForCausalLM, Qwen3Config, True),
    "llama-3-8b": (LlamaForCausalLM, LlamaConfig, False),
}


def tiny_base(folder, name):
    """A pretrained model of the hub's form: weights in bfloat16, a beginning token, rows to spare in its vocabulary."""
    model_class, config_class, tied = TINY[name]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<bos>", "<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([tool.read_text() for tool in [ROOT / "README.md"]], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>")
    config = config_class(
        vocab_size=416, tie_word_embeddings=tied, bos_token_id=0, eos_token_id=1, pad_token_id=1, **SIZES
    )
    torch.manual_seed(0)
    model_class(config).to(torch.bfloat16).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def enter_project(tmp_path, monkeypatch, name):
    """Lay out a project of a profile, with a tiny base in place of its own; change into it and return the profile."""
    folder = lay_out(tmp_path / "project", lambda options: options.update(profile=name))
    path = folder / f"profiles/{name}.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["model"]["base_model"] = str(tiny_base(tmp_path / "base", name))
    path.write_text(yaml.safe_dump(profile))
    monkeypatch.chdir(folder)
    return profile


@pytest.mark.parametrize("name", TINY)
def test_a_profile_goes_through_all_three_stages(tmp_path, monkeypatch, name):
    profile = enter_project(tmp_path, monkeypatch, name)
    for stage in (tool_memorization, retrieval_training, agent_tuning):
        stage.main()  # whose gates look at tokens, rows, ties, saving, loading and merging
    options = params.read()
    assert options.agent_tuning.num_epochs == profile["agent_tuning"]["num_epochs"]
    for stage in TRAINED:
        assert records.read_json(f"metrics/{stage}.json")["steps"] > 0
        checkpoint = checkpoints.load(f"models/{stage}", stage=stage)
        assert checkpoint.info.adapter == (options.model.lora_r > 0)
        assert checkpoint.info.quantization == options.model.quantization
    merged = checkpoints.merged("models/agent_tuning")
    gates.whole(merged)
    assert isinstance(merged.model, TINY[name][0])
    assert merged.model.config.tie_word_embeddings == TINY[name][2]


def test_every_profile_is_tested_and_good(tmp_path, monkeypatch):
    found = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert found == {"from_scratch", *TINY}
    monkeypatch.chdir(ROOT)
    plain = params.read()
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in TINY:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document | {"profile": name}))
        options = params.read(tmp_path / "params.yaml")
        assert options.generate == plain.generate and options.model != plain.model
        assert options.agent_tuning.replay == plain.agent_tuning.replay  # what a profile leaves out is as it was


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "params.yaml: there is no profile 'mine'; profiles/ has from_scratch, "),
        ("model: {lora_rank: 8}", "profiles/mine.yaml: model.lora_rank is not a parameter"),
        ("train: {packing: 1}", "profiles/mine.yaml: train.packing is 1: "),
        ("generate: {seed: 1}", "profiles/mine.yaml: generate cannot be set by a profile"),
        ("- model", "profiles/mine.yaml: expected sections"),
        ("model: [", "profiles/mine.yaml:1: not YAML"),
    ],
)
def test_a_wrong_profile_is_told_in_one_line(tmp_path, monkeypatch, text, message):
    folder = lay_out(tmp_path / "project", lambda options: options.update(profile="mine"))
    if text is not None:
        (folder / "profiles/mine.yaml").write_text(text)
    monkeypatch.chdir(folder)
    with pytest.raises(params.BadParams) as error:
        params.read()
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
