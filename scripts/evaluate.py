"""Score all three models on rows that none of them was trained on, beside methods that need no model.

reads   params.yaml (catalog, evaluate), data/prepared/, models/ of the three training stages
writes  metrics/evaluate.json            every score with its number of rows and 95% interval
        metrics/predictions/<slice>.jsonl  what the final model answered to each query
        plots/evaluate/                  by_kind.csv, confusion.csv
        metrics/timing/evaluate.json     seconds, milliseconds per query

Slices: seen_phrasing (words of the training set, other values and places), heldout_phrasing (phrases never trained
on), heldout_combination (a tool and a place never trained on together), spoken_dev and spoken_test (requests as
people say them). About two minutes on two cores.
"""

import csv
import statistics
import time

from toolgen import baselines, catalog, checkpoints, checks, console, metrics, params, records, scoring
from toolgen.calltext import segments
from toolgen.conversations import calls_of
from toolgen.decoding import Decoder
from toolgen.numbers import normalise

MEMORIZATION, RETRIEVAL = "data/prepared/tool_memorization.json", "data/prepared/retrieval_training.json"
AGENT, ROWS = "data/prepared/agent_tuning.json", "data/prepared/evaluation.jsonl"
METRICS, TIMING = "metrics/evaluate.json", "metrics/timing/evaluate.json"
PREDICTIONS, PLOTS = "metrics/predictions", "plots/evaluate"


def main() -> None:
    options = params.read()
    settings = options.evaluate
    tools = catalog.load(options.catalog)
    rows = known_rows(tools)
    started = time.monotonic()
    stages = ("tool_memorization", "retrieval_training", "agent_tuning")
    models = {stage: Decoder(checkpoints.load(f"models/{stage}")) for stage in stages}
    final = models["agent_tuning"]
    queries = [row["query"] for row in rows]

    print("evaluate: memorization and retrieval")
    descriptions = records.read_json(MEMORIZATION)
    scores: dict = {"memorization": {
        stage: memorization_scores(models[stage], descriptions, settings.batch_size)
        for stage in ("tool_memorization", "agent_tuning")
    }}  # fmt: skip
    training = records.read_json(RETRIEVAL)
    rankings = {
        stage: models[stage].retrieved(queries, settings.batch_size) for stage in ("retrieval_training", "agent_tuning")
    }
    rankings |= peers(queries, training, tools, settings.seed)
    scores["retrieval"] = {name: scoring.retrieval_scores(rows, ranked, tools) for name, ranked in rankings.items()}

    print("evaluate: calls")
    decoded = time.monotonic()
    texts = final.texts(queries, settings.batch_size)
    decoded = time.monotonic() - decoded
    scores["calls"] = scoring.by_slice(rows, [final.read(text) for text in texts], tools, settings.seed)
    others = {
        "calls_unconstrained": final.calls(queries, settings.batch_size, constrained=False),
        "calls_nearest_query": nearest_calls(queries, tools),
    }
    for name, answers in others.items():
        scores[name] = scoring.by_slice(rows, answers, tools, settings.seed, brief=True)

    records.write_json(METRICS, scores)
    write_predictions(rows, texts)
    write_plots(rows, scores, texts, tools)
    latencies = single_query_milliseconds(final, [row["query"] for row in rows if row["slice"] in scoring.SPOKEN])
    records.write_json(TIMING, {
        "seconds": round(time.monotonic() - started, 1),
        "ms_per_query_batched": round(1000 * decoded / len(rows), 2),
        "ms_per_query_single": latencies,
    })  # fmt: skip
    for name, score in scores["calls"].items():
        print(f"evaluate: {name} exact match {score['exact_match']['value']} of {score['exact_match']['n']} rows")


def known_rows(tools: catalog.Catalog) -> list[dict]:
    """The evaluation rows; raises BadRecord where an accepted call is not one that the catalog's tools can make."""
    rows = list(records.read_jsonl(ROWS))
    for number, row in enumerate(rows, 1):
        for call in (call for calls in row["accept"] for call in calls):
            try:
                checks.check_call(call, tools)
            except checks.Rejected as fault:
                raise records.BadRecord(f"{ROWS}:{number}: {fault}") from None
    if not rows:
        raise records.BadRecord(f"{ROWS}: no evaluation rows")
    return rows


def memorization_scores(decoder: Decoder, rows: list[dict], batch_size: int) -> dict:
    gold = [row["token"] for row in rows]
    ranked = decoder.described([row["description"] for row in rows], batch_size)
    predicted = [f"<<{names[0]}>>" for names in ranked]
    right = [a == b for a, b in zip(gold, predicted, strict=True)]
    return {"accuracy": round(statistics.mean(right), 4), "macro_f1": round(metrics.macro_f1(gold, predicted), 4)}


def peers(queries: list[str], training: list[dict], tools: catalog.Catalog, seed: int) -> dict[str, list[list[str]]]:
    """Rankings of tool names by methods without a network, over the same queries."""
    plain = [normalise(query) for query in queries]
    documents = [normalise(f"{tool.name} {tool.description}".replace("_", " ")) for tool in tools.tools]
    names = [tool.name for tool in tools.tools]
    asked = [row for row in training if row["relevant_tool_tokens"]]
    texts = [normalise(row["query"]) for row in asked]
    labels = [[tools.by_token[token].name for token in row["relevant_tool_tokens"]] for row in asked]
    return {
        "bm25": baselines.bm25(documents, names)(plain),
        "bm25_training_queries": baselines.bm25(documents + texts, [[name] for name in names] + labels)(plain),
        "tfidf_classifier": baselines.tfidf_classifier(texts, labels, seed)(plain),
    }


def nearest_calls(queries: list[str], tools: catalog.Catalog) -> list[list[dict]]:
    """The calls of the training query that BM25 finds nearest, copied."""
    training = records.read_json(AGENT)
    calls = [calls_of(row, tools) for row in training]
    find = baselines.nearest_query([normalise(row["query"]) for row in training], calls)
    return find([normalise(query) for query in queries])


def write_predictions(rows: list[dict], texts: list[str]) -> None:
    for name, indices in scoring.slices(rows).items():
        if name != "spoken":
            records.write_jsonl(f"{PREDICTIONS}/{name}.jsonl", (
                {"query": rows[i]["query"], "kind": rows[i]["kind"], "calls": texts[i]} for i in indices
            ))  # fmt: skip


def write_plots(rows: list[dict], scores: dict, texts: list[str], tools: catalog.Catalog) -> None:
    """Exact match by kind over the spoken set, and which tool was taken for which in requests for one tool."""
    with records.written_whole(f"{PLOTS}/by_kind.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("kind", "exact_match"))
        for kind, score in scores["calls"].get("spoken", {}).get("exact_match_by_kind", {}).items():
            table.writerow((kind, score["value"]))
    with records.written_whole(f"{PLOTS}/confusion.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("actual", "predicted"))
        for row, text in zip(rows, texts, strict=True):
            if row["kind"] not in ("single", "group") or row["slice"] == "validation":
                continue
            actual = segments(row["accept"][0], tools)[0][0].name
            named = text.split(">>")[0].removeprefix("<<") if text else "no call"
            table.writerow((actual, named))


def single_query_milliseconds(decoder: Decoder, queries: list[str]) -> dict:
    """Median and 95th percentile of one query at a time on one thread, from its text to its calls."""
    times = []
    with checkpoints.one_thread():
        for query in queries[:200]:
            start = time.perf_counter()
            decoder.calls([query], batch_size=1)
            times.append(1000 * (time.perf_counter() - start))
    times.sort()
    return {"median": round(statistics.median(times), 2), "p95": round(times[int(0.95 * (len(times) - 1))], 2)}


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, checkpoints.BadCheckpoint))
