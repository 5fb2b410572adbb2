"""Lay the dataset out for training: one file for each stage, in the forms that ToolGen's users know.

reads   params.yaml (catalog, generate.offline.phrases, refine.spoken), data/refined/dataset.jsonl, the catalog, the
        spoken evaluation set, the phrase bank's manners.yaml
writes  data/prepared/tool_memorization.json   [{"description", "token"}]
        data/prepared/retrieval_training.json  [{"query", "relevant_tool_tokens"}]
        data/prepared/agent_tuning.json        [{"query", "plan_sequence", "final_answer"}]
        data/prepared/evaluation.jsonl         {"query", "kind", "accept", "slice"}
        metrics/prepare.json                   how many rows in each

The spoken set stands there twice: as it was written, and with slips, under the slice spoken_noisy. About ten seconds.

Imported rows have more: "history" where there were earlier turns; "observations" beside a plan_sequence of several
steps, one for each. Rows of which only the tools are known have no calls to train on, and "relevant_tools" in place of
"accept"; trajectories have "steps" and "final_answer" there.
"""

import random
from collections import Counter

from toolgen import calltext, catalog, console, dataset, params, records, splits
from toolgen.bank import slips
from toolgen.teachers import noise

DATASET, METRICS = "data/refined/dataset.jsonl", "metrics/prepare.json"
MEMORIZATION = "data/prepared/tool_memorization.json"
RETRIEVAL = "data/prepared/retrieval_training.json"
AGENT = "data/prepared/agent_tuning.json"
EVALUATION = "data/prepared/evaluation.jsonl"


def main() -> None:
    options = params.read()
    tools = catalog.load(options.catalog)
    memorization = [{"description": tool.meaning, "token": tool.token} for tool in tools.tools]
    retrieval, agent, evaluation = [], [], []
    for row in records.read_jsonl(DATASET):
        example = dataset.read(row)
        if row["split"] == "train":
            retrieval.append(asked(example) | {"relevant_tool_tokens": relevant_tokens(example, tools)})
            if dataset.calls_are_known(example):
                agent.append(asked(example) | planned(example, tools))
        else:
            slice_ = "validation" if row["split"] == "validation" else row["slice"]
            evaluation.append(asked(example) | wanted(example, tools) | {"slice": slice_})
    if tools.properties:  # whom the spoken set speaks to
        spoken = spoken_rows(options.refine)
        evaluation += [*spoken, *as_heard(spoken, slips.load(options.generate.offline.phrases))]
    for path, rows in ((MEMORIZATION, memorization), (RETRIEVAL, retrieval), (AGENT, agent)):
        with records.written_whole(path) as file:
            file.write("[\n" + ",\n".join(map(records.dumps, rows)) + "\n]\n")
    records.write_jsonl(EVALUATION, evaluation)
    records.write_json(METRICS, {
        "tool_memorization": len(memorization),
        "retrieval_training": len(retrieval),
        "agent_tuning": len(agent),
        "evaluation": dict(sorted(Counter(row["slice"] for row in evaluation).items())),
    })  # fmt: skip
    print(f"prepare: {len(memorization)} tools, {len(retrieval):,} training and {len(evaluation):,} evaluation rows")


def asked(example: dict) -> dict:
    return {key: example[key] for key in ("query", "history") if key in example}


def relevant_tokens(example: dict, tools: catalog.Catalog) -> list[str]:
    named = example.get("relevant_tools")
    relevant = map(tools.tool_of, example["calls"]) if named is None else (tools.by_name[name] for name in named)
    return list(dict.fromkeys(tool.token for tool in relevant))


def planned(example: dict, tools: catalog.Catalog) -> dict:
    calls, steps = example["calls"], example.get("steps")
    if steps is None:
        return {"plan_sequence": plan(calls, tools), "final_answer": answer(calls)}
    thoughts = [{"thought": step["thought"]} for step in steps]
    return {
        "plan_sequence": [made | thought for made, thought in zip(plan(calls, tools), thoughts, strict=True)],
        "final_answer": example["final_answer"],
        "observations": [step["observation"] for step in steps],
    }


def wanted(example: dict, tools: catalog.Catalog) -> dict:
    """The kind of a request, and what is right for it."""
    if "steps" in example:
        keys = ("steps", "final_answer", "relevant_tools")
        return {"kind": "trajectory", **{key: example[key] for key in keys if key in example}}
    if "relevant_tools" in example:
        return {"kind": "retrieval", "relevant_tools": example["relevant_tools"]}
    return {"kind": kind(example["calls"], tools), "accept": example.get("accept", [example["calls"]])}


def plan(calls: list[dict], tools: catalog.Catalog) -> list[dict]:
    """The calls as ToolGen's steps; what the tool binds is left out of the input."""
    steps = []
    for call in calls:
        tool = tools.tool_of(call)
        arguments = {key: value for key, value in call["arguments"].items() if key not in tool.bound}
        steps.append({"thought": tool.meaning, "action": tool.token, "action_input": arguments})
    return steps


def answer(calls: list[dict]) -> str:
    return "Done." if calls else "There is nothing for me to do."


def kind(calls: list[dict], tools: catalog.Catalog) -> str:
    pieces = len(calltext.segments(calls, tools))
    return "no-call" if pieces == 0 else "parallel" if pieces > 1 else "group" if len(calls) > 1 else "single"


def spoken_rows(settings: params.Refine) -> list[dict]:
    """The spoken set in two halves by hash: of `dev` the misses may be read, of `test` the scores alone.

    A row stays in its half for good: no parameter moves it.
    """
    rows = []
    for row in records.read_jsonl(settings.spoken):
        half = "dev" if splits.is_held_out(0, row["query"], 0.5) else "test"
        rows.append({**row, "slice": f"spoken_{half}"})
    return rows


def as_heard(rows: list[dict], slipped: slips.Slips) -> list[dict]:
    """The same requests with the slips of speech recognition and thumbs, each drawn from the query itself."""
    return [
        {**row, "query": noise.noisy(row["query"], slipped, random.Random(row["query"])), "slice": "spoken_noisy"}
        for row in rows
    ]


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord))
