"""Write queries and their calls: the teacher's replies, verbatim.

reads   params.yaml (catalog, generate.teacher, generate.source, generate.num_samples, generate.seed, generate.offline,
        generate.paid), the catalog, the phrase bank, the prompts or the imported examples; for a paid teacher
        generate.requests, a key, and data/ledger/
writes  data/generated/replies.jsonl   {"id", "teacher", "prompt_sha", "text"}
        metrics/generate.json          how many, how varied, over which phrases or tools
        metrics/timing/generate.json   of a paid teacher: tokens, cost, seconds

About ten seconds for 30,000 queries offline. A paid teacher is asked only for what its ledger does not hold.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from toolgen import catalog, console, params, records
from toolgen.bank import phrases
from toolgen.duplicates import masked
from toolgen.teachers import asking, imported, keys, ledger, offline, prompts, rounds

REPLIES, METRICS = "data/generated/replies.jsonl", "metrics/generate.json"
TIMING = "metrics/timing/generate.json"


def main() -> None:
    options = params.read()
    settings = options.generate
    tools = catalog.load(options.catalog)
    if settings.teacher == "offline":
        from_the_bank(settings, tools)
    elif settings.teacher == "imported":
        from_a_source(settings, tools)
    else:
        from_a_server(settings, tools)


def from_the_bank(settings: params.Generate, tools: catalog.Catalog) -> None:
    bank = phrases.load(settings.offline.phrases, tools)
    share = settings.offline
    mix = offline.Mix(no_call=share.no_call, joined=share.joined, noise=share.noise, synonyms=share.synonyms)
    replies = offline.replies(bank, tools, settings.num_samples, settings.seed, mix)

    shapes: set[str] = set()
    sizes: dict[str, int] = {}

    def counted() -> Iterator[dict]:
        for reply in tqdm(replies, total=settings.num_samples, desc="generate", unit="query", mininterval=1):
            written = json.loads(reply["text"])
            shapes.add(masked(written["query"]))
            size = str(min(len(written["answers"]), 5))
            sizes[size] = sizes.get(size, 0) + 1
            yield reply

    count = records.write_jsonl(REPLIES, counted())
    records.write_json(METRICS, {
        "replies": count,
        "distinct_masked": len(shapes),
        "by_number_of_calls": dict(sorted(sizes.items())),
        "phrases": phrases.counts(bank),
    })  # fmt: skip
    print(f"generate: {count:,} queries, {len(shapes):,} distinct with numbers masked -> {REPLIES}")


def from_a_source(settings: params.Generate, tools: catalog.Catalog) -> None:
    """Every example of the source, whatever num_samples says."""
    shapes: set[str] = set()
    known, splits = Counter(), Counter()

    def counted(replies: Iterable[dict]) -> Iterator[dict]:
        for reply in tqdm(replies, desc="generate", unit="example", mininterval=1):
            written = json.loads(reply["text"])
            shapes.add(masked(written["query"]))
            known[next(name for name in ("answers", "accept", "steps", "relevant_tools") if name in written)] += 1
            splits[reply.get("split", "none")] += 1
            yield reply

    count = records.write_jsonl(REPLIES, counted(imported.replies(imported.source_of(settings.source), tools)))
    records.write_json(METRICS, {
        "replies": count,
        "distinct_masked": len(shapes),
        "by_what_is_known": dict(sorted(known.items())),
        "by_split": dict(sorted(splits.items())),
    })  # fmt: skip
    print(f"generate: {count:,} examples of {settings.source} -> {REPLIES}")


def from_a_server(settings: params.Generate, tools: catalog.Catalog) -> None:
    paid, started = settings.paid, time.monotonic()
    wording = prompts.load(paid.prompts, tools)
    order = rounds.Order(
        settings.teacher, settings.num_samples, settings.seed, paid.queries_per_prompt, paid.seed_prompts,
        paid.mix.model_dump(), {"temperature": paid.temperature, "max_tokens": paid.max_tokens},
    )  # fmt: skip
    limits = asking.Limits(**settings.requests.model_dump(exclude={"base_url", "timeout"}))
    writer = asking.Model(paid.model, lambda: connected(settings, paid.model, prompts.reply_schema(tools)))
    judge = paid.judge and asking.Model(paid.judge, lambda: connected(settings, paid.judge, prompts.verdict_schema()))
    with ledger.Ledger(f"data/ledger/{settings.teacher}.jsonl") as book:
        with asking.Asker(book, limits) as asker:
            teacher = rounds.Teacher(order, tools, wording, asker, writer, judge or None)
            try:
                records.write_jsonl(REPLIES, shown(teacher))
            except KeyboardInterrupt:
                tqdm.write(f"generate: waiting for {asker.in_flight} answers, which are paid for", file=sys.stderr)
                raise
            except asking.OverBudget as reason:
                raise console.Mistake(f"{reason}: {to_go_on(teacher)}") from None
            finally:
                asker.close()
                records.write_json(TIMING, timing(asker, time.monotonic() - started))
        records.write_json(METRICS, teacher.metrics())
    tally = teacher.tally
    print(f"generate: {tally.accepted:,} of {tally.replies:,} queries pass the checks, {spent(asker.used)}, "
          f"{asker.sent.answers:,} new answers -> {REPLIES}")  # fmt: skip


def connected(settings: params.Generate, model: str, schema: dict) -> asking.Ask:
    """The function that asks `model`. An SDK is imported only where it is used: they are slow to load."""
    key, requests = keys.find(settings.teacher), settings.requests
    if key is None and (settings.teacher == "gemini" or requests.base_url is None):
        raise keys.missing(settings.teacher)
    if settings.teacher == "gemini":
        from toolgen.teachers.gemini import connect
    else:
        from toolgen.teachers.openai import connect
    paid = settings.paid
    return connect(model, schema, paid.temperature, paid.max_tokens, requests.base_url, requests.timeout, key)


def shown(teacher: rounds.Teacher) -> Iterator[dict]:
    """The teacher's replies, under a progress bar of accepted and wanted, tokens and cost."""
    with tqdm(total=teacher.order.num_samples, desc="generate", unit="query", mininterval=1, delay=1) as bar:
        for reply in teacher.replies():
            bar.set_postfix_str(spent(teacher.asker.used), refresh=False)
            bar.update(teacher.tally.accepted - bar.n)
            yield reply


def spent(used: asking.Usage) -> str:
    return f"{used.tokens:,} tokens" + (f", cost {used.cost:,.2f}" if used.cost else "")


def to_go_on(teacher: rounds.Teacher) -> str:
    """What it would take to have all that is wanted, in words."""
    wanted, got, used = teacher.order.num_samples, teacher.tally.accepted, teacher.asker.used
    kept = f"{got:,} of {wanted:,} queries are there, for {spent(used)}, and are kept in {teacher.asker.ledger.path}"
    if not got:
        return f"{kept}; raise it to go on"
    whole = asking.Usage(completion_tokens=used.tokens * wanted // got, cost=used.cost * wanted / got)
    return f"{kept}; all need about {spent(whole)}: raise it to go on, or set generate.num_samples to {got}"


def timing(asker: asking.Asker, seconds: float) -> dict:
    """What the clock and the bill say: `in_use` of all answers in use, `sent` of those that this run asked for."""
    def bill(used: asking.Usage) -> dict:
        return {
            "answers": used.answers, "prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens,
            "cost": round(used.cost, 4), "paid_but_lost": used.lost,
        }  # fmt: skip

    return {
        "seconds": round(seconds, 1),
        "in_use": bill(asker.used),
        "sent": bill(asker.sent) | {"paid_but_lost": asker.lost},
    }


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, asking.Stopped))
