"""How fast the training loop is, against two others that are given the same model, rows and device in the same run.

    seed     the recipe of ToolGen's first scripts: one row at a time, padded to 512 tokens, gradient checkpointing, a
             loss on every token, padding included
    trl      TRL's SFTTrainer as it comes: its batch size, precision, checkpointing and learning rate; completions only
    ours     scripts/toolgen/training/loop.py as params.yaml has it; and packed, for comparison

Prints the tokens of completions per second, the loss on held-out rows after the same examples, the share of the
measured matrix product rate that is used, and where the time goes. With a GPU also a Llama of one billion random
weights with nf4 and LoRA, ours against TRL, on the rows of all three stages.

    python bench/train.py [examples]      about four minutes on two cores
"""

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from toolgen import catalog, checkpoints, params, records  # noqa: E402
from toolgen.conversations import agent, memorization, retrieval  # noqa: E402
from toolgen.numbers import normalise  # noqa: E402
from toolgen.training import batches, loop  # noqa: E402
from toolgen.training.logits import mean_loss  # noqa: E402

EXAMPLES, HELD_OUT, SEED_LENGTH = 1024, 256, 512
LLAMA_1B = LlamaConfig(
    vocab_size=128_384, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
    num_key_value_heads=8, tie_word_embeddings=True, max_position_embeddings=2048,
)  # fmt: skip


class Clock(TrainerCallback):
    """Seconds from the first step's end to the last's: what a run costs beside its start."""

    def __init__(self):
        self.first = self.last = None

    def on_step_end(self, args, state, control, **kwargs):
        self.last = time.perf_counter()
        self.first = self.first or (self.last, state.global_step)

    def share(self, steps: int) -> tuple[float, float]:
        """Seconds, and the share of all steps that they are for."""
        return self.last - self.first[0], (steps - self.first[1]) / steps


def completions(rows, encode) -> int:
    return sum(len(encode.plain(row)[1]) for row in rows)


def seed_recipe(checkpoint, rows, encode) -> float:
    """Tokens of completions per second."""
    pad = checkpoint.tokenizer.pad_token_id

    def collate(found):
        ids = [prompt + completion for prompt, completion in found]
        ids = torch.tensor([row + [pad] * (SEED_LENGTH - len(row)) for row in ids])
        return {"input_ids": ids, "attention_mask": ids.ne(pad).long(), "labels": ids.clone()}

    with tempfile.TemporaryDirectory() as work:
        arguments = TrainingArguments(
            output_dir=work, per_device_train_batch_size=1, num_train_epochs=1, activation_checkpointing=True,
            learning_rate=5e-5, save_strategy="no", report_to="none", remove_unused_columns=False, disable_tqdm=True,
            logging_steps=50, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        clock = Clock()
        trainer = Trainer(
            checkpoint.model, arguments, train_dataset=[encode.plain(row) for row in rows], data_collator=collate,
            callbacks=[clock],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    seconds, share = clock.share(len(rows))
    return completions(rows, encode) * share / seconds


def trl_defaults(checkpoint, rows, encode) -> float:
    """Tokens of completions per second."""
    pairs = [encode.plain(row) for row in rows]
    dataset = Dataset.from_list([
        {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}
        for prompt, completion in pairs
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        arguments = SFTConfig(
            output_dir=work, num_train_epochs=1, completion_only_loss=True, save_strategy="no", report_to="none",
            disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        clock = Clock()
        trainer = SFTTrainer(
            checkpoint.model, arguments, train_dataset=dataset, processing_class=checkpoint.tokenizer, callbacks=[clock]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    seconds, share = clock.share(trainer.state.max_steps)
    return completions(rows, encode) * share / seconds


def ours(checkpoint, rows, settings, compute) -> float:
    """Tokens of completions per second, as the loop itself reads them, without the first reading's start."""
    points = []
    with tempfile.TemporaryDirectory() as work:
        loop.train(
            checkpoint.model, checkpoint.tokenizer, rows, settings, Path(work), points.append, compute
        )
    paces = [point["tokens_per_second"] for point in points[1:]]
    return len(paces) / sum(1 / pace for pace in paces)


def shares(checkpoint, rows, settings, compute) -> tuple[Counter, dict[str, int]]:
    """Where the time of our loop goes, in seconds by part, those before its first step apart; and its tokens: seen,
    real, of completions."""
    spent, tokens = Counter(), Counter()

    def timed(owner, name, part):
        call = getattr(owner, name)

        def timing(*args, **kwargs):
            began = time.perf_counter()
            if part == "model":
                spent["start"] = spent["start"] or began - started
            result = call(*args, **kwargs)
            spent[part] += time.perf_counter() - began
            return result

        setattr(owner, name, timing)
        return call

    def counting(found, pad, collate=batches.padded):
        batch = collate(found, pad)
        tokens["seen"] += batch["input_ids"].numel()
        tokens["real"] += int(batch["attention_mask"].sum())
        tokens["completions"] += len(batch["labels"])
        return batch

    patched = [
        (loop.CompletionTrainer, "training_step", "model"), (loop.MuonWithAdamW, "step", "optimizer"),
        (loop.CompletionTrainer, "log", "logging"), (loop.CompletionTrainer, "_clip_grad_norm", "clipping"),
        (batches, "padded", "data"),
    ]  # fmt: skip
    plain = batches.padded
    batches.padded = counting
    originals = [(owner, name, timed(owner, name, part)) for owner, name, part in patched]
    started = time.perf_counter()
    ours(checkpoint, rows, settings, compute)
    spent["steps"] = time.perf_counter() - started - spent["start"]
    for owner, name, call in originals:
        setattr(owner, name, call)
    batches.padded = plain
    return spent, tokens


def matmul_rate(dtype=torch.float32, size=1536) -> float:
    """Floating point operations per second of a large matrix product on this device, the best of five."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def flops(model, tokens) -> float:
    """Of one pass forward and back: six for each weight of the layers and token, and of the output layer and label."""
    layers = sum(weight.numel() for name, weight in model.named_parameters() if ".layers." in name)
    table = model.get_output_embeddings().weight.numel()
    return 6.0 * (layers * tokens["real"] + table * tokens["completions"])


def default_model(examples: int) -> None:
    options = params.read(ROOT / "params.yaml")
    tools = catalog.load(ROOT / options.catalog)
    found = records.read_json(ROOT / "data/prepared/agent_tuning.json")
    rows = [agent(row, tools) for row in found[: examples + HELD_OUT]]
    rows, held_out = rows[:examples], rows[examples:]
    shape = checkpoints.Shape(
        options.model.vocab_size, options.model.hidden_size, options.model.intermediate_size, options.model.num_layers,
        options.model.num_heads,
    )  # fmt: skip
    texts = [normalise(row["query"]) for row in found]

    def fresh():
        model, tokenizer = checkpoints.from_scratch(texts, tools, shape, 0)
        checkpoints.add_tool_tokens(model, tokenizer, tools)
        info = checkpoints.Info("tool_memorization", checkpoints.FROM_SCRATCH)
        checkpoint = checkpoints.Checkpoint(model, tokenizer, tools, info)
        checkpoints.to_device(checkpoint)
        return checkpoint

    settings = loop.Settings(**options.agent_tuning.model_dump(exclude={"replay"}))
    settings = replace(settings, num_epochs=1, min_steps=0)
    encode = batches.Encoder(fresh().tokenizer, settings.max_length)
    figures = {}
    for name, recipe in (
        ("ours", lambda checkpoint: ours(checkpoint, rows, settings, loop.Compute())),
        ("ours, packed", lambda checkpoint: ours(checkpoint, rows, settings, loop.Compute(packing=True))),
        ("trl", lambda checkpoint: trl_defaults(checkpoint, rows, encode)),
        ("seed", lambda checkpoint: seed_recipe(checkpoint, rows, encode)),
    ):
        checkpoint = fresh()
        pace = recipe(checkpoint)
        figures[name] = pace
        loss = mean_loss(checkpoint.model, encode, held_out, 64)
        print(f"{name:14} {pace:10,.0f} tokens of completions per second   held-out loss {loss:.3f}   "
              f"ours is {figures['ours'] / pace:.1f} times as fast", flush=True)  # fmt: skip
    checkpoint = fresh()
    many = [agent(row, tools) for row in found[: 8 * examples]]  # rows of like length are found among 3,200
    spent, tokens = shares(checkpoint, many, settings, loop.Compute())
    used = flops(checkpoint.model, tokens) / spent["steps"]
    rate = matmul_rate()
    print(f"{used / 1e9:,.1f} of {rate / 1e9:,.1f} GFLOP/s in float32: {used / rate:.0%}")
    parts = ("model", "optimizer", "clipping", "data", "logging")
    spent["the loop around them"] = spent["steps"] - sum(spent[part] for part in parts)
    shown = ", ".join(f"{part} {spent[part] / spent['steps']:.1%}" for part in (*parts, "the loop around them"))
    padding = 1 - tokens["real"] / tokens["seen"]
    print(f"padding {padding:.1%} of the tokens; {spent['start']:.1f} s before the first step; "
          f"of the time from there: {shown}")  # fmt: skip


def large_model(config: LlamaConfig, examples: int) -> None:
    """Ours against TRL on a Llama of `config` with random weights, nf4 and LoRA, on the rows of each stage."""
    tools = catalog.load(ROOT / "data/catalog.json")
    prepared = {
        name: records.read_json(ROOT / f"data/prepared/{name}.json")
        for name in ("tool_memorization", "retrieval_training", "agent_tuning")
    }
    stages = {
        "tool_memorization": [memorization(row) for row in prepared["tool_memorization"]] * 8,
        "retrieval_training": [retrieval(row) for row in prepared["retrieval_training"][:examples]],
        "agent_tuning": [agent(row, tools) for row in prepared["agent_tuning"][:examples]],
    }
    with tempfile.TemporaryDirectory() as folder:
        shape = checkpoints.Shape(2000, 8, 8, 1, 1)
        texts = [normalise(row["query"]) for row in prepared["agent_tuning"][:5000]]
        _, tokenizer = checkpoints.from_scratch(texts, catalog.build([], []), shape, 0)
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

        def fresh():
            model, tokenizer = checkpoints.base(folder, None, "nf4", "bfloat16")
            new_ids = checkpoints.add_tool_tokens(model, tokenizer, tools)
            model = checkpoints.add_adapter(model, new_ids, 8, 32, 0.05, "nf4")
            info = checkpoints.Info("tool_memorization", folder, None, "nf4", True, "bfloat16")
            return checkpoints.Checkpoint(model, tokenizer, tools, info)

        settings = loop.Settings(
            num_epochs=1, batch_size=64, max_length=256, optimizer="adamw", learning_rate=2e-4,
            embedding_learning_rate=2e-4, weight_decay=0.0, warmup_ratio=0.0, lr_scheduler_type="linear",
            label_smoothing=0.0, split_words=0.0, word_dropout=0.0, seed=0,
        )  # fmt: skip
        compute = loop.Compute(packing=True, dtype="bfloat16")
        for stage, rows in stages.items():
            for name in ("ours", "trl"):
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                checkpoint = fresh()
                encode = batches.Encoder(checkpoint.tokenizer, settings.max_length)
                if name == "ours":
                    pace = ours(checkpoint, rows, settings, compute)
                else:
                    # SFTTrainer cannot take an adapter with trained rows: it gets the same one without them.
                    checkpoint.model = plain_lora(checkpoint.model)
                    pace = trl_defaults(checkpoint, rows, encode)
                print(f"{stage}, {name}: {pace:,.0f} tokens of completions per second, {loop.memory_mb():,} MB",
                      flush=True)  # fmt: skip
                del checkpoint


def plain_lora(model):
    """The same base with LoRA alone."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=8, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model.unload(), config)


if __name__ == "__main__":
    default_model(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
    if torch.cuda.is_available():
        large_model(LLAMA_1B, examples=2048)
    else:
        print("no CUDA GPU: the part on a Llama of one billion weights is left out")
