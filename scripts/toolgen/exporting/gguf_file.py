"""A Llama as one file for llama.cpp: weights in float32 or Q8_0, and the tokenizer's vocabulary.

The form and its names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import json
from pathlib import Path

import gguf
import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..checkpoints import Checkpoint
from .folder import BadExport
from .numpy_llama import is_computed, rope_frequencies

FILE = "model.gguf"
NAMES = {  # of a layer's tensors, there and in llama.cpp
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
BLOCK = 32  # weights of a row that share one scale in Q8_0


def write(folder: Path, checkpoint: Checkpoint, quantization: str | None) -> None:
    """Write model.gguf into `folder`; matrices are quantised, norms stay float32. Raises BadExport."""
    config = checkpoint.model.config
    if not is_computed(config.to_dict()):
        raise BadExport(
            f"export.format gguf writes plain Llamas, not this {config.model_type}: export merged, and give "
            "models/export to llama.cpp's convert_hf_to_gguf.py"
        )
    file = gguf.GGUFWriter(folder / FILE, "llama")
    _add_shape(file, checkpoint.model)
    _add_vocabulary(file, checkpoint.tokenizer, checkpoint.model.get_input_embeddings().num_embeddings)
    kind = gguf.GGMLQuantizationType.Q8_0 if quantization == "q8_0" else gguf.GGMLQuantizationType.F32
    file.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantization == "q8_0" else gguf.LlamaFileType.ALL_F32)
    for name, tensor in _tensors(checkpoint.model):
        if tensor.ndim > 1 and tensor.shape[1] % BLOCK == 0 and kind != gguf.GGMLQuantizationType.F32:
            file.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            file.add_tensor(name, tensor)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def _add_shape(file: gguf.GGUFWriter, model: PreTrainedModel) -> None:
    config = model.config
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_key_length(config.head_dim)
    file.add_value_length(config.head_dim)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_rope_dimension_count(config.head_dim)
    file.add_rope_freq_base(config.rope_parameters["rope_theta"])
    file.add_vocab_size(model.get_input_embeddings().num_embeddings)


def _add_vocabulary(file: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """The byte-level BPE. llama.cpp cannot be told how it cuts text into words: requests reach it as token ids."""
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in described["model"]["merges"]]
    tokens = [f"<|unused {index}|>" for index in range(rows)]
    kinds = [gguf.TokenType.UNUSED] * rows
    for text, index in tokenizer.get_vocab().items():
        tokens[index], kinds[index] = text, gguf.TokenType.NORMAL
    for index in tokenizer.added_tokens_decoder:
        kinds[index] = gguf.TokenType.CONTROL
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("default")
    file.add_token_list(tokens)
    file.add_token_types(kinds)
    file.add_token_merges(merges)
    file.add_eos_token_id(tokenizer.eos_token_id)
    file.add_add_bos_token(tokenizer.bos_token_id is not None)
    if tokenizer.bos_token_id is not None:
        file.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        file.add_pad_token_id(tokenizer.pad_token_id)


def _tensors(model: PreTrainedModel) -> list[tuple[str, np.ndarray]]:
    config, weights = model.config, model.state_dict()

    def array(name: str) -> np.ndarray:
        return weights[f"{name}.weight"].float().cpu().numpy()

    found = [("token_embd.weight", array("model.embed_tokens")), ("output_norm.weight", array("model.norm"))]
    if not config.tie_word_embeddings:
        found.append(("output.weight", array("lm_head")))
    slower = _slower(config)
    if slower is not None:
        found.append(("rope_freqs.weight", slower))
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for number in range(config.num_hidden_layers):
        for theirs, ours in NAMES.items():
            tensor = array(f"model.layers.{number}.{theirs}")
            found.append((f"blk.{number}.{ours}.weight", _paired(tensor, heads[ours]) if ours in heads else tensor))
    return found


def _paired(tensor: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys, the two that a rotary embedding turns together side by side, as llama.cpp has them."""
    halves = tensor.reshape(heads, 2, -1, tensor.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(tensor.shape))


def _slower(config: object) -> np.ndarray | None:
    """By how much the rotary frequencies of Llama 3.1 and later are divided; None for plain ones."""
    rope = config.rope_parameters
    if rope.get("rope_type", "default") == "default":
        return None
    plain = rope_frequencies({"rope_theta": rope["rope_theta"]}, config.head_dim)
    return (plain / rope_frequencies(rope, config.head_dim)).astype(np.float32)
