"""Add tools to the trained model without training it anew: only the rows of their tokens are trained.

reads   params.yaml (add_tools, train), models/agent_tuning/, data/prepared/
        data/added/catalog.json    the tools to add, in the form of data/catalog.json; no name may be taken
        data/added/examples.jsonl  {"query", "answers": [{"name", "arguments"}]}; a fifth, by hash, is held out
writes  models/add_tools/, metrics/add_tools.json, plots/add_tools/

New rows start as in tool_memorization. They are trained on the tools' descriptions, on the examples, and on rows of the
earlier stages, which keep them from answering what they were not asked. metrics/add_tools.json holds what evaluation
rows of the old tools and the held-out examples score: before (the model as it was), initialised (its tokens added) and
after. What an adapter has learned is merged first. Under half a minute for the default model on two cores.
"""

import random
from collections.abc import Callable

from toolgen import catalog, checkpoints, checks, console, params, records, schemas, splits
from toolgen.catalog import Catalog
from toolgen.checkpoints import Checkpoint
from toolgen.conversations import RETRIEVE, Conversation, agent, memorization, retrieval
from toolgen.decoding import Decoder
from toolgen.evaluation import answers, scoring, uncertainty
from toolgen.training import adding, devices, gates, stages

ADDED, EXAMPLES = "data/added/catalog.json", "data/added/examples.jsonl"
AGENT, RETRIEVED = "data/prepared/agent_tuning.json", "data/prepared/retrieval_training.json"
MEMORIZED, EVALUATION = "data/prepared/tool_memorization.json", "data/prepared/evaluation.jsonl"
BEFORE, BEFORE_CATALOG = "models/agent_tuning", "models/agent_tuning/catalog.json"
HELD_OUT, OLD_ROWS, BATCH_SIZE = 0.2, 500, 128


def main() -> None:
    options = params.read()
    settings, train = options.add_tools, options.train
    devices.spread(train.num_processes, None)
    if settings.num_epochs == 0:
        checkpoint = checkpoints.load(BEFORE, stage="agent_tuning")
        stages.skip("add_tools", checkpoint, BEFORE_CATALOG, "add_tools.num_epochs is 0")
        return
    extended = stages.WORK / "add_tools-catalog/catalog.json"
    records.write_json(extended, catalog.extended(BEFORE_CATALOG, ADDED))
    tools = catalog.load(extended)
    schemas.check(tools)
    given, held_out = examples(tools, settings.seed)
    old = old_rows(settings.seed)

    checkpoint = checkpoints.merged(BEFORE)
    checkpoint.model.float()  # small steps are lost in weights of bfloat16
    earlier = checkpoint.catalog
    found = {"before": {"old_tools": scores(checkpoint, old, settings.seed)}}
    checkpoint, ids = adding.extended(checkpoint, tools)
    adding.train_rows(checkpoint.model, ids)
    others = gates.others(checkpoint, ids)

    def both(checkpoint: Checkpoint) -> dict:
        return {
            "old_tools": scores(checkpoint, old, settings.seed),
            "new_tools": scores(checkpoint, held_out, settings.seed),
        }

    def finish(checkpoint: Checkpoint) -> dict:
        gates.alone(others, checkpoint, ids)
        return {"added_tools": len(ids), **found, "after": both(checkpoint)}

    found["initialised"] = both(checkpoint)
    new = [tool for tool in tools.tools if tool.token not in earlier.by_token]
    rows = [memorization({"description": tool.meaning, "token": tool.token}) for tool in new]
    rows += [row for query, calls in given for row in taught(query, calls, tools)]
    count = round(settings.replay * len(rows))
    rows += replayed(AGENT, lambda row: agent(row, tools), count, settings.seed)
    rows += replayed(RETRIEVED, retrieval, count, settings.seed)
    rows += replayed(MEMORIZED, memorization, len(new), settings.seed)
    stages.run("add_tools", checkpoint, rows, settings, train, str(extended), finish)


def examples(tools: Catalog, seed: int) -> tuple[list[tuple[str, list[dict]]], list[dict]]:
    """(query, calls) to train on, and evaluation rows. Raises BadRecord for an example that does not fit its tools."""
    given, held_out = [], []
    for number, row in records.numbered(EXAMPLES):
        query, calls = row.get("query"), row.get("answers")
        try:
            checks.check_example(query, calls, tools)
        except checks.Rejected as fault:
            raise records.BadRecord(f"{EXAMPLES}:{number}: {fault}") from None
        if splits.is_held_out(seed, query, HELD_OUT):
            held_out.append({"query": query, "accept": [calls]})
        else:
            given.append((query, calls))
    return given, held_out


def old_rows(seed: int) -> list[dict]:
    """OLD_ROWS of the evaluation rows; the spoken ones are left to evaluate."""
    left_out = scoring.SPOKEN + scoring.NOT_NEW
    rows = [row for row in records.read_jsonl(EVALUATION) if "accept" in row and row["slice"] not in left_out]
    return random.Random(seed).sample(rows, min(OLD_ROWS, len(rows)))


def taught(query: str, calls: list[dict], tools: Catalog) -> list[Conversation]:
    """An example as the last two stages see it."""
    named = [tools.tool_of(call) for call in calls]
    steps = [
        {"action": tool.token, "action_input": {k: v for k, v in call["arguments"].items() if k not in tool.bound}}
        for tool, call in zip(named, calls, strict=True)
    ]
    tokens = list(dict.fromkeys(tool.token for tool in named))
    return [
        agent({"query": query, "plan_sequence": steps}, tools),
        retrieval({"query": query, "relevant_tool_tokens": tokens}),
    ]


def replayed(path: str, read: Callable[[dict], Conversation], count: int, seed: int) -> list[Conversation]:
    """`count` rows of an earlier stage."""
    rows = records.read_json(path)
    return [read(row) for row in random.Random(seed).choices(rows, k=count)] if rows else []


def scores(checkpoint: Checkpoint, rows: list[dict], seed: int) -> dict:
    """Of the calls exact match and the share of rows with the right tools; of the rows that want a tool, `retrieved` is
    the share whose best tool behind the retrieval mark is one of those wanted, and exact match is told by tool."""
    decoder, tools = Decoder(checkpoint), checkpoint.catalog
    queries = [row["query"] for row in rows]
    given = [answers.of_calls(calls, tools) for calls in decoder.calls(queries, BATCH_SIZE)]
    found = {measure: scoring.row_scores(measure, rows, given, tools) for measure in scoring.BRIEF}
    wanted = [sorted(scoring.relevant_tools(row, tools)) for row in rows]
    by_tool = scoring.grouped(wanted, found["exact_match"], seed)
    best = decoder.ranked_tools(queries, RETRIEVE, BATCH_SIZE, k=1)
    found["retrieved"] = [float(first in names) for [first], names in zip(best, wanted, strict=True) if names]
    return {name: uncertainty.summary(values, seed) for name, values in found.items()} | {
        "exact_match_by_tool": {name: score["value"] for name, score in by_tool.items()}
    }


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, *stages.MISTAKES))
