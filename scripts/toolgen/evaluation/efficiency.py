"""What one answer costs: tokens read and written, milliseconds to the first token and to the last, on one thread.

Beside it, what the same model would take for the prompt method. Its weights cannot answer that prompt, so the tokens
written are those of the right answer; and where the prompt is longer than the model's position limit its positions run
on past it, which changes what is computed in no number of operations. Only tokens and times mean anything there.
"""

import math
import statistics
import time

import torch
from transformers import DynamicCache

from ..catalog import Catalog
from ..checkpoints import Checkpoint, one_thread
from ..conversations import encode_text
from ..decoding import Decoder
from . import prompting

WARM_UP = 3  # the first passes set up what later ones find ready


def of_decoder(decoder: Decoder, queries: list[str]) -> dict:
    """Means of tokens over `queries`, and median and 95th percentile of the times of one query at a time."""
    with one_thread():
        for query in queries[:WARM_UP]:
            decoder.cost(query)
        costs = [decoder.cost(query) for query in queries]
    return {
        "prompt_tokens": round(statistics.mean(cost.prompt_tokens for cost in costs), 2),
        "generated_tokens": round(statistics.mean(cost.generated_tokens for cost in costs), 2),
        "ms_to_first_token": percentiles([cost.ms_to_first_token for cost in costs]),
        "ms_per_query_single": percentiles([cost.ms for cost in costs]),
        "model_bytes": sum(weight.numel() * weight.element_size() for weight in decoder.model.parameters()),
    }


@torch.inference_mode()
def of_prompt_method(checkpoint: Checkpoint, rows: list[dict], tools: Catalog) -> dict:
    """The same figures for `rows` asked with the whole catalog in the prompt, and with the catalog read beforehand."""
    model, tokenizer = checkpoint.model.eval(), checkpoint.tokenizer
    catalog = encode_text(prompting.instruction(tools), tokenizer)
    first, whole, cached, read, written = [], [], [], [], []
    with one_thread():
        kept = DynamicCache(config=model.config)
        _write(model, kept, catalog, [])
        for row in rows:
            query = encode_text(row["query"], tokenizer)
            answer = encode_text(prompting.written_out(row["accept"][0]), tokenizer)
            for times, cache, prompt in (
                ((first, whole), DynamicCache(config=model.config), catalog + query),
                (([], cached), kept, query),
            ):
                for measured, taken in zip(times, _write(model, cache, prompt, answer), strict=True):
                    measured.append(taken)
            kept.crop(len(catalog) - kept.get_seq_length())  # how many to take off, as a negative number
            read.append(len(catalog) + len(query))
            written.append(len(answer) + 1)
    return {
        "prompt_tokens": round(statistics.mean(read), 2),
        "generated_tokens": round(statistics.mean(written), 2),
        "ms_to_first_token": percentiles(first),
        "ms_per_query_single": percentiles(whole),
        "ms_per_query_catalog_cached": percentiles(cached),
    }


def _write(model, cache: DynamicCache, prompt: list[int], answer: list[int]) -> tuple[float, float]:
    """Milliseconds from reading `prompt` behind what `cache` holds to the first token, and to the last of `answer`."""
    start = time.perf_counter()
    times = []
    for ids in (prompt, *([index] for index in answer)):
        tokens = torch.tensor([ids], device=model.device)
        int(model(input_ids=tokens, past_key_values=cache, logits_to_keep=1).logits[0, -1].argmax())
        times.append(1000 * (time.perf_counter() - start))
    return times[0], times[-1]


def percentiles(times: list[float]) -> dict:
    """Median and 95th percentile, in the unit of `times`."""
    times = sorted(times)
    return {"median": round(statistics.median(times), 2), "p95": round(times[math.ceil(0.95 * len(times)) - 1], 2)}


def times(theirs: dict, own: dict) -> dict:
    """How many times more tokens and milliseconds `theirs` takes than `own`, by the medians of the times."""
    milliseconds = own["ms_per_query_single"]["median"]
    return {
        "prompt_tokens": round(theirs["prompt_tokens"] / own["prompt_tokens"], 1),
        "ms_per_query_single": round(theirs["ms_per_query_single"]["median"] / milliseconds, 1),
        "ms_per_query_catalog_cached": round(theirs["ms_per_query_catalog_cached"]["median"] / milliseconds, 1),
    }
