"""Write queries and their calls: the teacher's replies, verbatim.

reads   params.yaml (catalog, generate), the catalog, the phrase bank
writes  data/generated/replies.jsonl   {"id", "teacher", "prompt_sha", "text"}
        metrics/generate.json          how many, how varied, over which phrases

About ten seconds for 30,000 queries.
"""

import json

from toolgen import catalog, console, params, phrases, records
from toolgen.duplicates import masked
from toolgen.teachers import offline
from tqdm import tqdm

REPLIES, METRICS = "data/generated/replies.jsonl", "metrics/generate.json"


def main() -> None:
    options = params.read()
    settings = options.generate
    tools = catalog.load(options.catalog)
    bank = phrases.load(settings.phrases, tools)
    mix = offline.Mix(no_call=settings.no_call, joined=settings.joined, noise=settings.noise)
    replies = offline.replies(bank, tools, settings.num_samples, settings.seed, mix)

    shapes: set[str] = set()
    sizes: dict[str, int] = {}

    def counted():
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


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord))
