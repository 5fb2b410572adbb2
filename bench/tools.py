"""What a catalog costs as it grows: 10^2 to 10^5 ordinary tools, and the 47,000 of ToolBench, none twice the same.

    load        the catalog file is read and checked
    tokens      every tool gets its token in the tokenizer
    rows        and its row of the embeddings, the mean of the pieces of its name and description
    folder      the checkpoint is saved and loaded again
    grammar     the trie that decoding is bound to
    choose      one step of decoding: the best token is a tool's
    bar         one step whose best token is barred, so that the best of all tools is looked for
    open        the arguments of a tool that was never called before: its schema is read
    argument    one step within the JSON of the arguments, whose best token is barred
    top 5       the five best tools of a query, a mean over a batch of 64
    pass        for comparison: one pass of the model over one token, whose output layer has a row a tool

The steps do not count the model's pass. Time is the processor's, on one thread, of the default model's shape with
random weights; each size has a process of its own, whose peak memory is read at its end. The exponent is the slope of
log time over log tools from 1,000 tools on: 1 is linear, 0 is a cost that does not grow.

    python bench/tools.py       about two minutes on an idle core, 1.5 GB of memory
"""

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from toolgen import catalog, checkpoints, records  # noqa: E402
from toolgen.conversations import RETRIEVE, encode_text  # noqa: E402
from toolgen.decoding import Decoder  # noqa: E402
from toolgen.training.loop import memory_mb  # noqa: E402

SIZES = (100, 1_000, 10_000, 47_000, 100_000)
SHAPE = checkpoints.Shape(vocab_size=4000, hidden_size=128, intermediate_size=352, num_layers=4, num_heads=4)
VERBS = "book buy cancel check convert count find fetch list make order play rate search send show sort track".split()
THINGS = "bag boat book bus cab city coin film flat game hotel map meal news photo road room seat song team".split()
STEPS = 200


def main() -> None:
    if sys.argv[1:]:
        print(json.dumps(measured(int(sys.argv[1]))))
        return
    found = {}
    for size in SIZES:
        done = subprocess.run([sys.executable, __file__, str(size)], check=True, capture_output=True, text=True)
        found[size] = json.loads(done.stdout)
        print(f"{size:,} tools: {', '.join(f'{name} {value:,.3g}' for name, value in found[size].items())}", flush=True)
    print("\n" + table(found))


def table(found: dict[int, dict[str, float]]) -> str:
    """One line a reading, with its growth."""
    lines = ["| | " + " | ".join(f"{size:,}" for size in found) + " | exponent |", "|---|" + "--:|" * (len(found) + 1)]
    for name in found[SIZES[0]]:
        values = [f"{reading[name]:,.3g}" for reading in found.values()]
        grown = [(math.log(size), math.log(reading[name])) for size, reading in found.items() if size >= 1000]
        slope = statistics.linear_regression(*zip(*grown, strict=True)).slope
        lines.append(f"| {name} | " + " | ".join(values) + f" | {slope:.2f} |")
    return "\n".join(lines)


@torch.inference_mode()
def measured(size: int) -> dict[str, float]:
    """Every reading for a catalog of `size` tools."""
    torch.set_num_threads(1)
    took: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.json"
        records.write_json(path, {"functions": [function(i) for i in range(size)]})
        with clock(took, "load, s"):
            tools = catalog.load(path)
        texts = [tool.description for tool in tools.tools[:5000]] + ["a é {\"to\":\"x\",\"days\":[1,2]}"] * 50
        model, tokenizer = checkpoints.from_scratch(texts, tools, SHAPE, seed=0)
        adding, took["tokens, s"] = tokenizer.add_tokens, 0.0

        def add(tokens: list) -> None:
            with clock(took, "tokens, s"):
                adding(tokens)

        tokenizer.add_tokens = add
        with clock(took, "rows, s"):
            checkpoints.add_tool_tokens(model, tokenizer, tools)
        del tokenizer.add_tokens
        took["rows, s"] -= took["tokens, s"]
        info = checkpoints.Info("agent_tuning", checkpoints.FROM_SCRATCH)
        with clock(took, "folder, s"):
            checkpoints.save(Path(folder) / "model", checkpoints.Checkpoint(model, tokenizer, tools, info), path)
            checkpoint = checkpoints.load(Path(folder) / "model")
    with clock(took, "grammar, s"):
        decoder = Decoder(checkpoint)
    took |= steps(decoder)
    queries = [tool.description for tool in checkpoint.catalog.tools[:64]]
    decoder.ranked_tools(queries, RETRIEVE, len(queries), k=5)
    start = time.process_time()
    decoder.ranked_tools(queries, RETRIEVE, len(queries), k=5)
    took["top 5, ms"] = 1000 * (time.process_time() - start) / len(queries)
    one = torch.tensor([[5]])
    took["pass, ms"] = median_ms(lambda _: decoder.model(input_ids=one))
    return took | {"memory, MB": memory_mb()}


def steps(decoder: Decoder) -> dict[str, float]:
    """Milliseconds of one step of decoding, in each kind of state."""
    start, logits, ids = decoder.grammar.start, torch.randn(len(decoder.tokenizer)), list(decoder.grammar.tools)
    barred = encode_text(" book", decoder.tokenizer)[0]
    known, *unknown = random.Random(0).sample(ids, 51)
    with clock({}, "tokenizer"):  # which llguidance reads once for all tools
        decoder.grammar.step(start, known)
    took = {
        "choose, ms": median_ms(lambda i: decoder._bound(known, start, logits)),
        "bar, ms": median_ms(lambda i: decoder._bound(barred, start, logits)),
        "open, ms": median_ms(lambda i: decoder._bound(unknown[i], start, logits), 50),
    }

    def argument(i: int) -> None:
        if i % 8 == 0:
            argument.state = decoder.grammar.step(start, known)
        _, argument.state = decoder._bound(known, argument.state, logits)

    return took | {"argument, ms": median_ms(argument)}


def median_ms(step, count: int = STEPS) -> float:
    taken = []
    for i in range(count):
        begun = time.process_time()
        step(i)
        taken.append(1000 * (time.process_time() - begun))
    return statistics.median(taken)


class clock:
    """Notes the processor seconds of its block under a name."""

    def __init__(self, took: dict[str, float], name: str):
        self.took, self.name = took, name

    def __enter__(self):
        self.begun = time.process_time()

    def __exit__(self, *error):
        self.took[self.name] = time.process_time() - self.begun


def function(i: int) -> dict:
    """The i-th tool: a name, a description and a schema that no other tool has."""
    draw = random.Random(i)
    verb, thing, other = draw.choice(VERBS), draw.choice(THINGS), draw.choice(THINGS)
    return {
        "name": f"{verb}_{thing}_{other}_{i}",
        "description": f"Helps to {verb} a {thing} by its {other}, from source {i}, or to {draw.choice(VERBS)} it.",
        "parameters": {
            "type": "object",
            "properties": {
                other: {"type": "string"},
                "days": {"type": "integer", "minimum": 1, "maximum": i + 1},
                "kind": {"enum": draw.sample(THINGS, 3)},
            },
            "required": [other],
        },
    }


if __name__ == "__main__":
    main()
