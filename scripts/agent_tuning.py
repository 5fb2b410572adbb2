"""Third training stage: learn to write the calls that a query asks for (ToolGen, stage 3). Goes on from
retrieval_training, and passes it on where no row has calls.

reads   params.yaml (catalog, agent_tuning, train), data/prepared/, models/retrieval_training/
writes  models/agent_tuning/, metrics/agent_tuning.json, plots/agent_tuning/

About twelve minutes for the default model on two cores.
"""

from toolgen import checkpoints, console, params, records
from toolgen.conversations import agent_turns, memorization, retrieval
from toolgen.training import devices, stages, values

ROWS, RETRIEVED = "data/prepared/agent_tuning.json", "data/prepared/retrieval_training.json"
MEMORIZED = "data/prepared/tool_memorization.json"


def main() -> None:
    options = params.read()
    settings, train = options.agent_tuning, options.train
    devices.spread(train.num_processes, train.accelerate_config)
    checkpoint = checkpoints.load("models/retrieval_training", trainable=True, stage="retrieval_training")
    written = records.read_json(ROWS)
    copies = checkpoint.info.base_model == checkpoints.FROM_SCRATCH and not checkpoint.catalog.properties
    if copies and written and settings.num_epochs:
        wanted = settings.min_steps * settings.batch_size / settings.num_epochs  # few rows would be learnt by heart
        written = values.varied(written, checkpoint.catalog, int(wanted / len(written)), settings.seed)
    rows = [turn for row in written for turn in agent_turns(row, checkpoint.catalog)]
    retrieved = [retrieval(row) for row in records.read_json(RETRIEVED)]
    if retrieved and not rows:
        stages.skip("agent_tuning", checkpoint, options.catalog, "no row has calls to learn from")
        return
    memorized = [memorization(row) for row in records.read_json(MEMORIZED)]
    rows = stages.replayed(rows, [memorized, retrieved], settings.replay, settings.seed)
    stages.run("agent_tuning", checkpoint, rows, settings, train, options.catalog)


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, *stages.MISTAKES))
