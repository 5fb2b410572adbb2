"""The model of model.gguf, computed by llama.cpp through llama-cpp-python."""

import atexit
from pathlib import Path

import llama_cpp
import numpy as np

PACKAGES = ("llama-cpp-python",)
CONTEXT = 512  # tokens of one request and its answer
SMALL = 100_000_000  # bytes; a smaller model waits longer for its threads than it computes
F32 = 0  # ggml's number of the type; what was read is kept exactly


class Model:
    def __init__(self, folder: Path):
        path = folder / "model.gguf"
        threads = 1 if path.stat().st_size < SMALL else None
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=CONTEXT, n_batch=CONTEXT, type_k=F32, type_v=F32, verbose=False,
            n_threads=threads, n_threads_batch=threads,
        )  # fmt: skip
        atexit.register(self._llama.close)  # at the very end its own way of closing fails

    def logits(self, ids: list[int], start: int) -> np.ndarray:
        """The logits [vocabulary] behind `ids`, which follow the first `start` token ids of those read before."""
        self._llama.n_tokens = start
        self._llama.eval(ids)
        found = llama_cpp.llama_get_logits_ith(self._llama.ctx, -1)
        return np.ctypeslib.as_array(found, shape=(self._llama.n_vocab(),)).copy()
