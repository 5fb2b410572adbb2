"""One training loop for all stages: the stock Trainer, a loss on the completion only, batches of like length."""

import math
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, TrainerState

from ..conversations import Conversation
from . import batches
from .batches import BadTraining
from .logits import of_completions
from .muon import MuonWithAdamW
from .resuming import Saving, latest

POINTS = 100  # readings of the loss in a run
WHOLE = "whole"  # where in the work folder a model lies that was trained in shards


@dataclass(frozen=True)
class Settings:
    """The knobs of one stage, named as in params.yaml. `batch_size` is what one step of the optimizer sees; there are
    at least `min_steps` of them, if need be in more than num_epochs."""

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
    min_steps: int = 0


@dataclass(frozen=True)
class Compute:
    """How a stage is computed, which up to rounding changes no result.

    `device_batch_size` rows at once on each of `num_processes` devices, accumulated to the stage's batch_size; None
    shares the batch among the devices. `dtype` is that of the arithmetic.
    """

    num_processes: int = 1
    device_batch_size: int | None = None
    packing: bool = False
    dtype: str = "float32"
    gradient_checkpointing: bool = False
    save_minutes: float | None = None


class CompletionTrainer(Trainer):
    """The stock Trainer with a loss on completions, batches of like length, and Muon where it is asked for."""

    def __init__(self, *args, settings: Settings, **kwargs):
        self.settings = settings
        self.tokens, self.since = 0, time.monotonic()
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # each batch is a mean; the Trainer would count by labels of its own
        self.parts = self.args.world_size * self.args.gradient_accumulation_steps
        self.loss_is_scaled_for_ga = self.parts > 1

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        logits = of_completions(self.model, inputs, called=model)
        loss = cross_entropy(
            logits.float(),
            labels,
            label_smoothing=self.settings.label_smoothing,
            reduction="mean" if num_items_in_batch is None else "sum",
        )
        if num_items_in_batch is not None:  # devices are averaged, so each weighs its sum by their number
            loss = loss * self.args.world_size / num_items_in_batch
        if not torch.isfinite(loss):
            raise BadTraining(f"the loss is {loss.item()} at step {self.state.global_step}: lower the learning_rate")
        self.tokens += labels.numel()
        return (loss, {"logits": logits}) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples, device):
        """The tokens that carry loss in all parts of one step, where it has parts: a mean of means is another mean."""
        if self.parts == 1 or not batch_samples:
            return None
        count = torch.tensor(sum(batch["labels"].numel() for batch in batch_samples), device=device)
        return self.accelerator.gather(count).sum()

    def _get_train_sampler(self, train_dataset=None):
        return batches.OfLikeLength(self.train_dataset, self.settings.batch_size)

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

    def log(self, logs, start_time=None):
        """Adds the pace since the last reading, in tokens that carry loss, and the memory."""
        if "loss" in logs:
            now, tokens = time.monotonic(), self.tokens * self.args.world_size
            logs["tokens_per_second"] = round(tokens / max(now - self.since, 1e-9), 1)
            logs["memory_mb"] = memory_mb()
            self.tokens, self.since = 0, now
        super().log(logs, start_time)

    def _save_checkpoint(self, model, trial):
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            reason = str(error).strip().splitlines()[0]
            raise BadTraining(f"cannot write {folder} ({reason}): make room, and run it again") from None
        self.accelerator.wait_for_everyone()


class Progress(TrainerCallback):
    """One bar with the loss behind it, in place of the Trainer's own; hands each reading of the loss to `record`."""

    def __init__(self, done: int, steps: int, record, shown: bool):
        self.bar = tqdm(initial=done, total=steps, desc="train", unit="step", mininterval=1, disable=not shown)
        self.record = record

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=logs["loss"], refresh=False)
            self.record({"step": state.global_step} | logs)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def memory_mb() -> int:
    """Peak memory of this process so far: the GPU's where there is one, else what is resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[Conversation],
    settings: Settings,
    work: Path,
    record: Callable[[dict], None] = lambda point: None,
    compute: Compute = Compute(),  # noqa: B008
) -> dict:
    """Train `model` in place on the completions; return {"examples", "steps", "loss"} (mean of the last tenth).

    Under FSDP, where `model` is left in shards, the trained weights are written to `work`/WHOLE.
    `record` is given each reading: step, loss, learning_rate, tokens_per_second, memory_mb. Goes on from the last
    checkpoint in `work`, if there is one, to the weights that an uninterrupted run ends with; what was recorded before
    is recorded again. Raises BadTraining for an empty training set, a row that cannot be trained on, a loss that is
    not finite, or a full disk.
    """
    if not conversations:
        raise BadTraining("nothing to train on: the training file is empty")
    if settings.num_epochs == 0:
        return {"examples": len(conversations), "steps": 0, "loss": None}
    parts = compute.num_processes * (compute.device_batch_size or settings.batch_size // compute.num_processes)
    if not parts or settings.batch_size % parts:
        raise BadTraining(
            f"a batch_size of {settings.batch_size} cannot be shared by {compute.num_processes} processes"
            + (f" with {compute.device_batch_size} rows each" if compute.device_batch_size else "")
        )
    set_seed(settings.seed)
    noise = batches.Noise(settings.split_words, settings.word_dropout)
    encode = batches.Encoder(tokenizer, settings.max_length, noise)
    batches.check(conversations, encode)
    of_epochs = math.ceil(math.ceil(len(conversations) / settings.batch_size) * settings.num_epochs)
    steps = max(of_epochs, settings.min_steps)
    losses: list[float] = []

    def both(point: dict) -> None:
        losses.append(float(point["loss"]))
        record(point)

    checkpoint, done = latest(work), 0
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        done = state.global_step
        for entry in state.log_history:
            both(entry)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.num_epochs,
        max_steps=steps if steps > of_epochs else -1,
        per_device_train_batch_size=parts // compute.num_processes,
        gradient_accumulation_steps=settings.batch_size // parts,
        activation_checkpointing=compute.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        bf16=compute.dtype == "bfloat16",
        learning_rate=settings.learning_rate,
        warmup_steps=int(settings.warmup_ratio * steps),
        lr_scheduler_type=settings.lr_scheduler_type,
        max_grad_norm=1.0,
        logging_steps=max(steps // POINTS, 1),
        logging_strategy="steps",
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        remove_unused_columns=False,
        dataloader_drop_last=False,
        seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        ddp_backend="gloo" if compute.num_processes > 1 and not torch.cuda.is_available() else None,
        disable_tqdm=True,
    )
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=batches.Rows(conversations, encode, settings.seed),
        data_collator=partial(batches.packed if compute.packing else batches.padded, pad=tokenizer.pad_token_id),
        callbacks=[Progress(done, steps, both, arguments.process_index == 0), Saving(compute.save_minutes, work)],
        settings=settings,
    )
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and not trainer.is_fsdp_enabled:
        raise BadTraining("train.accelerate_config asks for FSDP, which accelerate does on GPUs only: set it to null")
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_fsdp_enabled:  # no process holds the whole model
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")  # the file may say in shards
        trainer.save_model(str(work / WHOLE))
    # With bfloat16 the model computes in it from now on, unlike the one that will be loaded: give it back as it came.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    tail = losses[-max(len(losses) // 10, 1) :]
    return {"examples": len(conversations), "steps": steps, "loss": round(sum(tail) / len(tail), 4)}
