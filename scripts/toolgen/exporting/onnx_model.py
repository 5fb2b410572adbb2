"""The model of model.onnx, computed by ONNX Runtime."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

PACKAGES = ("onnxruntime",)


class Model:
    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
        inputs = {item.name: item.shape for item in self._session.get_inputs()}
        config = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))
        width = config["model"]["decoder"]["head_size"]
        self._positions = "position_ids" in inputs
        self._empty = {  # keys and values [1, heads, positions, width]
            name: np.zeros((1, shape[1], 0, width), np.float32)
            for name, shape in inputs.items()
            if name.startswith("past_key_values.")
        }
        self._outputs = ["logits", *(name.replace("past_key_values", "present") for name in self._empty)]
        self._read = self._empty

    def logits(self, ids: list[int], start: int) -> np.ndarray:
        """The logits [vocabulary] behind `ids`, which follow the first `start` token ids of those read before."""
        given = {name: read[:, :, :start] for name, read in (self._read if start else self._empty).items()}
        given["input_ids"] = np.array([ids], np.int64)
        given["attention_mask"] = np.ones((1, start + len(ids)), np.int64)
        if self._positions:
            given["position_ids"] = np.arange(start, start + len(ids))[None]
        logits, *read = self._session.run(self._outputs, given)
        self._read = dict(zip(self._empty, read, strict=True))
        return logits[0, -1]
