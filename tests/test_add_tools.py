"""Tools added to a trained model: merged catalogs, rows trained alone, and what a user's mistake is told."""

import pytest
import torch
from conftest import ROOT, contents
from safetensors.torch import load_file
from test_checkpoints import base_folder, prepared  # noqa: F401
from training_project import lay_out

import add_tools
from toolgen import catalog, checkpoints, records
from toolgen.decoding import Decoder
from toolgen.training import adding, gates, stages

NEW = {"name": "waterGarden", "description": "Waters the garden.", "parameters": {
    "type": "object", "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 60}}}}  # fmt: skip
ASKED = [
    {"query": f"water the garden for {n} minutes", "answers": [{"name": "waterGarden", "arguments": {"minutes": n}}]}
    for n in range(5, 15)
]
OLD = [{"query": "set my side to 21", "kind": "single", "slice": "seen_phrasing", "accept": [[
    {"name": "setFloatProperty", "arguments": {"propertyName": "HVAC_TEMPERATURE_SET", "areaId": 1, "value": 21.0}}]]}]
TABLE = "model.embed_tokens.weight"


@pytest.fixture
def project(tmp_path, monkeypatch, small, catalog_path):
    """A project whose agent_tuning model has random weights, after a change into its folder."""
    folder = lay_out(tmp_path / "project")
    checkpoints.save(folder / "models/agent_tuning", checkpoints.of_stage(small, "agent_tuning"), catalog_path)
    records.write_jsonl(folder / "data/prepared/evaluation.jsonl", OLD)
    write(folder, [NEW], ASKED)
    monkeypatch.chdir(folder)
    return folder


def write(folder, functions, examples, properties=()):
    records.write_json(folder / "data/added/catalog.json", {"functions": functions, "properties": list(properties)})
    records.write_jsonl(folder / "data/added/examples.jsonl", examples)


def test_nothing_but_the_new_rows_changes(project):
    add_tools.main()
    before, after = (load_file(project / f"models/{name}/model.safetensors") for name in ("agent_tuning", "add_tools"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before if name != TABLE)
    count = len(before[TABLE])
    assert torch.equal(after[TABLE][:count], before[TABLE]) and len(after[TABLE]) == count + 1
    found = records.read_json("metrics/add_tools.json")
    assert found["added_tools"] == 1
    assert set(found["before"]) == {"old_tools"} and set(found["after"]) == {"old_tools", "new_tools"}
    held_out = found["after"]["new_tools"]["exact_match"]["n"]
    assert 0 < held_out < 10
    assert found["examples"] == 1 + 2 * (10 - held_out) + 2 * (1 + 2 * (10 - held_out)) + 1


def test_the_model_knows_old_tools_and_new(project):
    add_tools.main()
    checkpoint = checkpoints.load("models/add_tools", stage="add_tools")
    gates.whole(checkpoint)
    assert {"waterGarden", "WINDOW_POS&&set"} <= set(checkpoint.catalog.by_name)
    decoder = Decoder(checkpoint, no_call_threshold=1000.0)
    assert all(decoder.calls(["water the garden", "open the window"], 2))
    assert not (project / "models/.work/add_tools-catalog").exists()


def test_no_epochs_pass_the_model_on(project):
    params = (project / "params.yaml").read_text().replace("add_tools:\n  num_epochs: 1", "add_tools:\n  num_epochs: 0")
    (project / "params.yaml").write_text(params)
    add_tools.main()
    assert records.read_json("metrics/add_tools.json") == {"skipped": "add_tools.num_epochs is 0"}
    before, after = (contents(project / "models" / name) for name in ("agent_tuning", "add_tools"))
    assert before["model.safetensors"] == after["model.safetensors"] and before["catalog.json"] == after["catalog.json"]


@pytest.mark.parametrize("lora_r", [0, 4], ids=["full", "lora"])
def test_rows_of_both_tables_are_trained_alone(base_folder, small, tmp_path, catalog_path, lora_r):  # noqa: F811
    """Tied and untied, after all weights or an adapter were trained."""
    checkpoint, _ = prepared(base_folder, small.catalog, lora_r)
    checkpoints.save(tmp_path / "saved", checkpoint, catalog_path)
    checkpoint = checkpoints.merged(tmp_path / "saved")
    checkpoint, ids = adding.extended(checkpoint, catalog.build([NEW], []))
    adding.train_rows(checkpoint.model, ids)
    before = gates.others(checkpoint, ids)
    optimizer = torch.optim.AdamW([w for w in checkpoint.model.parameters() if w.requires_grad], 0.1, weight_decay=0.0)
    checkpoint.model(input_ids=torch.tensor([[*ids, 5, 6]])).logits.square().mean().backward()
    rows = [table.weight[ids].clone() for table in gates._tables(checkpoint)]
    optimizer.step()
    gates.alone(before, checkpoint, ids)
    now = [table.weight[ids] for table in gates._tables(checkpoint)]
    assert not any(map(torch.equal, rows, now))
    with torch.no_grad():
        checkpoint.model.get_input_embeddings().weight[5] += 1e-3
    with pytest.raises(gates.FailedGate, match="changed other weights: .*embed_tokens"):
        gates.alone(before, checkpoint, ids)


def test_the_shipped_tools_fit_the_shipped_catalog(tmp_path):
    document = catalog.extended(ROOT / "data/catalog.json", ROOT / "data/added/catalog.json")
    records.write_json(tmp_path / "catalog.json", document)
    tools = catalog.load(tmp_path / "catalog.json")
    assert len(tools.tools) == 84
    given = list(records.read_jsonl(ROOT / "data/added/examples.jsonl"))
    assert len({row["query"] for row in given}) == len(given) > 100


@pytest.mark.parametrize(
    ("functions", "properties", "complaint"),
    [
        ([NEW | {"name": "setIntProperty"}], [], "data/added/catalog.json: the catalog has setIntProperty already"),
        ([NEW | {"name": "WINDOW_POS&&set"}], [], "the catalog has WINDOW_POS&&set already"),
        ([], [{"name": "DOOR_POS", "type": "Integer", "access": "ReadWrite", "areas": [{"id": 0, "name": "car"}]}],
         "the catalog has DOOR_POS already"),
        ([], [], "no tool that the catalog does not have"),
        ([NEW, NEW], [], "duplicate function waterGarden"),
        (["waterGarden"], [], "each one a function"),
        ([NEW | {"parameters": {"properties": {"a": {"not": {}}}}}], [], "waterGarden: decoding cannot follow"),
    ],
)  # fmt: skip
def test_tools_that_cannot_be_added_are_refused(project, functions, properties, complaint):
    write(project, functions, ASKED, properties)
    with pytest.raises((records.BadRecord, *stages.MISTAKES)) as refusal:
        add_tools.main()
    assert complaint in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (project / "models/add_tools").exists()


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        ({"query": "water the garden"}, "answers are not a list"),
        ({"query": "", "answers": []}, "empty_query"),
        ({"query": "water it", "answers": [{"name": "waterGarden", "arguments": {"minutes": 99}}]}, "bad_schema"),
        ({"query": "mow it", "answers": [{"name": "mow", "arguments": {}}]}, "unknown_function: mow"),
    ],
)
def test_an_example_that_does_not_fit_names_its_line(project, example, complaint):
    write(project, [NEW], [*ASKED[:2], example])
    with pytest.raises(records.BadRecord, match="data/added/examples.jsonl:3: ") as refusal:
        add_tools.main()
    assert complaint in str(refusal.value)
