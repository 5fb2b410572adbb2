"""The model card: a README.md that the Hugging Face Hub understands, written from the figures alone.

https://huggingface.co/docs/hub/model-cards
"""

import re

import yaml

from ..catalog import Catalog
from ..checkpoints import FROM_SCRATCH, Info
from . import terms

LIBRARIES = {"merged": "transformers", "gguf": "llama.cpp", "onnx": "onnx"}
SLICES = ("seen_phrasing", "heldout_phrasing", "heldout_combination", "own_split", "spoken_dev", "spoken_test",
          "spoken", "spoken_noisy")  # fmt: skip
MEASURES = {"exact_match": "exact match", "tool_accuracy": "tools right"}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def name(info: Info, catalog: Catalog) -> str:
    """What the model is called, as the licence of its base wants it."""
    own = "cartool-toolgen" if catalog.properties else "toolgen"
    prefix = terms.of(info.base_model).prefix
    return f"{prefix}-{own}" if prefix else own


def card(info: Info, catalog: Catalog, figures: dict, scores: dict | None, packages: list[str]) -> str:
    """The card's text. `figures` are the stage's metrics, `scores` those of evaluate where they are there, `packages`
    what the folder's decode.py needs; empty where there is none."""
    rules = terms.of(info.base_model)
    slices = _slices(scores)
    header: dict = {"license": rules.license}
    if rules.license == "other":
        header["license_name"] = "of-the-base-model"
    header |= {
        "language": ["en"],
        "library_name": LIBRARIES[figures["format"]],
        "pipeline_tag": "text-generation",
        "tags": ["function-calling", "tool-use", "toolgen"],
    }
    if HUB_ID.fullmatch(info.base_model):
        header["base_model"] = info.base_model
    if slices:
        header["model-index"] = [{"name": name(info, catalog), "results": [_result(*item) for item in slices.items()]}]
    lines = [
        "---", yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(), "---", "",
        f"# {name(info, catalog)}", "", *([f"**{rules.credit}.**", ""] if rules.credit else []),
        f"Answers a request with the calls of {len(catalog.tools)} tools, each of them one token of the vocabulary, so "
        "that no list of tools stands in the prompt. `catalog.json` has the tools, `grammar.json` what may be written: "
        "no answer names a tool, a place or a value that does not exist.", "",
        *_use(catalog, packages), *_scores(slices),
        "## The export", "", _parity(figures), "",
        "## Limits", "", "English, one request at a time, in the words of its training data."
        + (" Do not let it operate a moving car unchecked." if catalog.properties else ""), "",
        "## Terms", "", _terms(info, rules, catalog), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _slices(scores: dict | None) -> dict[str, dict]:
    """The scores of calls by slice of evaluation rows, where there are any."""
    calls = (scores or {}).get("calls", {})
    return {name: calls[name] for name in SLICES if name in calls}


def _result(slice_: str, score: dict) -> dict:
    return {
        "task": {"type": "text-generation", "name": "Function calling"},
        "dataset": {"type": "toolgen", "name": slice_, "split": "eval"},
        "metrics": [{"type": key, "name": title, "value": score[key]["value"]} for key, title in MEASURES.items()],
    }


def _use(catalog: Catalog, packages: list[str]) -> list[str]:
    if not packages:
        return ["## Use", "", "`python scripts/predict.py --model <folder>` of CarTool ToolGen answers with it.", ""]
    asked = "set my side to 21" if catalog.properties else "what someone asks for"
    return [
        "## Use", "", "```console",
        f"$ pip install {' '.join(packages)}",
        f'$ python decode.py "{asked}"', "```", "",
        "```python", "from decode import load  # with this folder on the path", f'load().calls("{asked}")', "```", "",
        "A prompt is a blank, the request as `normalise.py` writes it, and the token `<|call|>`. What follows is a "
        "tool's token, its place and its value. Another decoder must encode requests by `tokenizer.json`, special "
        "tokens split.", "",
    ]  # fmt: skip


def _scores(slices: dict[str, dict]) -> list[str]:
    if not slices:
        return []
    rows = []
    for slice_, score in slices.items():
        cells = [f"{score[key]['value']:.1%} ({score[key]['low']:.1%} to {score[key]['high']:.1%})" for key in MEASURES]
        rows.append(f"| {slice_} | {score['exact_match']['n']} | {' | '.join(cells)} |")
    return [
        "## Scores", "", "Of the trained model, on requests that it was not trained on, with 95% intervals.", "",
        f"| rows | n | {' | '.join(MEASURES.values())} |", f"|---|--:|{'--:|' * len(MEASURES)}", *rows, "",
    ]  # fmt: skip


def _parity(figures: dict) -> str:
    shares = ", ".join(f"{share['identical_calls']:.1%} by {name}" for name, share in figures["agreement"].items())
    form = figures["format"] + (f" {figures['quantization']}" if figures["quantization"] else "")
    return (
        f"Format: {form}, {figures['bytes']:,} bytes. Of {figures['rows']} requests, the same calls as by the trained "
        f"model are given to {shares}."
    )


def _terms(info: Info, rules: terms.Terms, catalog: Catalog) -> str:
    facts = (
        " The names, ids and ranges of the car's properties are facts from "
        "[CarTool-Instruct](https://github.com/autoharness/CarTool-Instruct) (MIT)." if catalog.properties else ""
    )  # fmt: skip
    data = " What the training data may be used for stands on the dataset's card."
    if info.base_model == FROM_SCRATCH:
        return f"Trained from scratch: Apache-2.0.{data}{facts}"
    revision = f" at revision `{info.revision}`" if info.revision else ""
    link = f" ([licence]({rules.link}))" if rules.link else ", which its own card names"
    return (
        f"Trained from `{info.base_model}`{revision} and changed by training: tool tokens were added, and weights. It "
        f"stays under the terms of that model{link}.{' ' + rules.notice if rules.notice else ''}{data}{facts}"
    )
