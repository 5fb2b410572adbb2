"""The reference decoder: the same logits and calls as transformers, in a folder that needs neither it nor torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_decoding import HOSTILE, QUERIES, ordinary, shake  # noqa: F401
from transformers import LlamaConfig, LlamaForCausalLM

from toolgen import records
from toolgen.decoding import Decoder
from toolgen.exporting import folder, numpy_llama

ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32}  # fmt: skip
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import decode
found = decode.load(sys.argv[1]).calls(sys.argv[2])
assert not {"torch", "transformers", "toolgen"} & set(sys.modules), "more than numpy and tokenizers"
print(decode.json.dumps(found))
"""


def exported(checkpoint, path: Path, catalog_path: Path, model=numpy_llama) -> Path:
    path.mkdir()
    checkpoint.model.save_pretrained(path)
    folder.complete(path, Decoder(checkpoint), checkpoint.info, catalog_path, model)
    return path


def same_calls(checkpoint, path: Path) -> None:
    decoder = Decoder(checkpoint)
    reference = folder.reference(path, decoder, numpy_llama)
    queries = [*QUERIES, *HOSTILE]
    found = [reference.calls(query) for query in queries]
    assert found == [decoder.calls([query], batch_size=1)[0] for query in queries]
    assert any(found)


@pytest.mark.parametrize("seed", range(2))
def test_a_car_gets_the_same_calls(small, tmp_path, catalog_path, seed):
    shake(small.model, seed)
    same_calls(small, exported(small, tmp_path / "export", catalog_path))


def test_json_arguments_are_the_same(ordinary, tmp_path, catalog_path):  # noqa: F811
    shake(ordinary.model, 1, std=1.0)
    same_calls(ordinary, exported(ordinary, tmp_path / "export", catalog_path))


def test_the_folder_answers_alone(small, tmp_path, catalog_path):
    shake(small.model, 0)
    path = exported(small, tmp_path / "export", catalog_path)
    wanted = Decoder(small).calls(QUERIES[1:2], batch_size=1)[0]
    done = subprocess.run((sys.executable, "-I", "-c", ALONE, path, QUERIES[1]), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == wanted != []

    records.write_jsonl(tmp_path / "q.jsonl", [{"query": QUERIES[1]}])
    words = ("--input", tmp_path / "q.jsonl", "--output", tmp_path / "calls.jsonl")
    done = subprocess.run((sys.executable, path / "decode.py", *words), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(records.read_jsonl(tmp_path / "calls.jsonl")) == [{"query": QUERIES[1], "calls": wanted}]


@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        ({}, torch.float32),
        ({"num_key_value_heads": 2, "tie_word_embeddings": False}, torch.bfloat16),
        ({"rope_parameters": ROPE, "head_dim": 16}, torch.float16),
    ],
    ids=["plain", "grouped untied bfloat16", "llama3 rope float16"],
)
def test_logits_are_those_of_transformers(tmp_path, change, dtype):
    shape = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "tie_word_embeddings": True}  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(**shape | change))
    shake(model, 0)
    model.to(dtype).save_pretrained(tmp_path, max_shard_size="20KB")
    ids = [7, 3, 49, 12, 12, 0, 31, 8] * 6
    with torch.no_grad():
        wanted = model.float()(input_ids=torch.tensor([ids])).logits[0].numpy()
    found = numpy_llama.Model(tmp_path)
    near = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(found.logits(ids[:30], 0), wanted[29], **near)
    np.testing.assert_allclose(found.logits(ids[30:], 30), wanted[-1], **near)
    np.testing.assert_allclose(found.logits(ids[10:], 10), wanted[-1], **near)  # part of it read anew
    np.testing.assert_allclose(found.logits(ids[:1], 0), wanted[0], **near)


@pytest.mark.parametrize(
    "change",
    [{"model_type": "qwen3"}, {"mlp_bias": True}, {"hidden_act": "gelu"}, {"rope_parameters": {"rope_type": "yarn"}}],
)
def test_another_architecture_is_refused(tmp_path, change):
    config = LlamaConfig().to_dict() | change
    assert not numpy_llama.is_computed(config)
    records.write_json(tmp_path / "config.json", config)
    with pytest.raises(ValueError, match="no plain Llama"):
        numpy_llama.Model(tmp_path)
