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
    teacher: Literal["offline", "gemini", "openai"]
    num_samples: Count
    seed: int
    offline: Offline
    paid: Paid
    requests: Requests

    @model_validator(mode="after")
    def _a_budget_in_money_needs_prices(self) -> "Generate":
        models = {self.paid.model, self.paid.judge} - {None}
        missing = sorted(models - set(self.requests.prices))
        if self.teacher != "offline" and self.requests.budget_money is not None and missing:
            raise PydanticCustomError("prices", "requests.budget_money needs requests.prices of {models}",
                                      {"models": ", ".join(missing)})  # fmt: skip
        return self


class Refine(Section):
    rouge_threshold: Share
    num_eval: Count
    num_validation: Count
    heldout_phrasing: Share
    heldout_combinations: Count
    spoken: str
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
    num_epochs: Annotated[float, Field(ge=0)]
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


class Evaluate(Section):
    batch_size: Positive
    seed: int


class Params(Section):
    catalog: str
    generate: Generate
    refine: Refine
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
    if item["type"] in ("secret", "mix", "prices"):  # the value is too long to show, or must not be
        return f"{name}: {item['msg']}"
    value = item["input"]
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f"{name} is the text {value!r}, as YAML reads it: write {mantissa}.0e{exponent}"
    return f"{name} is {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}"
