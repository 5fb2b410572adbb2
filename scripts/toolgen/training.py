"""One training loop for all stages: the stock Trainer, a loss on the completion only, batches of like length."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from .conversations import Conversation, encode_completion, encode_prompt
from .muon import MuonWithAdamW
from .padding import inputs, left_padded

IGNORED = -100


class BadTraining(ValueError):
    """Training cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Settings:
    """The knobs of one stage, named as in params.yaml."""

    num_epochs: float
    batch_size: int
    max_length: int
    optimizer: str
    learning_rate: float
    embedding_learning_rate: float
    weight_decay: float
    warmup_ratio: float
    lr_scheduler_type: str
    label_smoothing: float
    split_words: float
    word_dropout: float
    seed: int


class Batches:
    """Conversations -> padded tensors. Prompts stand to the left of a common border, completions to its right end.

    Left padding puts every completion at the end of its row, so the logits of prompts are never computed.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: Settings):
        self.tokenizer, self.settings = tokenizer, settings

    def __call__(self, conversations: list[Conversation]) -> dict[str, torch.Tensor]:
        """Returns input_ids, attention_mask, position_ids [rows, length] and labels [rows, longest completion]."""
        prompts, completions = zip(*map(self.encoded, conversations), strict=True)
        rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
        labels = left_padded(list(completions), IGNORED)
        return inputs(rows, self.tokenizer.pad_token_id) | {"labels": labels}

    def encoded(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        completion = encode_completion(conversation, self.tokenizer)
        room = max(self.settings.max_length - len(completion), 2)
        *prompt, mark = encode_prompt(conversation.text, conversation.mark, self.tokenizer, room)
        if self.settings.split_words:
            prompt = [part for token in prompt for part in self._split(token)][: room - 1]
        if self.settings.word_dropout and self.tokenizer.unk_token_id is not None:
            unknown = self.tokenizer.unk_token_id
            kept = torch.rand(len(prompt)) >= self.settings.word_dropout
            prompt = [token if keep else unknown for token, keep in zip(prompt, kept.tolist(), strict=True)]
        return [*prompt, mark], completion

    def _split(self, token: int) -> list[int]:
        """Now and then the token in two halves: what BPE dropout does, but by a generator that can be seeded."""
        text = self.tokenizer.convert_ids_to_tokens(token)
        if len(text) < 4 or text[1:].isdigit() or torch.rand(()) >= self.settings.split_words:
            return [token]
        cut = int(torch.randint(2, len(text) - 1, ()))
        model = self.tokenizer.backend_tokenizer.model
        return [part.id for half in (text[:cut], text[cut:]) for part in model.tokenize(half)]


class CompletionTrainer(Trainer):
    """The stock Trainer with a loss on completions, batches of like length, and Muon where it is asked for."""

    def __init__(self, *args, settings: Settings, lengths: list[int], **kwargs):
        self.settings, self.lengths = settings, lengths
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # each batch is a mean; the Trainer's own count skips a first column

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs, logits_to_keep=labels.shape[1] + 1, use_cache=False)
        loss = cross_entropy(
            outputs.logits[:, :-1].flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            label_smoothing=self.settings.label_smoothing,
        )
        if not torch.isfinite(loss):
            raise BadTraining(f"the loss is {loss.item()} at step {self.state.global_step}: lower the learning_rate")
        return (loss, outputs) if return_outputs else loss

    def _get_train_sampler(self, train_dataset=None):
        generator = torch.Generator().manual_seed(self.settings.seed)
        return LengthGroupedSampler(self.settings.batch_size, lengths=self.lengths, generator=generator)

    def create_optimizer(self, model=None):
        trained = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        embeddings = ("embed_tokens", "lm_head")
        matrices = [w for name, w in trained if w.ndim == 2 and not any(part in name for part in embeddings)]
        others = [w for name, w in trained if w.ndim != 2 or any(part in name for part in embeddings)]
        if self.settings.optimizer == "muon":
            self.optimizer = MuonWithAdamW(
                matrices, others, self.settings.learning_rate, self.settings.embedding_learning_rate,
                self.settings.weight_decay,
            )  # fmt: skip
        else:
            groups = [
                {"params": matrices, "lr": self.settings.learning_rate, "weight_decay": self.settings.weight_decay},
                {"params": others, "lr": self.settings.embedding_learning_rate, "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
        return self.optimizer


class Progress(TrainerCallback):
    """One bar with the loss behind it, in place of the Trainer's own; hands each logged loss to `record`."""

    def __init__(self, steps: int, record):
        self.bar, self.record = tqdm(total=steps, desc="train", unit="step", mininterval=1), record

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=logs["loss"], refresh=False)
            self.record(state.global_step, float(logs["loss"]), float(logs["learning_rate"]))

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[Conversation],
    settings: Settings,
    work: Path,
    record=lambda step, loss, learning_rate: None,
) -> dict:
    """Train `model` in place on the completions; return {"examples", "steps", "loss"} (mean of the last tenth).

    Raises BadTraining for an empty training set, a row longer than max_length, or a loss that is not finite.
    """
    if not conversations:
        raise BadTraining("nothing to train on: the training file is empty")
    if settings.num_epochs == 0:
        return {"examples": len(conversations), "steps": 0, "loss": None}
    set_seed(settings.seed)
    batches = Batches(tokenizer, settings)
    lengths = list(_lengths(conversations, tokenizer, settings))
    steps = math.ceil(math.ceil(len(conversations) / settings.batch_size) * settings.num_epochs)
    losses: list[tuple[int, float]] = []

    def both(step: int, loss: float, learning_rate: float) -> None:
        losses.append((step, loss))
        record(step, loss, learning_rate)

    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.num_epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=int(settings.warmup_ratio * steps),
        lr_scheduler_type=settings.lr_scheduler_type,
        max_grad_norm=1.0,
        logging_steps=max(steps // 100, 1),
        logging_strategy="steps",
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        dataloader_drop_last=False,
        seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
    )
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=_Rows(conversations),
        data_collator=batches,
        callbacks=[Progress(steps, both)],
        settings=settings,
        lengths=lengths,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    tail = [loss for _, loss in losses[-max(len(losses) // 10, 1) :]]
    return {"examples": len(conversations), "steps": steps, "loss": round(sum(tail) / len(tail), 4)}


class _Rows(torch.utils.data.Dataset):
    def __init__(self, conversations: list[Conversation]):
        self.conversations = conversations

    def __len__(self) -> int:
        return len(self.conversations)

    def __getitem__(self, index: int) -> Conversation:
        return self.conversations[index]


def _lengths(
    conversations: Iterable[Conversation], tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> Iterator[int]:
    for conversation in conversations:
        completion = encode_completion(conversation, tokenizer)
        if len(completion) >= settings.max_length:
            raise BadTraining(
                f"a completion of {len(completion)} tokens does not fit max_length {settings.max_length}: "
                f"{conversation.text[:60]!r}"
            )
        yield len(encode_prompt(conversation.text, conversation.mark, tokenizer, settings.max_length)) + len(completion)
