"""A project folder with nothing but what the training scripts read: a few rows of each file, made by hand."""

from pathlib import Path

from conftest import ROOT, make_project, tiny_params, write_params

from toolgen import catalog, records

TRAINED = ("tool_memorization", "retrieval_training", "agent_tuning")


def lay_out(folder: Path, change=lambda params: None) -> Path:
    """`change` mends the parameters before they are written."""
    make_project(folder)
    params = tiny_params()
    change(params)
    write_params(folder, params)
    tools = catalog.load(ROOT / "data/catalog.json").tools
    records.write_json(folder / "data/prepared/tool_memorization.json", [
        {"description": tool.description, "token": tool.token} for tool in tools
    ])  # fmt: skip
    records.write_json(folder / "data/prepared/retrieval_training.json", [
        {"query": f"please {tool.description}", "relevant_tool_tokens": [tool.token]} for tool in tools[:16]
    ])  # fmt: skip
    asked = [(side, value) for side in (1, 4) for value in range(18, 26)]
    records.write_json(folder / "data/prepared/agent_tuning.json", [
        {
            "query": f"set {'my' if side == 1 else 'their'} side to {value}",
            "plan_sequence": [{"thought": "", "action": "<<HVAC_TEMPERATURE_SET&&set>>",
                               "action_input": {"areaId": side, "value": value}}],
            "final_answer": "",
        }
        for side, value in asked
    ])  # fmt: skip
    return folder
