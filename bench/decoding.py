"""What it costs to be bound to the catalog: processor time per token, constrained over unconstrained, in one run.

    default    models/agent_tuning on generated queries, one at a time
    untrained  the same shape with random weights, whose likeliest token is never an allowed one
    Llama-1B   the shape of Llama-3.2-1B in bfloat16 with random weights and a vocabulary of 128,256: the car's tools,
               and ordinary tools with JSON arguments
    catalogs   10^2 to 10^5 synthetic tools without a model: the time to choose one, and to read the catalog

Both kinds take turns on the same prompts, on one thread. Time is the processor's, since a wait for it says nothing.
Where a token takes a second, the difference drowns in noise: the last figure is the time inside the grammar alone.

    python bench/decoding.py       about five minutes on an idle core, 4 GB of memory
"""

import json
import statistics
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from toolgen import catalog, checkpoints, records  # noqa: E402
from toolgen.conversations import CALL, MARKS, encode_prompt  # noqa: E402
from toolgen.decoding import Decoder  # noqa: E402
from toolgen.grammar import Grammar  # noqa: E402

LLAMA_1B = LlamaConfig(
    vocab_size=128_256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
    num_key_value_heads=8, head_dim=64, tie_word_embeddings=True, max_position_embeddings=2048,
)  # fmt: skip
TRIP = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "class": {"enum": ["first", "second"]},
        "bags": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 32}},
        "seat": {"type": "object", "properties": {"row": {"type": "integer", "minimum": 1, "maximum": 60}}},
    },
    "required": ["to", "class"],
}
QUERIES, TOKENS = 300, 12


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    trained = checkpoints.load(ROOT / "models/agent_tuning")
    rows = islice(records.read_jsonl(ROOT / "data/generated/replies.jsonl"), QUERIES)
    queries = [json.loads(row["text"])["query"] for row in rows]
    print(line("default", ratio(Decoder(trained), queries)))
    torch.manual_seed(0)
    for weight in trained.model.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    print(line("untrained", ratio(Decoder(trained), queries)))

    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(LLAMA_1B)
    torch.set_default_dtype(torch.float32)
    ordinary = catalog.build([{"name": f"trip_{i}", "parameters": TRIP} for i in range(80)], [])
    for name, tools in (("the car", trained.catalog), ("JSON arguments", ordinary)):
        info = checkpoints.Info("agent_tuning", "random weights")
        decoder = Decoder(checkpoints.Checkpoint(model, wide_tokenizer(tools), tools, info))
        print(line(f"Llama-1B, {name}", ratio(decoder, queries[:4], tokens=8)))

    for size in (100, 1_000, 10_000, 100_000):
        print(chosen_among(size))


def ratio(decoder: Decoder, queries: list[str], tokens: int = TOKENS) -> tuple[float, float, float]:
    """Milliseconds per token unconstrained, how many times more constrained, and milliseconds of the grammar alone.

    Medians over prompts that both kinds answer in turn; the grammar's are a mean over all tokens.
    """
    taken, bound = {False: [], True: []}, []
    decoder._bound = timed(decoder._bound, bound)
    prompts = [encode_prompt(query, CALL, decoder.tokenizer, 256) for query in queries]
    for number, prompt in enumerate(tqdm([prompts[0], *prompts], mininterval=5, disable=len(prompts) > 20)):
        for constrained in sorted(taken, reverse=number % 2 == 1):
            start = time.process_time()
            count = sum(1 for _ in islice(decoder._steps([prompt], constrained), tokens))
            taken[constrained].append(1000 * (time.process_time() - start) / count)
        if number == 0:  # the first one warms up
            bound.clear()
    free, constrained = (found[1:] for found in taken.values())
    times = statistics.median(after / before for before, after in zip(free, constrained, strict=True))
    return statistics.median(free), times, statistics.mean(bound)


def timed(function, taken: list[float]):
    """`function`, which also notes its milliseconds."""

    def call(*arguments):
        start = time.process_time()
        result = function(*arguments)
        taken.append(1000 * (time.process_time() - start))
        return result

    return call


def line(name: str, found: tuple[float, float, float]) -> str:
    free, times, grammar = found
    return (f"{name}: {free:.2f} ms per token unconstrained, constrained {100 * (times - 1):+.1f}%; "
            f"the grammar alone {grammar:.3f} ms, {100 * grammar / free:.2f}%")  # fmt: skip


def wide_tokenizer(tools: catalog.Catalog) -> PreTrainedTokenizerFast:
    """As many tokens as Llama's: every byte, every pair of printable characters, triples up to the size."""
    single = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = [chr(code) for code in range(33, 127)] + ["Ġ"]
    pairs = [a + b for a in plain for b in plain]
    special = ["<|end|>", *MARKS, *(tool.token for tool in tools.tools)]
    room = LLAMA_1B.vocab_size - len(single) - len(pairs) - len(special)
    triples = list(islice((pair + c for pair in pairs for c in plain), room))
    merges = [(text[:-1], text[-1]) for text in pairs + triples]
    vocabulary = {text: index for index, text in enumerate(single + pairs + triples)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")


def chosen_among(size: int) -> str:
    """The time to read a catalog of `size` tools of one schema, and to choose one of them from random logits."""
    tools = catalog.build([{"name": f"tool_{i}", "parameters": TRIP} for i in range(size)], [])
    tokenizer = wide_tokenizer(catalog.build([], []))
    tokenizer.add_tokens([AddedToken(tool.token, special=True, normalized=False) for tool in tools.tools])
    start = time.process_time()
    grammar = Grammar(tokenizer, tools)
    read = time.process_time() - start
    allowed = torch.tensor(grammar.allowed(grammar.start))
    logits = torch.randn(1, len(tokenizer))
    taken = []
    for _ in range(50):
        start = time.process_time()
        grammar.step(grammar.start, int(allowed[logits[0][allowed].argmax()]))
        taken.append(1000 * (time.process_time() - start))
    return f"{size:,} tools: {statistics.median(taken):.3f} ms to choose one, {read:.2f} s to read the catalog"


if __name__ == "__main__":
    main()
