"""Score all three models on rows that none of them was trained on, beside methods that need no such model.

reads   params.yaml (catalog, evaluate), data/prepared/, models/ of the three training stages
writes  metrics/evaluate.json            every score with its number of rows and 95% interval
        metrics/predictions/<slice>.jsonl  what the final model answered to each query
        metrics/worst.md                 the worst answers to the spoken rows that may be read
        plots/evaluate/                  by_kind.csv, confusion.csv
        metrics/timing/evaluate.json     tokens, milliseconds, bytes, beside the prompt method's

Slices: seen_phrasing (words of the training set, other values and places), heldout_phrasing (phrases never trained
on), heldout_combination (a tool and a place never trained on together), spoken_dev and spoken_test (requests as
people say them), spoken_noisy (both halves again, with slips), own_split (imported rows whose source held them out).
Rows of which only the tools are known are scored by retrieval alone, trajectories turn by turn. About five minutes
on two cores.
"""

import csv
import time

import numpy as np

from toolgen import calltext, catalog, checkpoints, checks, console, params, records, turns
from toolgen.decoding import Decoder
from toolgen.evaluation import (
    answers,
    calibration,
    efficiency,
    embeddings,
    fusion,
    metrics,
    peers,
    prompting,
    retrieval,
    scoring,
    steps,
    uncertainty,
    worst,
)
from toolgen.trajectories import TurnDecoder

MEMORIZATION, RETRIEVAL = "data/prepared/tool_memorization.json", "data/prepared/retrieval_training.json"
AGENT, ROWS = "data/prepared/agent_tuning.json", "data/prepared/evaluation.jsonl"
METRICS, TIMING = "metrics/evaluate.json", "metrics/timing/evaluate.json"
PREDICTIONS, WORST, PLOTS = "metrics/predictions", "metrics/worst.md", "plots/evaluate"
STAGES = ("tool_memorization", "retrieval_training", "agent_tuning")
TIMED, TIMED_PROMPTS = 200, 3  # queries; one with the whole catalog before it takes seconds
LONGEST_CATALOG = 200_000  # characters; above, what the prompt method would take is not measured


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

    print("evaluate: memorization and retrieval")
    descriptions = records.read_json(MEMORIZATION)
    scores: dict = {"memorization": {
        stage: memorization_scores(decoders[stage], descriptions, settings)
        for stage in ("tool_memorization", "agent_tuning")
    }}  # fmt: skip
    rankings = tools_ranked(rows, loaded, records.read_json(RETRIEVAL), tools, settings)
    ranked = rankings["agent_tuning"]
    scores["retrieval"] = {
        name: scoring.retrieval_scores(rows, ranking, tools, settings.seed) for name, ranking in rankings.items()
    }

    predicted = [{"ranks": scoring.relevant_ranks(row, own, tools)} for row, own in zip(rows, ranked, strict=True)]
    answered = [i for i, row in enumerate(rows) if "accept" in row]
    called, texts, timing = [rows[i] for i in answered], [], {}
    if called:
        print("evaluate: calls")
        texts, timing = score_calls(scores, called, final, loaded["agent_tuning"], tools, settings)
        for i, text in zip(answered, texts, strict=True):
            predicted[i] = {"calls": text} | predicted[i]
    with records.written_whole(WORST) as file:
        file.write(worst.table(called, texts, [answers.of_text(text, tools) for text in texts], tools))
    write_plots(called, scores, texts, tools)
    walked = [i for i, row in enumerate(rows) if "steps" in row]
    if walked and checkpoints.takes_steps(final.tokenizer):
        print("evaluate: trajectories")
        for i, own in score_trajectories(scores, rows, walked, loaded["agent_tuning"], settings).items():
            predicted[i] = {"turns": own} | predicted[i]

    records.write_json(METRICS, scores)
    write_predictions(rows, predicted)
    records.write_json(TIMING, timing | {"seconds": round(time.monotonic() - started, 1)})
    for name, score in scores.get("calls", {}).items():
        print(f"evaluate: {name} exact match {score['exact_match']['value']} of {score['exact_match']['n']} rows")
    for name, score in scores.get("trajectories", {}).items():
        print(f"evaluate: {name} next tool right {score['next_tool_accuracy']['value']} "
              f"of {score['next_tool_accuracy']['n']} turns")  # fmt: skip
    if not called:
        for name, score in scores["retrieval"]["agent_tuning"].items():
            print(f"evaluate: {name} NDCG@5 {score['ndcg_at_5']['value']} of {score['ndcg_at_5']['n']} rows")


def tools_ranked(
    rows: list[dict], loaded: dict[str, checkpoints.Checkpoint], training: list[dict], tools: catalog.Catalog,
    settings: params.Evaluate,
) -> dict[str, list[list[str]]]:  # fmt: skip
    """The names of tools for each row, best first: by the models, by each peer, and by the final model and the
    classifier together, weighed by the validation rows."""
    queries = [turns.asked(row) for row in rows]
    names = [tool.name for tool in tools.tools]

    def named(order: np.ndarray) -> list[list[str]]:
        return [[names[column] for column in row] for row in order.tolist()]

    scores = {
        stage: retrieval.scores(loaded[stage], queries, settings.batch_size).numpy()
        for stage in ("retrieval_training", "agent_tuning")
    }
    found = {stage: named(fusion.best_first(own)) for stage, own in scores.items()}
    found |= peers.rankings(queries, training, tools, settings.embedding_model)
    margins = peers.margins(queries, training, tools, settings.seed)
    if margins is not None:
        found["tfidf_classifier"] = named(fusion.best_first(margins))
        known = [i for i, row in enumerate(rows) if row["slice"] == "validation"]
        wanted = [{names.index(name) for name in scoring.relevant_tools(rows[i], tools)} for i in known]
        if any(wanted):
            weight = fusion.weight(scores["agent_tuning"][known], margins[known], wanted)
            found["fused"] = named(fusion.order(scores["agent_tuning"], margins, weight))
    return found


def score_calls(
    scores: dict, rows: list[dict], final: Decoder, checkpoint: checkpoints.Checkpoint, tools: catalog.Catalog,
    settings: params.Evaluate,
) -> tuple[list[str], dict]:  # fmt: skip
    """Add the scores of calls, the model's and the peers'; what the final model wrote to each row, and what it took."""
    queries = [turns.asked(row) for row in rows]
    decoded = time.monotonic()
    texts = final.texts(queries, settings.batch_size)
    decoded = time.monotonic() - decoded
    given = [answers.of_text(text, tools) for text in texts]
    scores["calls"] = scoring.by_slice(rows, given, tools, settings.seed)
    scores["calls_by_property"] = scoring.by_property(rows, given, tools, settings.seed)
    threshold = no_call_threshold(final, rows, settings.batch_size)
    scores["no_call_threshold"] = round(threshold, 4)
    cautious = Decoder(checkpoint, threshold).texts(queries, settings.batch_size)
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
        scores["calls_prompt_method"] = prompt_method_scores(rows, checkpoint, tools, settings.seed)
    print("evaluate: efficiency")
    return texts, {
        **costs(final, checkpoint, rows, tools),
        "ms_per_query_batched": round(1000 * decoded / len(rows), 2),
    }


def score_trajectories(
    scores: dict, rows: list[dict], walked: list[int], checkpoint: checkpoints.Checkpoint, settings: params.Evaluate
) -> dict[int, list[dict]]:
    """Add the scores of the rows that `walked` numbers; by number, the turns that were taken."""
    found = steps.taken(TurnDecoder(checkpoint), [rows[i] for i in walked], settings.batch_size)
    taken = dict(zip(walked, found, strict=True))
    scores["trajectories"] = {
        name: steps.scores([rows[i] for i in own], [taken[i] for i in own], settings.seed)
        for name, indices in scoring.slices(rows).items()
        if (own := [i for i in indices if i in taken])
    }
    return {i: steps.written(own) for i, own in taken.items()}


def known_rows(tools: catalog.Catalog) -> list[dict]:
    """The evaluation rows; raises BadRecord where a right call is not one that the catalog's tools can make."""
    rows = list(records.read_jsonl(ROWS))
    for number, row in enumerate(rows, 1):
        for call in (call for calls in (*row.get("accept", ()), row.get("steps", ())) for call in calls):
            try:
                checks.check_call(call, tools)
            except checks.Rejected as fault:
                raise records.BadRecord(f"{ROWS}:{number}: {fault}") from None
    if not rows:
        raise records.BadRecord(f"{ROWS}: no evaluation rows")
    return rows


def memorization_scores(decoder: Decoder, rows: list[dict], settings: params.Evaluate) -> dict:
    """How often a tool's description is answered with its token, and the macro F1 of these answers."""
    named = decoder.described([row["description"] for row in rows], settings.batch_size)
    pairs = [(row["token"], f"<<{name}>>") for row, name in zip(rows, named, strict=True)]
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
    scores = decoder.no_call_scores([turns.asked(row) for row in known], batch_size)
    return calibration.no_call_threshold(scores, [[] in row["accept"] for row in known])


def prompt_method_scores(rows: list[dict], final: checkpoints.Checkpoint, tools: catalog.Catalog, seed: int) -> dict:
    """The spoken rows, or all without any, asked of the pretrained base model with the catalog in the prompt."""
    spoken = [row for row in rows if row["slice"] in scoring.SPOKEN] or rows
    model, tokenizer = checkpoints.base(final.info.base_model, final.info.revision, final.info.quantization)
    written = prompting.answers(model, tokenizer, [row["query"] for row in spoken], tools)
    given = [answers.of_calls(calls, tools) for calls in written]
    return scoring.by_slice(spoken, given, tools, seed, brief=True)


def costs(decoder: Decoder, final: checkpoints.Checkpoint, rows: list[dict], tools: catalog.Catalog) -> dict:
    """What an answer costs, what it would with the catalog in the prompt, and how many times more that is; only the
    first where the catalog is too long to be read."""
    spoken = [row for row in rows if row["slice"] in scoring.SPOKEN] or rows
    asked = [row for row in spoken if row["accept"][0]][:TIMED_PROMPTS]
    own = efficiency.of_decoder(decoder, [turns.asked(row) for row in spoken[:TIMED]])
    if not asked or len(prompting.instruction(tools)) > LONGEST_CATALOG:
        return own
    theirs = efficiency.of_prompt_method(final, asked, tools)
    return own | {"prompt_method": theirs, "prompt_method_takes_times": efficiency.times(theirs, own)}


def write_predictions(rows: list[dict], predicted: list[dict]) -> None:
    """One file a slice: what was asked, what was answered, and at which ranks the wanted tools were retrieved."""
    for name, indices in scoring.slices(rows).items():
        if name != "spoken":
            records.write_jsonl(f"{PREDICTIONS}/{name}.jsonl", (
                {"query": rows[i]["query"], "kind": rows[i]["kind"]} | predicted[i] for i in indices
            ))  # fmt: skip


def write_plots(rows: list[dict], scores: dict, texts: list[str], tools: catalog.Catalog) -> None:
    """Exact match by kind over the slice to go by, and which tool was taken for which in requests for one tool."""
    with records.written_whole(f"{PLOTS}/by_kind.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("kind", "exact_match"))
        for kind, score in scoring.headline(scores.get("calls", {})).get("exact_match_by_kind", {}).items():
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
