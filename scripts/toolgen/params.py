"""One typed reader of `params.yaml` in the working directory. Only scripts read it; they pass values on."""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]


class BadParams(ValueError):
    """`params.yaml` cannot be used; the message lists every mistake, one a line, by full name."""


class Section(BaseModel):
    """A section of params.yaml: every key is required, no other is allowed, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Generate(Section):
    teacher: Literal["offline"]
    phrases: str
    num_samples: Count
    no_call: Share
    joined: Share
    noise: Share
    seed: int


class Refine(Section):
    rouge_threshold: Share
    num_eval: Count
    num_validation: Count
    heldout_phrasing: Share
    heldout_combinations: Count
    spoken: str
    seed: int


class Prepare(Section):
    seed: int


class Model(Section):
    base_model: str
    revision: str | None
    vocab_size: Positive
    hidden_size: Positive
    intermediate_size: Positive
    num_layers: Positive
    num_heads: Positive
    lora_r: Count
    lora_alpha: Count
    lora_dropout: Share
    quantization: Literal["none", "nf4"]
    seed: int


class Training(Section):
    num_epochs: Count
    batch_size: Positive
    max_length: Positive
    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    embedding_learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Share
    lr_scheduler_type: Literal["constant", "linear", "cosine"]
    label_smoothing: Share
    bpe_dropout: Share
    word_dropout: Share
    replay: Share
    seed: int


class Evaluate(Section):
    batch_size: Positive
    bootstrap_samples: Positive
    seed: int


class Params(Section):
    catalog: str
    generate: Generate
    refine: Refine
    prepare: Prepare
    model: Model
    tool_memorization: Training
    retrieval_training: Training
    agent_tuning: Training
    evaluate: Evaluate


def read(path: str | Path = "params.yaml") -> Params:
    """Read and check the whole file. Raises BadParams with all mistakes at once."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadParams(f"no {path} in {Path.cwd()}: run from the project's top folder") from None
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadParams(f"{path}:{line}: not YAML ({error.problem})") from None
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        raise BadParams("\n".join(f"{path}: {_mistake(item)}" for item in error.errors())) from None


def _mistake(item: dict) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{name} is not a parameter"
    if item["type"] == "missing":
        return f"{name} is missing"
    value = item["input"]
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f"{name} is the text {value!r}, as YAML reads it: write {mantissa}.0e{exponent}"
    return f"{name} is {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
