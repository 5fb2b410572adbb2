"""Third training stage: learn to write the calls that a query asks for (ToolGen, stage 3). Goes on from
retrieval_training.

reads   params.yaml (catalog, agent_tuning), data/prepared/, models/retrieval_training/
writes  models/agent_tuning/, metrics/agent_tuning.json, plots/agent_tuning/

About twelve minutes for the default model on two cores.
"""

from toolgen import checkpoints, console, params, records, stages, training
from toolgen.conversations import agent, memorization, retrieval

ROWS, RETRIEVED = "data/prepared/agent_tuning.json", "data/prepared/retrieval_training.json"
MEMORIZED = "data/prepared/tool_memorization.json"


def main() -> None:
    options = params.read()
    settings = options.agent_tuning
    checkpoint = checkpoints.load("models/retrieval_training", trainable=True)
    rows = [agent(row, checkpoint.catalog) for row in records.read_json(ROWS)]
    earlier = [
        [memorization(row) for row in records.read_json(MEMORIZED)],
        [retrieval(row) for row in records.read_json(RETRIEVED)],
    ]
    rows = stages.replayed(rows, earlier, settings.replay, settings.seed)
    stages.run("agent_tuning", checkpoint, rows, settings, options.catalog)


if __name__ == "__main__":
    mistakes = (params.BadParams, records.BadRecord, checkpoints.BadCheckpoint, training.BadTraining)
    console.run(main, __doc__, mistakes)
