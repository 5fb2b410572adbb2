"""Score all three models on rows that none of them was trained on, beside methods that need no such model.

reads   params.yaml (catalog, evaluate), data/prepared/, models/ of the three training stages
writes  metrics/evaluate.json            every score with its number of rows and 95% interval
        metrics/predictions/<slice>.jsonl  what the final model answered to each query
        metrics/worst.md                 the worst answers to the spoken rows that may be read
        plots/evaluate/                  by_kind.csv, confusion.csv
        metrics/timing/evaluate.json     tokens, milliseconds, bytes, beside the prompt method's

Slices: seen_phrasing (words of the training set, other values and places), heldout_phrasing (phrases never trained
on), heldout_combination (a tool and a place never trained on together), spoken_dev and spoken_test (requests as
people say them), spoken_noisy (both halves again, with slips). About two minutes on two cores.
"""

import csv
import time

from toolgen import calltext, catalog, checkpoints, checks, console, params, records
from toolgen.decoding import Decoder
from toolgen.evaluation import (
    answers,
    calibration,
    efficiency,
    embeddings,
    metrics,
    peers,
    prompting,
    retrieval,
    scoring,
    uncertainty,
    worst,
)

MEMORIZATION, RETRIEVAL = "data/prepared/tool_memorization.json", "data/prepared/retrieval_training.json"
AGENT, ROWS = "data/prepared/agent_tuning.json", "data/prepared/evaluation.jsonl"
METRICS, TIMING = "metrics/evaluate.json", "metrics/timing/evaluate.json"
PREDICTIONS, WORST, PLOTS = "metrics/predictions", "metrics/worst.md", "plots/evaluate"
STAGES = ("tool_memorization", "retrieval_training", "agent_tuning")
TIMED, TIMED_PROMPTS = 200, 3  # queries; one with the whole catalog before it takes seconds


def main() -> None:
    options = params.read()
    settings = options.evaluate
    tools = catalog.load(options.catalog)
    rows = known_rows(tools)
    started = time.monotonic()
    loaded = {stage: checkpoints.load(f"models/{stage}") for stage in STAGES}
    if settings.prompt_method and loaded["agent_tuning"].info.base_model == checkpoints.FROM_SCRATCH:
        raise prompting.NoChat("evaluate.prompt_method needs a pretrained chat model as model.base_model, since a "
                               "model made from scratch cannot read a catalog: set it to false")  # fmt: skip
    decoders = {stage: Decoder(checkpoint) for stage, checkpoint in loaded.items()}
    final = decoders["agent_tuning"]
    queries = [row["query"] for row in rows]

    print("evaluate: memorization and retrieval")
    descriptions = records.read_json(MEMORIZATION)
    scores: dict = {"memorization": {
        stage: memorization_scores(decoders[stage], descriptions, settings)
        for stage in ("tool_memorization", "agent_tuning")
    }}  # fmt: skip
    rankings = {
        stage: retrieval.rankings(loaded[stage], queries, settings.batch_size)
        for stage in ("retrieval_training", "agent_tuning")
    }
    ranked = rankings["agent_tuning"]
    training = records.read_json(RETRIEVAL)
    rankings |= peers.rankings(queries, training, tools, settings.embedding_model, settings.seed)
    scores["retrieval"] = {
        name: scoring.retrieval_scores(rows, ranking, tools, settings.seed) for name, ranking in rankings.items()
    }

    print("evaluate: calls")
    decoded = time.monotonic()
    texts = final.texts(queries, settings.batch_size)
    decoded = time.monotonic() - decoded
    given = [answers.of_text(text, tools) for text in texts]
    scores["calls"] = scoring.by_slice(rows, given, tools, settings.seed)
    scores["calls_by_property"] = scoring.by_property(rows, given, tools, settings.seed)
    threshold = no_call_threshold(final, rows, settings.batch_size)
    scores["no_call_threshold"] = round(threshold, 4)
    cautious = Decoder(loaded["agent_tuning"], threshold).texts(queries, settings.batch_size)
    free = final.texts(queries, settings.batch_size, constrained=False)
    others = {
        name: [answers.of_text(text, tools) for text in written]
        for name, written in (("calibrated", cautious), ("unconstrained", free))
    }
    for name, copied in peers.copied_calls(queries, records.read_json(AGENT), tools, settings.embedding_model).items():
        others[name] = [answers.of_calls(calls, tools) for calls in copied]
    for name, theirs in others.items():
        scores[f"calls_{name}"] = scoring.by_slice(rows, theirs, tools, settings.seed, brief=True)
    if settings.prompt_method:
        scores["calls_prompt_method"] = prompt_method_scores(rows, loaded["agent_tuning"], tools, settings.seed)

    records.write_json(METRICS, scores)
    write_predictions(rows, texts, ranked, tools)
    with records.written_whole(WORST) as file:
        file.write(worst.table(rows, texts, given, tools))
    write_plots(rows, scores, texts, tools)
    print("evaluate: efficiency")
    records.write_json(TIMING, {
        **costs(final, loaded["agent_tuning"], rows, tools),
        "ms_per_query_batched": round(1000 * decoded / len(rows), 2),
        "seconds": round(time.monotonic() - started, 1),
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


def memorization_scores(decoder: Decoder, rows: list[dict], settings: params.Evaluate) -> dict:
    """How often a tool's description is answered with its token, and the macro F1 of these answers."""
    ranked = decoder.described([row["description"] for row in rows], settings.batch_size)
    pairs = [(row["token"], f"<<{names[0]}>>") for row, names in zip(rows, ranked, strict=True)]
    return {
        "accuracy": uncertainty.summary([float(gold == predicted) for gold, predicted in pairs], settings.seed),
        "macro_f1": uncertainty.summary_of(
            lambda drawn: metrics.macro_f1(*zip(*drawn, strict=True)), pairs, settings.seed
        ),
    }


def no_call_threshold(decoder: Decoder, rows: list[dict], batch_size: int) -> float:
    """How sure the model must be of no call, by the validation rows; 0.0, its own decision, without them."""
    known = [row for row in rows if row["slice"] == "validation"]
    if not known:
        return 0.0
    scores = decoder.no_call_scores([row["query"] for row in known], batch_size)
    return calibration.no_call_threshold(scores, [[] in row["accept"] for row in known])


def prompt_method_scores(rows: list[dict], final: checkpoints.Checkpoint, tools: catalog.Catalog, seed: int) -> dict:
    """The spoken rows, asked of the pretrained base model with the catalog in the prompt."""
    spoken = [row for row in rows if row["slice"] in scoring.SPOKEN]
    model, tokenizer = checkpoints.base(final.info.base_model, final.info.revision, final.info.quantization)
    written = prompting.answers(model, tokenizer, [row["query"] for row in spoken], tools)
    given = [answers.of_calls(calls, tools) for calls in written]
    return scoring.by_slice(spoken, given, tools, seed, brief=True)


def costs(decoder: Decoder, final: checkpoints.Checkpoint, rows: list[dict], tools: catalog.Catalog) -> dict:
    """What an answer costs, what it would with the catalog in the prompt, and how many times more that is."""
    spoken = [row for row in rows if row["slice"] in scoring.SPOKEN] or rows
    asked = [row for row in spoken if row["accept"][0]][:TIMED_PROMPTS]
    own = efficiency.of_decoder(decoder, [row["query"] for row in spoken[:TIMED]])
    theirs = efficiency.of_prompt_method(final, asked, tools)
    return own | {"prompt_method": theirs, "prompt_method_takes_times": efficiency.times(theirs, own)}


def write_predictions(rows: list[dict], texts: list[str], ranked: list[list[str]], tools: catalog.Catalog) -> None:
    """One file a slice: what was asked, what was answered, and at which ranks the wanted tools were retrieved."""
    for name, indices in scoring.slices(rows).items():
        if name != "spoken":
            records.write_jsonl(f"{PREDICTIONS}/{name}.jsonl", (
                {"query": rows[i]["query"], "kind": rows[i]["kind"], "calls": texts[i],
                 "ranks": scoring.relevant_ranks(rows[i], ranked[i], tools)} for i in indices
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
            if row["kind"] not in ("single", "group") or row["slice"] in scoring.NOT_NEW:
                continue
            actual = calltext.segments(row["accept"][0], tools)[0][0].name
            named = text.split(">>")[0].removeprefix("<<") if text else "no call"
            table.writerow((actual, named))


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, checkpoints.BadCheckpoint,
                                embeddings.NoEmbeddings, prompting.NoChat))  # fmt: skip
