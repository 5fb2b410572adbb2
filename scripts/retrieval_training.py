"""Second training stage: learn which tools a query needs (ToolGen, stage 2). Goes on from tool_memorization.

reads   params.yaml (catalog, retrieval_training), data/prepared/, models/tool_memorization/
writes  models/retrieval_training/, metrics/retrieval_training.json, plots/retrieval_training/

A minute or two for the default model on two cores.
"""

from toolgen import checkpoints, console, params, records, stages, training
from toolgen.conversations import memorization, retrieval

ROWS, MEMORIZED = "data/prepared/retrieval_training.json", "data/prepared/tool_memorization.json"


def main() -> None:
    options = params.read()
    settings = options.retrieval_training
    checkpoint = checkpoints.load("models/tool_memorization", trainable=True)
    rows = [retrieval(row) for row in records.read_json(ROWS)]
    earlier = [memorization(row) for row in records.read_json(MEMORIZED)]
    rows = stages.replayed(rows, [earlier], settings.replay, settings.seed)
    stages.run("retrieval_training", checkpoint, rows, settings, options.catalog)


if __name__ == "__main__":
    mistakes = (params.BadParams, records.BadRecord, checkpoints.BadCheckpoint, training.BadTraining)
    console.run(main, __doc__, mistakes)
