"""The stage export, on a tiny model: every format, the parity gate, the card; and what the figures mean."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, write_params
from huggingface_hub import ModelCard
from test_checkpoints import base_folder, prepared  # noqa: F401
from test_decoding import ordinary, shake  # noqa: F401
from test_profiles import tiny_base
from test_reference_decoder import ROPE
from transformers import LlamaConfig, LlamaForCausalLM

import export
import toolgen.exporting
from toolgen import catalog, checkpoints, console, params, records
from toolgen.decoding import Decoder
from toolgen.exporting import card, folder, parity, terms

QUERIES = [f"set my {thing} to {value}" for thing in ("seat", "window", "side") for value in range(4)]
SCORES = {"calls": {"seen_phrasing": {
    name: {"value": 0.8022, "n": 1001, "low": 0.777, "high": 0.825} for name in ("exact_match", "tool_accuracy")
}}}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch, catalog_path):
    """A function that lays out what the stage reads, and changes into it."""

    def lay_out(checkpoint, **changed) -> Path:
        options = params.yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        options["export"] |= changed
        (tmp_path / "profiles").mkdir(exist_ok=True)
        (tmp_path / "profiles/from_scratch.yaml").touch()
        write_params(tmp_path, options)
        if checkpoint is not None:
            tuned = checkpoints.of_stage(checkpoint, "agent_tuning")
            checkpoints.save(tmp_path / "models/agent_tuning", tuned, catalog_path)
            records.write_jsonl(tmp_path / "data/prepared/evaluation.jsonl", ({"query": query} for query in QUERIES))
            records.write_json(tmp_path / "metrics/evaluate.json", SCORES)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return lay_out


def needs(format_: str) -> None:
    """Skip where what requirements-<format>.txt lists is not installed."""
    for module in {"gguf": ("gguf", "llama_cpp"), "onnx": ("onnx_ir", "onnxruntime_genai")}.get(format_, ()):
        pytest.importorskip(module, reason=f"needs pip install -r requirements-{format_}.txt")


@pytest.mark.parametrize(
    ("format_", "weights", "runtimes"),
    [
        ("merged", "model.safetensors", {"transformers", "decode.py"}),
        ("gguf", "model.gguf", {"decode.py"}),
        ("onnx", "model.onnx.data", {"decode.py"}),
    ],
)
def test_every_format_answers_as_the_trained_model(small, project, format_, weights, runtimes):
    needs(format_)
    shake(small.model, 0)
    project(small, format=format_, rows=8, min_agreement=1.0)
    export.main()
    figures = records.read_json("metrics/export.json")
    assert figures["format"] == format_ and figures["rows"] == 8
    assert figures["bytes"] >= Path("models/export", weights).stat().st_size > 0
    assert set(figures["agreement"]) == runtimes
    for shares in figures["agreement"].values():
        assert shares["identical_calls"] == 1 and shares["arguments"] > 0 == shares["differing_arguments"]
    assert set(records.read_json("metrics/timing/export.json")["ms_per_query"]) == {"trained_model", *runtimes}
    left = {path.name for path in Path("models/export").iterdir()}
    assert {"README.md", "catalog.json", "grammar.json", "tokenizer.json"} < left
    assert {"decode.py", "model.py", "normalise.py"} < left
    assert {path.name for path in Path("models").iterdir()} == {"agent_tuning", "export"}
    if format_ == "merged":
        assert Decoder(checkpoints.load("models/export")).calls(QUERIES, 4) == Decoder(small).calls(QUERIES, 4)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("format_", ["gguf", "onnx"])
def test_the_logits_of_a_llama_of_the_hub(small, tmp_path, format_, tied):
    """Fewer key heads than query heads, and the rotary embeddings of Llama 3.1."""
    needs(format_)
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "tie_word_embeddings": tied}  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(small.tokenizer), rope_parameters=ROPE, **shape))
    shake(model, 0)
    settings = params.Export(format=format_, quantization=None, rows=1, min_agreement=1.0)
    write, runtime = export.of_format(settings)
    write(tmp_path, replace(small, model=model))
    found = runtime.Model(tmp_path)
    ids = list(range(20, 60))
    with torch.no_grad():
        wanted = model(input_ids=torch.tensor([ids])).logits[0].numpy()
    for begin, end in ((0, 30), (30, 40), (25, 40), (0, 1)):
        np.testing.assert_allclose(found.logits(ids[begin:end], begin), wanted[end - 1], rtol=1e-3, atol=1e-3)


def test_q8_0_is_less_than_half(small, project):
    needs("gguf")
    shake(small.model, 0)
    sizes = {}
    for quantization in (None, "q8_0"):
        project(small, format="gguf", quantization=quantization, rows=4, min_agreement=0.0)
        export.main()
        sizes[quantization] = records.read_json("metrics/export.json")["bytes"]
    assert sizes["q8_0"] < 0.5 * sizes[None]  # norms and the vocabulary stay as they are


def test_json_arguments_are_exported_too(ordinary, project):  # noqa: F811
    shake(ordinary.model, 1, std=1.0)
    folder_ = project(ordinary, rows=4, min_agreement=1.0)
    records.write_json(folder_ / "models/agent_tuning/catalog.json", {"functions": list(ordinary.catalog.functions)})
    export.main()
    assert "llguidance" in Path("models/export/README.md").read_text()


def with_adapter(base_folder, small, dtype="float32"):  # noqa: F811
    """A LoRA checkpoint whose adapter is random and far from small, on a base in `dtype`."""
    model, tokenizer = checkpoints.base(str(base_folder), None, "none", dtype)
    new_ids = checkpoints.add_tool_tokens(model, tokenizer, small.catalog)
    model = checkpoints.add_adapter(model, new_ids, 4, 16, 0.0, "none")
    info = checkpoints.Info("agent_tuning", str(base_folder), adapter=True, dtype=dtype)
    checkpoint = checkpoints.Checkpoint(model, tokenizer, small.catalog, info)
    torch.manual_seed(0)
    for weight in checkpoint.model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.3)
    return checkpoint


def test_an_adapter_is_merged(small, base_folder, project):  # noqa: F811
    project(with_adapter(base_folder, small), rows=8, min_agreement=1.0)
    export.main()
    assert not Path("models/export/adapter_config.json").exists()
    assert not checkpoints.load("models/export").info.adapter
    assert records.read_json("metrics/export.json")["agreement"]["transformers"]["arguments"] > 0


def test_a_model_that_answers_otherwise_is_not_written(small, base_folder, project):  # noqa: F811
    """Merged in bfloat16 an adapter is rounded, which weights that were never trained do not survive."""
    project(small, rows=2)
    export.main()
    shutil.rmtree("models/agent_tuning")
    project(with_adapter(base_folder, small, "bfloat16"), rows=12, min_agreement=1.0)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    with pytest.raises(folder.BadExport, match=r"by transformers .* export\.min_agreement is 100\.0%"):
        export.main()
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_other_architectures_are_merged_without_a_decoder(small, project, tmp_path):
    checkpoint, _ = prepared(tiny_base(tmp_path / "gemma", "functiongemma-270m"), small.catalog, 0)
    project(checkpoint, rows=3, min_agreement=1.0)
    export.main()
    assert set(records.read_json("metrics/export.json")["agreement"]) == {"transformers"}
    assert not Path("models/export/decode.py").exists()
    assert "predict.py --model" in Path("models/export/README.md").read_text()
    needs("gguf")
    project(checkpoint, format="gguf")
    with pytest.raises(folder.BadExport, match="not this gemma3_text: export merged"):
        export.main()


def test_what_is_missing_is_named(small, project):
    project(None)
    with pytest.raises(records.BadRecord, match="data/prepared/evaluation.jsonl"):
        export.main()
    project(small)
    Path("data/prepared/evaluation.jsonl").write_text("")
    with pytest.raises(records.BadRecord, match="no evaluation rows"):
        export.main()


def test_a_format_that_is_not_installed(monkeypatch, project):
    project(None, format="gguf")
    for name in ("gguf_file", "gguf_llama"):
        monkeypatch.delitem(sys.modules, f"toolgen.exporting.{name}", raising=False)
        monkeypatch.delattr(toolgen.exporting, name, raising=False)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(console.Mistake, match=r"needs gguf: pip install -r requirements-gguf\.txt"):
        export.main()


def test_heads_that_onnx_runtime_does_not_take(small, project):
    needs("onnx")
    small.model.config.head_dim = 24
    with pytest.raises(folder.BadExport, match="a multiple of 16, not 24"):
        export.of_format(params.Export(format="onnx", quantization=None, rows=1, min_agreement=1.0))[0](Path(), small)


def test_quantization_is_of_gguf(project):
    project(None, quantization="q8_0")
    with pytest.raises(params.BadParams, match="export: quantization is of the format gguf"):
        params.read()


# The figures.


def call(value, area=1, name="WINDOW_POS"):
    return {"name": "setIntProperty", "arguments": {"propertyName": name, "areaId": area, "value": value}}


def test_drift_is_over_calls_of_the_same_tool(catalog_path):
    tools = catalog.load(catalog_path)
    wanted = [[call(5, 16)], [call(1, 16), call(3, name="HVAC_FAN_SPEED")], [], [call(2, 16)]]
    found = [[call(5, 16)], [call(3, name="HVAC_FAN_SPEED"), call(4, 64)], [call(1, 16)], []]
    assert parity.compare(wanted, found, tools) == {
        "identical_calls": 0.25, "arguments": 6, "differing_arguments": 0.333333, "numbers": 6,
        "mean_absolute_difference": 8.5,
    }  # fmt: skip
    assert parity.compare([[]], [[]], tools)["mean_absolute_difference"] is None


def test_rows_are_drawn_from_all_of_them():
    assert export.drawn(list("abcdefgh"), 4) == list("aceg")
    assert export.drawn(list("ab"), 300) == list("ab")


# The card.


def written(base_model: str, catalog_path: Path) -> ModelCard:
    info = checkpoints.Info("agent_tuning", base_model, revision="abc" if "/" in base_model else None)
    figures = {"format": "gguf", "quantization": "q8_0", "rows": 300, "bytes": 1547328,
               "agreement": {"decode.py": {"identical_calls": 0.995}}}  # fmt: skip
    return ModelCard(card.card(info, catalog.load(catalog_path), figures, SCORES, ["numpy"]))


def test_the_hub_reads_the_scores_in_the_card(catalog_path):
    found = written("from_scratch", catalog_path)
    assert found.data.license == "apache-2.0" and found.data.base_model is None
    first, _ = found.data.eval_results
    assert (first.dataset_name, first.metric_type, first.metric_value) == ("seen_phrasing", "exact_match", 0.8022)
    assert "gguf q8_0, 1,547,328 bytes" in found.text and "80.2% (77.7% to 82.5%)" in found.text


@pytest.mark.parametrize(
    ("base_model", "license_", "title", "said"),
    [
        ("unsloth/Llama-3.2-1B", "llama3.2", "Llama-cartool-toolgen", "**Built with Llama.**"),
        ("meta-llama/Meta-Llama-3-8B", "llama3", "Llama-3-cartool-toolgen", "**Built with Meta Llama 3.**"),
        ("google/functiongemma-270m-it", "gemma", "cartool-toolgen", "ai.google.dev/gemma/terms"),
        ("Qwen/Qwen3-4B", "apache-2.0", "cartool-toolgen", "changed by training"),
        ("someone/unheard-of", "other", "cartool-toolgen", "which its own card names"),
    ],
)
def test_the_terms_of_the_base_model_are_in_the_card(catalog_path, base_model, license_, title, said):
    found = written(base_model, catalog_path)
    assert (found.data.license, found.data.model_name, found.data.base_model) == (license_, title, base_model)
    assert f"# {title}\n" in found.text and said in found.text


def test_a_folder_of_a_base_is_no_base_model_of_the_hub(catalog_path):
    found = written("/bases/Llama-3.2-1B", catalog_path)
    assert found.data.base_model is None and found.data.license == "llama3.2"


def test_names_that_only_look_alike_have_unknown_terms():
    for name in ("me/llama-30b", "me/llama-3.20", "me/gemma-4-E2B", "me/TinyLlama-1.1B", "Qwen/Qwen2.5-3B"):
        assert terms.of(name).license == "other", name
