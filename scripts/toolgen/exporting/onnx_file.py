"""The model as ONNX, by the builder of onnxruntime-genai: model.onnx, its weights, and genai_config.json."""

import subprocess
import sys
import tempfile
from pathlib import Path

from ..checkpoints import Checkpoint
from .folder import BadExport

STEP = 16  # of the width of a head, which ONNX Runtime asks for


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write model.onnx and model.onnx.data into `folder`, in float32. Raises BadExport.

    The builder is a program of its own: it prints, changes logging, and ends with a traceback where it knows no model.
    """
    width = checkpoint.model.config.get_text_config().head_dim
    if width % STEP:
        raise BadExport(f"export.format onnx: the width of a head must be a multiple of {STEP}, not {width}")
    with tempfile.TemporaryDirectory() as plain:
        checkpoint.model.save_pretrained(plain)
        checkpoint.tokenizer.save_pretrained(plain)
        words = ("-i", plain, "-o", folder, "-p", "fp32", "-e", "cpu", "-c", f"{plain}/cache")
        done = subprocess.run(
            (sys.executable, "-m", "onnxruntime_genai.models.builder", *words), capture_output=True, text=True
        )
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise BadExport(f"export.format onnx: the builder of onnxruntime-genai failed ({reason[:300]})")
