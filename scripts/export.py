"""Write the trained model as a folder of its own: adapters merged, or as GGUF or ONNX, with a decoder and a card.

reads   params.yaml (export), models/agent_tuning/, data/prepared/evaluation.jsonl, metrics/evaluate.json where it is
        there
writes  models/export/             the weights, tokenizer, catalog.json, grammar.json, decode.py, a model card
        metrics/export.json        how alike the exported and the trained model answer, bytes
        metrics/timing/export.json milliseconds a query

Both answer `export.rows` of the evaluation rows. Below `export.min_agreement` of identical calls the stage fails and
writes nothing. About 20 seconds for the default model on two cores.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from toolgen import checkpoints, console, params, records
from toolgen.decoding import Decoder
from toolgen.exporting import card, folder, numpy_llama, parity

MODEL, ROWS, SCORES = Path("models/agent_tuning"), "data/prepared/evaluation.jsonl", Path("metrics/evaluate.json")
EXPORT, METRICS, TIMING = Path("models/export"), "metrics/export.json", "metrics/timing/export.json"

Answerer = Callable[[str], list[dict]]
Writer = Callable[[Path, checkpoints.Checkpoint], None]


def main() -> None:
    options = params.read()
    settings = options.export
    started = time.monotonic()
    write, model = of_format(settings)
    queries = drawn([row["query"] for row in records.read_jsonl(ROWS)], settings.rows)
    wanted, pace = answered("trained model", by_transformers(checkpoints.load(MODEL, stage="agent_tuning")), queries)
    paces, agreement = {"trained_model": pace}, {}

    plain = checkpoints.merged(MODEL)
    if model is numpy_llama and not model.is_computed(plain.model.config.to_dict()):
        model = None  # so that the folder has no decoder of its own
    with folder.replaced(EXPORT) as new:
        write(new, plain)
        decoder = Decoder(plain)
        packages = folder.complete(new, decoder, plain.info, MODEL / checkpoints.CATALOG, model)
        found: dict[str, Answerer] = {}
        if settings.format == "merged":
            found["transformers"] = by_transformers(checkpoints.load(new))
        if model is not None:
            found["decode.py"] = folder.reference(new, decoder, model).calls
        for name, answer in found.items():
            given, paces[name] = answered(name, answer, queries)
            agreement[name] = parity.compare(wanted, given, plain.catalog)
        parity.hold(agreement, settings.min_agreement)
        figures = {
            "format": settings.format,
            "quantization": settings.quantization,
            "rows": len(queries),
            "bytes": folder.weight_bytes(new),
            "agreement": agreement,
        }
        scores = records.read_json(SCORES) if SCORES.is_file() else None
        with records.written_whole(new / "README.md") as file:
            file.write(card.card(plain.info, plain.catalog, figures, scores, packages))
    records.write_json(METRICS, figures)
    records.write_json(TIMING, {"ms_per_query": paces, "seconds": round(time.monotonic() - started, 1)})
    least = min(figures["identical_calls"] for figures in agreement.values())
    print(f"export: {settings.format}, {figures['bytes']:,} bytes, {least:.1%} identical calls of {len(queries)} "
          f"requests -> {EXPORT}")  # fmt: skip


def of_format(settings: params.Export) -> tuple[Writer, ModuleType]:
    """What writes the weights, and the module that computes them without torch. Raises Mistake where a library of the
    format is not installed."""
    try:
        if settings.format == "gguf":
            from toolgen.exporting import gguf_file, gguf_llama

            return partial(gguf_file.write, quantization=settings.quantization), gguf_llama
        if settings.format == "onnx":
            from toolgen.exporting import onnx_file, onnx_model

            return onnx_file.write, onnx_model
    except ImportError as error:
        raise console.Mistake(
            f"export.format {settings.format} needs {error.name}: pip install -r requirements-{settings.format}.txt"
        ) from None
    return lambda folder, checkpoint: checkpoint.model.save_pretrained(folder), numpy_llama


def drawn(queries: list[str], count: int) -> list[str]:
    """`count` of the queries, evenly over all of them. Raises BadRecord for none."""
    if not queries:
        raise records.BadRecord(f"{ROWS}: no evaluation rows to hold the export against")
    count = min(count, len(queries))
    return [queries[i * len(queries) // count] for i in range(count)]


def by_transformers(checkpoint: checkpoints.Checkpoint) -> Answerer:
    decoder = Decoder(checkpoint)
    return lambda query: decoder.calls([query], batch_size=1)[0]


def answered(name: str, answer: Answerer, queries: list[str]) -> tuple[list[list[dict]], float]:
    """The calls that answer each query, one at a time, and the milliseconds that one takes on average."""
    started = time.perf_counter()
    given = [answer(query) for query in tqdm(queries, desc=f"export: {name}", unit="request", mininterval=1)]
    return given, round(1000 * (time.perf_counter() - started) / len(queries), 2)


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, checkpoints.BadCheckpoint, folder.BadExport))
