"""Models and their tokenizers: from scratch or from a base model, with tool tokens, saved and loaded as one folder."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AddedToken,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    set_seed,
)
from transformers.utils import logging

from . import catalog as catalogs
from .catalog import Catalog, Tool
from .conversations import MARKS, STEP_MARKS, VERBATIM, encode_text, reader
from .records import read_json, write_json

logging.disable_progress_bar()

FROM_SCRATCH = "from_scratch"
INFO, CATALOG = "toolgen.json", "catalog.json"
END, PAD, UNKNOWN = "<|end|>", "<|pad|>", "<|unknown|>"
# A number is one token with its space and sign, half degrees are a second one: what is said can be copied whole.
PIECES = r" ?-?\d{1,3}(?!\d)|\.\d(?!\d)| ?\d| ?[^\s\d.]+|\.|\s+"
# Requests are short: with positions that turn faster than the usual 10,000 lets them, far fewer dimensions tell none.
ROPE_THETA = 500.0
SELDOM = 20  # a name that few rows say is no token, but pieces that other names have too: else it could not be copied
# Where arguments are JSON a word is the same tokens in the query and between quotes: blanks and marks stand apart.
JSON_PIECES = r"[\p{L}\p{M}]+(?:_[\p{L}\p{M}]+)*|\d{1,3}(?!\d)|\d|[{}\[\]\":,]+|[^\s\p{L}\p{M}\d{}\[\]\":,]|\s"


class BadCheckpoint(ValueError):
    """A model folder or id that cannot be loaded; the message says what to do."""


@dataclass(frozen=True)
class Shape:
    """The size of a model made from scratch."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int


@dataclass(frozen=True)
class Info:
    """What a checkpoint folder says of itself."""

    stage: str
    base_model: str
    revision: str | None = None
    quantization: str = "none"
    adapter: bool = False
    dtype: str = "float32"


@dataclass
class Checkpoint:
    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    catalog: Catalog
    info: Info


def from_scratch(
    texts: list[str], catalog: Catalog, shape: Shape, seed: int
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A Llama with random weights, tied embeddings, and a byte-level BPE tokenizer trained on `texts`.

    A place that takes several words is one token where the model writes it, so that it is one choice.
    """
    pieces, seldom = (PIECES, 0) if catalog.properties else (JSON_PIECES, SELDOM)
    tokenizer = _trained_tokenizer(texts, shape.vocab_size, pieces, seldom)
    places = {f" {place}" for item in catalog.properties if len(item.areas) > 1 for place in item.places}
    tokenizer.add_tokens([
        AddedToken(place, special=True, normalized=False) for place in sorted(places) if place.count(" ") > 1
    ])  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    set_seed(seed)
    return LlamaForCausalLM(config), tokenizer


def _trained_tokenizer(texts: list[str], vocab_size: int, pieces: str, seldom: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    numbers = [*(f" {number}" for number in range(-10, 131)), " 0.5"] * 50
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=seldom,
        special_tokens=[END, PAD, UNKNOWN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" " + text for text in texts] + numbers, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )


def base(
    name: str, revision: str | None, quantization: str, dtype: str = "float32"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A pretrained causal language model by id or folder; safetensors only, no remote code. Raises BadCheckpoint.

    `dtype` is that of its weights, whatever they were saved in.
    """
    options: dict = {"dtype": getattr(torch, dtype)} | ({"revision": revision} if revision else {})
    if quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, trust_remote_code=False, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=False)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadCheckpoint(
            f"cannot load the base model {name!r} ({reason}): set model.base_model to the path of a local folder with "
            f"config.json, model.safetensors and tokenizer.json, or to {FROM_SCRATCH}"
        ) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def new_tokens(catalog: Catalog, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What `add_tool_tokens` has added to `tokenizer`: the task marks, then the tools."""
    steps = STEP_MARKS if takes_steps(tokenizer) else ()
    return [*MARKS, *steps, *(tool.token for tool in catalog.tools)]


def takes_steps(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the model of this tokenizer was made for trajectories."""
    return tokenizer.backend_tokenizer.token_to_id(STEP_MARKS[0]) is not None


def add_tool_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, catalog: Catalog, steps: bool = False
) -> list[int]:
    """Give every tool and every task mark one token of its own; return their ids. `steps`: those of trajectories too.

    The tokenizer is marked with the way in which its model reads queries, which goes by the catalog.
    """
    if not catalog.properties:
        tokenizer.init_kwargs[VERBATIM] = True  # which is saved with the tokenizer
    marks = {mark: mark.strip("<|>") for mark in (*MARKS, *(STEP_MARKS if steps else ()))}
    return add_tokens(model, tokenizer, marks | meanings(catalog.tools))


def meanings(tools: Iterable[Tool]) -> dict[str, str]:
    """What each tool's token stands for, in words."""
    return {tool.token: f"{tool.name} {tool.description}" for tool in tools}


def add_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, meanings: dict[str, str]) -> list[int]:
    """Give each key of `meanings` one token, whose row starts as the mean of the rows of its words; return the ids."""
    read = reader(tokenizer)
    words = {
        token: encode_text(" " + read(meaning.replace("_", " ")), tokenizer) for token, meaning in meanings.items()
    }
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in meanings])
    if model.get_input_embeddings().num_embeddings < len(tokenizer):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = tokenizer.convert_tokens_to_ids(list(meanings))
    tables = {id(table.weight): table.weight for table in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for table in tables.values():
            for index, pieces in zip(ids, words.values(), strict=True):
                table[index] = table[pieces].mean(0)
    return ids


def add_adapter(
    model: PreTrainedModel, new_ids: list[int], r: int, alpha: int, dropout: float, quantization: str
) -> PeftModel:
    """LoRA on every linear layer, and the new rows of the embeddings; nothing else is trained."""
    if quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    tied = model.config.get_text_config().tie_word_embeddings
    rows = {"embed_tokens": new_ids} if tied else {"embed_tokens": new_ids, "lm_head": new_ids}
    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        trainable_token_indices=rows,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def save(
    folder: str | Path,
    checkpoint: Checkpoint,
    catalog_path: str | Path,
    check: Callable[[Path], None] = lambda folder: None,
) -> None:
    """Write the whole checkpoint beside `folder`, let `check` look at it, and rename it into place.

    Where `check` raises, or the disk is full (BadCheckpoint), what stood in `folder` stays.
    """
    folder = Path(folder)
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        # The new rows are part of the adapter; all others are its base's, and need not be written again.
        options = {"save_embedding_layers": False} if checkpoint.info.adapter else {}
        checkpoint.model.save_pretrained(beside, **options)
        checkpoint.tokenizer.save_pretrained(beside)
        write_json(beside / INFO, asdict(checkpoint.info))
        source = Path(catalog_path)
        shutil.copytree(source, beside / CATALOG) if source.is_dir() else shutil.copy(source, beside / CATALOG)
        (beside / "README.md").unlink(missing_ok=True)  # an empty model card of the adapter library
        check(beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    except (OSError, SafetensorError) as error:
        raise BadCheckpoint(f"cannot write {folder} ({error}): the checkpoint before it is kept") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load(folder: str | Path, trainable: bool = False, stage: str | None = None) -> Checkpoint:
    """Read what `save` wrote. Raises BadCheckpoint for a folder that is missing, not one of ours, not of `stage`, or of
    another vocabulary than its catalog's."""
    return _loaded(Path(folder), trainable, stage)


def merged(folder: str | Path) -> Checkpoint:
    """What `save` wrote as one plain model, which needs neither the adapter library nor its base to be loaded.

    A quantised base is dequantised first: merged in four bits, the adapter's small changes would be rounded away.
    """
    checkpoint = _loaded(Path(folder), dequantized=True)
    if not checkpoint.info.adapter:
        return checkpoint
    model = checkpoint.model.merge_and_unload()
    return replace(checkpoint, model=model, info=replace(checkpoint.info, adapter=False, quantization="none"))


def _loaded(folder: Path, trainable: bool = False, stage: str | None = None, dequantized: bool = False) -> Checkpoint:
    if not (folder / INFO).is_file():
        raise BadCheckpoint(f"{folder} holds no model: run `make train`, or name a folder that it wrote")
    info = Info(**read_json(folder / INFO))
    if stage is not None and info.stage != stage:
        raise BadCheckpoint(f"{folder} holds a checkpoint of {info.stage}, not of {stage}: run `make train`")
    catalog = catalogs.load(folder / CATALOG)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = _with_adapter(folder, info, tokenizer, trainable, dequantized) if info.adapter else _plain(folder)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if isinstance(error, BadCheckpoint):
            raise
        raise BadCheckpoint(f"{folder} cannot be loaded ({str(error).strip().splitlines()[0]})") from None
    vocabulary, rows = tokenizer.get_vocab(), model.get_input_embeddings().weight.shape[0]
    missing = [token for token in new_tokens(catalog, tokenizer) if vocabulary.get(token, rows) >= rows]
    if missing:
        raise BadCheckpoint(
            f"{folder} is of another vocabulary: {len(missing)} tokens of its catalog, {missing[0]} first, have no row "
            f"among the model's {rows}"
        )
    return Checkpoint(model, tokenizer, catalog, info)


def with_weights(folder: Path, checkpoint: Checkpoint) -> Checkpoint:
    """`checkpoint` with the model that its weights, or its adapter's, in `folder` make."""
    info = checkpoint.info
    model = _with_adapter(folder, info, checkpoint.tokenizer, False, False) if info.adapter else _plain(folder)
    return replace(checkpoint, model=model)


def _plain(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    )


def _with_adapter(
    folder: Path, info: Info, tokenizer: PreTrainedTokenizerBase, trainable: bool, dequantized: bool
) -> PeftModel:
    model, _ = base(info.base_model, info.revision, info.quantization, info.dtype)
    if info.quantization != "none":
        if dequantized:
            model = model.dequantize()
        elif trainable:
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if model.get_input_embeddings().num_embeddings < len(tokenizer):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return PeftModel.from_pretrained(model, folder, is_trainable=trainable)


def to_device(checkpoint: Checkpoint) -> None:
    """Move the model to this process's GPU, where there is one and it is not there by its quantization."""
    if torch.cuda.is_available() and checkpoint.info.quantization == "none":
        checkpoint.model.to(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")


def of_stage(checkpoint: Checkpoint, stage: str) -> Checkpoint:
    """The same checkpoint, as the result of `stage`."""
    return replace(checkpoint, info=replace(checkpoint.info, stage=stage))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, as a small device would."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
