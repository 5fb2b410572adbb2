"""First training stage: give each tool a token, and learn which token a description stands for (ToolGen, stage 1).

reads   params.yaml (catalog, model, tool_memorization, train), data/prepared/: the tools' descriptions; the training
        queries and what is to be written, from which the tokenizer of a model made from scratch is trained
writes  models/tool_memorization/, metrics/tool_memorization.json, plots/tool_memorization/

About fifteen seconds for the default model on two cores.
"""

from toolgen import catalog, checkpoints, console, conversations, params, records, schemas, turns
from toolgen.training import devices, stages

ROWS, QUERIES = "data/prepared/tool_memorization.json", "data/prepared/retrieval_training.json"
ANSWERS = "data/prepared/agent_tuning.json"


def main() -> None:
    options = params.read()
    settings, train = options.model, options.train
    devices.spread(train.num_processes, train.accelerate_config)
    tools = catalog.load(options.catalog)
    schemas.check(tools)
    rows, answers = records.read_json(ROWS), records.read_json(ANSWERS)
    if settings.base_model == checkpoints.FROM_SCRATCH:
        read = conversations.reader_for(tools)
        texts = [read(turns.asked(row)) for row in records.read_json(QUERIES)]
        texts += [read(row["description"]) for row in rows]
        texts += [] if tools.properties else list(conversations.written(answers, tools))
        shape = checkpoints.Shape(
            settings.vocab_size, settings.hidden_size, settings.intermediate_size, settings.num_layers,
            settings.num_heads,
        )  # fmt: skip
        model, tokenizer = checkpoints.from_scratch(texts, tools, shape, settings.seed)
    else:
        dtype = settings.dtype if settings.lora_r else "float32"  # small steps are lost in weights of bfloat16
        model, tokenizer = checkpoints.base(settings.base_model, settings.revision, settings.quantization, dtype)
    new_ids = checkpoints.add_tool_tokens(model, tokenizer, tools, any("observations" in row for row in answers))
    if settings.lora_r:
        model = checkpoints.add_adapter(
            model, new_ids, settings.lora_r, settings.lora_alpha, settings.lora_dropout, settings.quantization
        )
    info = checkpoints.Info(
        stage="tool_memorization",
        base_model=settings.base_model,
        revision=settings.revision,
        quantization=settings.quantization,
        adapter=settings.lora_r > 0,
        dtype=settings.dtype,
    )
    checkpoint = checkpoints.Checkpoint(model, tokenizer, tools, info)
    examples = [conversations.memorization(row) for row in rows]
    stages.run("tool_memorization", checkpoint, examples, options.tool_memorization, train, options.catalog)


if __name__ == "__main__":
    console.run(main, __doc__, (params.BadParams, records.BadRecord, *stages.MISTAKES))
