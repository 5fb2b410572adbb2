"""One typed reader of `params.yaml` in the working directory. Only scripts read it; they pass values on."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]


PROFILES = Path("profiles")
PROFILED = ("model", "train", "tool_memorization", "retrieval_training", "agent_tuning", "add_tools")


class BadParams(ValueError):
    """`params.yaml` cannot be used; the message lists every mistake, one a line, by full name."""


class Section(BaseModel):
    """A section of params.yaml: every key is required, no other is allowed, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Offline(Section):
    phrases: str
    no_call: Share
    joined: Share
    noise: Share
    synonyms: Share


class Mix(Section):
    single: Share
    parallel: Share
    group: Share
    implicit: Share
    no_call: Share

    @model_validator(mode="after")
    def _shares_of_a_whole(self) -> "Mix":
        total = sum(self.model_dump().values())
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise PydanticCustomError("mix", "the shares must add up to 1, not {total}", {"total": f"{total:g}"})
        return self


class Paid(Section):
    model: str
    prompts: str
    temperature: Annotated[float, Field(ge=0)] | None
    max_tokens: Positive
    queries_per_prompt: Annotated[int, Field(gt=0, le=100)]
    seed_prompts: Annotated[int, Field(gt=0, le=512)]
    mix: Mix
    judge: str | None


class Requests(Section):
    base_url: str | None
    concurrency: Annotated[int, Field(gt=0, le=256)]
    requests_per_minute: Rate | None
    tokens_per_minute: Rate | None
    max_tries: Positive
    backoff: Rate
    timeout: Rate
    budget_tokens: Positive | None
    budget_money: Rate | None
    prices: dict[str, Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)]]

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, url: str | None) -> str | None:
        if url is not None and ("@" in url or "?" in url or "#" in url):
            raise PydanticCustomError("secret", "must hold no user, password or query: a key belongs into the "
                                      "environment or secrets/access_token.toml")  # fmt: skip
        if url is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
            raise PydanticCustomError("secret", "must begin with http:// or https:// and name a server")
        return url


class Generate(Section):
    teacher: Literal["offline", "gemini", "openai", "imported"]
    source: str
    num_samples: Count
    seed: int
    offline: Offline
    paid: Paid
    requests: Requests

    @model_validator(mode="after")
    def _a_budget_in_money_needs_prices(self) -> "Generate":
        models = {self.paid.model, self.paid.judge} - {None}
        missing = sorted(models - set(self.requests.prices))
        if self.teacher not in ("offline", "imported") and self.requests.budget_money is not None and missing:
            raise PydanticCustomError("prices", "requests.budget_money needs requests.prices of {models}",
                                      {"models": ", ".join(missing)})  # fmt: skip
        return self


class Refine(Section):
    engine: Literal["local", "ray"]
    dedupe: Literal["calls", "seed"]
    rouge_threshold: Share
    num_eval: Count
    num_validation: Count
    heldout_phrasing: Share
    heldout_combinations: Count
    spoken: str
    catalog_in_rows: bool
    license: str | None
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
    dtype: Literal["float32", "bfloat16"]
    seed: int


class Train(Section):
    num_processes: Positive
    accelerate_config: str | None
    device_batch_size: Positive | None
    packing: bool
    gradient_checkpointing: bool
    save_minutes: Annotated[float, Field(ge=0)] | None
    general_data: str
    general_share: Annotated[float, Field(ge=0, lt=1)]


class Training(Section):
    num_epochs: Annotated[float, Field(ge=0)]
    min_steps: Count
    batch_size: Positive
    max_length: Positive
    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    embedding_learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_ratio: Share
    lr_scheduler_type: Literal["constant", "linear", "cosine"]
    label_smoothing: Share
    split_words: Share
    word_dropout: Share
    replay: Share
    seed: int


class RetrievalTraining(Training):
    num_epochs_alone: Annotated[float, Field(ge=0)]


class Evaluate(Section):
    batch_size: Positive
    embedding_model: str | None
    prompt_method: bool
    seed: int


class Export(Section):
    format: Literal["merged", "gguf", "onnx"]
    quantization: Literal["q8_0"] | None
    rows: Positive
    min_agreement: Share

    @model_validator(mode="after")
    def _quantization_is_of_gguf(self) -> "Export":
        if self.quantization and self.format != "gguf":
            raise PydanticCustomError("format", "quantization is of the format gguf alone: set it to null")
        return self


class Params(Section):
    profile: str
    catalog: str
    generate: Generate
    refine: Refine
    model: Model
    train: Train
    tool_memorization: Training
    retrieval_training: RetrievalTraining
    agent_tuning: Training
    evaluate: Evaluate
    add_tools: Training
    export: Export

    @model_validator(mode="after")
    def _shards_need_adamw(self) -> "Params":
        stages = (self.tool_memorization, self.retrieval_training, self.agent_tuning)
        if self.train.accelerate_config and any(stage.optimizer == "muon" for stage in stages):
            raise PydanticCustomError("shards", "train.accelerate_config needs the optimizer adamw in every stage")
        return self


def read(path: str | Path = "params.yaml") -> Params:
    """Read and check the whole file, with its profile laid over it. Raises BadParams with all mistakes at once."""
    try:
        document = _yaml(Path(path))
    except FileNotFoundError:
        raise BadParams(f"no {path} in {Path.cwd()}: run from the project's top folder") from None
    profile, overrides = _profile(document)
    if overrides:
        document = document | {name: document.get(name, {}) | section for name, section in overrides.items()}
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        mistakes = [
            f"{profile if len(item['loc']) > 1 and item['loc'][1] in overrides.get(item['loc'][0], ()) else path}: "
            f"{_mistake(item)}"
            for item in error.errors()
        ]
        raise BadParams("\n".join(mistakes)) from None


def _yaml(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadParams(f"{path}:{line}: not YAML ({error.problem})") from None


def _profile(document: object) -> tuple[Path, dict[str, dict]]:
    """The file that the parameter `profile` names, and what it holds: {section: {key: value}}."""
    name = document.get("profile") if isinstance(document, dict) else None
    path = PROFILES / f"{name}.yaml"
    if not isinstance(name, str):
        return path, {}  # which the check of the whole file tells
    try:
        overrides = _yaml(path) or {}
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in PROFILES.glob("*.yaml"))) or "none"
        raise BadParams(f"params.yaml: there is no profile {name!r}; {PROFILES}/ has {known}") from None
    if not isinstance(overrides, dict) or not all(isinstance(section, dict) for section in overrides.values()):
        raise BadParams(f"{path}: expected sections with parameters, as in params.yaml")
    others = sorted(set(overrides) - set(PROFILED))
    if others:
        raise BadParams(f"{path}: {others[0]} cannot be set by a profile, only {', '.join(PROFILED)}")
    return path, overrides


def _mistake(item: dict) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{name} is not a parameter"
    if item["type"] == "missing":
        return f"{name} is missing"
    if item["type"] in ("secret", "mix", "prices", "shards", "format"):  # the value is too long to show, or must not be
        return f"{name}: {item['msg']}"
    value = item["input"]
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f"{name} is the text {value!r}, as YAML reads it: write {mantissa}.0e{exponent}"
    return f"{name} is {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
