"""Second training stage: learn which tools a query needs (ToolGen, stage 2). Goes on from tool_memorization.

Where no row has calls it is the last stage that has something to learn, and goes on for num_epochs_alone.

reads   params.yaml (catalog, retrieval_training, train), data/prepared/, models/tool_memorization/
writes  models/retrieval_training/, metrics/retrieval_training.json, plots/retrieval_training/

A minute or two for the default model on two cores.
"""

from toolgen import checkpoints, console, params, records
from toolgen.conversations import memorization, retrieval
from toolgen.training import devices, stages

AGENT = "data/prepared/agent_tuning.json"
ROWS, MEMORIZED = "data/prepared/retrieval_training.json", "data/prepared/tool_memorization.json"


def main() -> None:
    options = params.read()
    settings, train = options.retrieval_training, options.train
    devices.spread(train.num_processes, train.accelerate_config)
    checkpoint = checkpoints.load("models/tool_memorization", trainable=True, stage="tool_memorization")
    rows = [retrieval(row) for row in records.read_json(ROWS)]
    if not rows:
        stages.skip("retrieval_training", checkpoint, options.catalog, "there are no training queries")
        return
    if settings.num_epochs and not records.read_json(AGENT):
        settings = settings.model_copy(update={"num_epochs": settings.num_epochs_alone})
    earlier = [memorization(row) for row in records.read_json(MEMORIZED)]
    rows = stages.replayed(rows, [earlier], settings.replay, settings.seed)
    stages.run("retrieval_training", checkpoint, rows, settings, train, options.catalog)


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, *stages.MISTAKES))
