"""The exported folder: put in place whole, with all that it takes to answer without this project."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from safetensors import SafetensorError

from .. import numbers
from ..checkpoints import CATALOG, INFO, Info
from ..conversations import reader
from ..decoding import Decoder
from ..records import written_whole
from . import compiled, decode, terms

WEIGHTS = ("*.safetensors", "*.gguf", "*.onnx", "*.onnx.data")


class BadExport(ValueError):
    """An export that cannot be made, or must not be used; the message says why."""


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, which takes its place at the end; after an error `folder` stays as it was."""
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        yield beside
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    except (OSError, SafetensorError) as error:
        raise BadExport(f"cannot write {folder} ({error}): the export before it is kept") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def complete(folder: Path, decoder: Decoder, info: Info, catalog: Path, model: ModuleType | None) -> list[str]:
    """Add the tokenizer, the catalog, the grammar and the notice; and where `model` computes the weights without
    torch, the reference decoder. Returns the packages that it needs, none where there is no such decoder."""
    grammar = compiled.grammar(decoder)
    decoder.tokenizer.save_pretrained(folder)
    (shutil.copytree if catalog.is_dir() else shutil.copy)(catalog, folder / CATALOG)
    _write(folder / INFO, json.dumps(asdict(info), indent=1) + "\n")
    _write(folder / "grammar.json", json.dumps(grammar, separators=(",", ":")) + "\n")
    if notice := terms.of(info.base_model).notice:
        _write(folder / "NOTICE", notice + "\n")
    if model is None:
        return []
    for source, name in ((decode, "decode.py"), (model, "model.py"), (numbers, "normalise.py")):
        shutil.copy(source.__file__, folder / name)
    by_schema = any("schema" in state for state in grammar["states"])
    return ["numpy", "tokenizers", *model.PACKAGES, *(["llguidance"] if by_schema else [])]


def reference(folder: Path, decoder: Decoder, model: ModuleType) -> decode.Decoder:
    """The reference decoder of a complete folder, in this process; `decoder` is of the same checkpoint."""
    return decode.Decoder(folder, model.Model(folder), reader(decoder.tokenizer))


def weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern))


def _write(path: Path, text: str) -> None:
    with written_whole(path) as file:
        file.write(text)
