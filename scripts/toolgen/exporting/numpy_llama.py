"""A Llama in numpy: the weights of model.safetensors, one text at a time, in float32."""

import json
import math
from pathlib import Path

import numpy as np

PACKAGES = ()  # beside numpy


class Model:
    """Reads config.json and every model*.safetensors of a folder. Raises ValueError for what is no plain Llama."""

    def __init__(self, folder: Path):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not is_computed(config):
            raise ValueError(f"this {config['model_type']} is no plain Llama, which is all that is computed here")
        weights: dict[str, np.ndarray] = {}
        for path in sorted(folder.glob("model*.safetensors")):
            weights |= read_safetensors(path)
        self._weights, self._epsilon = weights, config["rms_norm_eps"]
        self._layers, self._heads = config["num_hidden_layers"], config["num_attention_heads"]
        self._shared = self._heads // config["num_key_value_heads"]  # query heads that share one key head
        self._width = config.get("head_dim") or config["hidden_size"] // self._heads
        self._embeddings = weights["model.embed_tokens.weight"]
        self._output = self._embeddings if config["tie_word_embeddings"] else weights["lm_head.weight"]
        self._frequencies = rope_frequencies(config["rope_parameters"], self._width)
        self._read: list[tuple[np.ndarray, np.ndarray]] = []  # keys and values [heads, positions, width] of each layer

    def logits(self, ids: list[int], start: int) -> np.ndarray:
        """The logits [vocabulary] behind `ids`, which follow the first `start` token ids of those read before."""
        angles = np.outer(np.arange(start, start + len(ids)), self._frequencies)
        turn = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        hidden, read = self._embeddings[ids], []
        for number in range(self._layers):
            hidden = hidden + self._attention(number, hidden, turn, start, read)
            hidden = hidden + self._feed_forward(number, hidden)
        self._read = read
        return self._output @ self._norm("model.norm", hidden[-1])

    def _attention(self, number: int, hidden: np.ndarray, turn: tuple, start: int, read: list) -> np.ndarray:
        given = self._norm(f"model.layers.{number}.input_layernorm", hidden)
        queries, keys, values = (
            self._in_heads(self._projected(number, f"self_attn.{part}_proj", given)) for part in "qkv"
        )
        queries, keys = _turned(queries, *turn), _turned(keys, *turn)
        if start:
            before_keys, before_values = self._read[number]
            keys = np.concatenate((before_keys[:, :start], keys), 1)
            values = np.concatenate((before_values[:, :start], values), 1)
        read.append((keys, values))
        keys, values = np.repeat(keys, self._shared, 0), np.repeat(values, self._shared, 0)
        scores = queries @ keys.swapaxes(1, 2) / math.sqrt(self._width)  # [heads, asked, positions]
        ahead = np.arange(keys.shape[1]) > np.arange(start, start + len(hidden))[:, None]
        scores = np.exp(np.where(ahead, -np.inf, scores) - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ values
        return self._projected(number, "self_attn.o_proj", mixed.swapaxes(0, 1).reshape(len(hidden), -1))

    def _feed_forward(self, number: int, hidden: np.ndarray) -> np.ndarray:
        given = self._norm(f"model.layers.{number}.post_attention_layernorm", hidden)
        opened = self._projected(number, "mlp.gate_proj", given)
        with np.errstate(over="ignore"):  # the infinity of a far negative number is right: the gate is shut
            opened /= 1 + np.exp(-opened)
        return self._projected(number, "mlp.down_proj", opened * self._projected(number, "mlp.up_proj", given))

    def _projected(self, number: int, name: str, given: np.ndarray) -> np.ndarray:
        return given @ self._weights[f"model.layers.{number}.{name}.weight"].T

    def _norm(self, name: str, hidden: np.ndarray) -> np.ndarray:
        scale = np.sqrt((hidden**2).mean(-1, keepdims=True) + np.float32(self._epsilon))
        return hidden / scale * self._weights[f"{name}.weight"]

    def _in_heads(self, flat: np.ndarray) -> np.ndarray:
        """[positions, heads * width] as [heads, positions, width]."""
        return flat.reshape(len(flat), -1, self._width).swapaxes(0, 1)


def is_computed(config: dict) -> bool:
    """Whether a model of this config.json is a Llama without biases, with rotary embeddings as of 2 or of 3.1."""
    biased = config.get("attention_bias") or config.get("mlp_bias")
    plain = config["model_type"] == "llama" and config["hidden_act"] == "silu" and not biased
    return plain and config["rope_parameters"].get("rope_type", "default") in ("default", "llama3")


def _turned(heads: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """Rotary embeddings of [heads, positions, width], the first half of the width being the real parts."""
    real, imaginary = np.split(heads, 2, -1)
    return np.concatenate((real * cosine - imaginary * sine, imaginary * cosine + real * sine), -1)


def rope_frequencies(rope: dict, width: int) -> np.ndarray:
    """Radians a position [width / 2]; of Llama 3.1 and later, the slow ones are slower still."""
    found = rope.get("rope_theta", 10000.0) ** (-np.arange(0, width, 2) / width)
    if rope.get("rope_type", "default") == "default":
        return found
    turns = rope["original_max_position_embeddings"] * found / (2 * math.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return (1 - kept) * found / rope["factor"] + kept * found


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file in float32. The form: https://huggingface.co/docs/safetensors"""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, found in json.loads(content[8:begin]).items():
        if name == "__metadata__":
            continue
        first, last = found["data_offsets"]
        raw = content[begin + first : begin + last]
        if found["dtype"] == "BF16":  # the upper half of a float32
            flat = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            flat = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[found["dtype"]]).astype(np.float32)
        tensors[name] = flat.reshape(found["shape"])
    return tensors
