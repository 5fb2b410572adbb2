"""ToolGen's training files: what each tool is, what each query needs, and how it is answered.

A file, or a folder of them; each is a JSON list of rows in one of these forms:
    {"description", "token"}                             tool_memorization.json
    {"query", "relevant_tool_tokens"}                    retrieval_training.json
    {"query", "plan_sequence", "final_answer"}           agent_tuning.json; the plan's items are {"thought", "action",
                                                         "action_input"}, with "observation" where one is known
    {"conversations": [{"role", "content"}, ...]}        ToolGen's own data; the keys may be "from" and "value"
A conversation of two is about a tool where it begins with "Tool Name:", else about a query; one token is the reply to
both, and a query that needs several tools comes several times. Any other is a trajectory: thought, token, input and
observation in turns, until <<Finish>> gives an answer. A token is <<name>>. The tools' parameters stand in none of the
files: they are those of the inputs seen.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import records
from . import trees
from .imported import Imported, merged
from .reading import bad, document, items

MEMORIZATION, RETRIEVAL, AGENT = "tool_memorization.json", "retrieval_training.json", "agent_tuning.json"
TOKEN = re.compile(r"<<([^<>]+)>>")
ROLES = {"human": "user", "gpt": "assistant"}
ASKED = "Generate the action."  # ToolGen's prompt between thought and token
JSON_TYPE = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


@dataclass
class _Rows:
    """Rows of the three kinds, each with its place."""

    tools: list[tuple[str, str, str]] = field(default_factory=list)  # place, name, description
    needed: list[tuple[str, str, list[str]]] = field(default_factory=list)  # place, query, names
    plans: dict[str, tuple[str, list[dict], str]] = field(default_factory=dict)  # query: place, steps, final answer
    left_out: Counter = field(default_factory=Counter)


def read(source: Path) -> Imported:
    """Raises BadRecord with file and item."""
    paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths:
        raise bad(str(source), "files of ToolGen's, *.json", [])
    rows = _Rows()
    for path in paths:
        for place, row in items(document(path), str(path)):
            _read_row(row, place, path.name, rows)
    notes: list[str] = []
    functions = _tools(rows, notes)
    examples: dict[str, dict] = {}
    for _, query, names in rows.needed:
        example = examples.setdefault(query, {"query": query, "relevant_tools": []})
        example["relevant_tools"] += [name for name in names if name not in example["relevant_tools"]]
    for query, (_, steps, final_answer) in rows.plans.items():
        examples.setdefault(query, {"query": query}).update({"steps": steps, "final_answer": final_answer})
    notes += [f"{count:,} {what} left out" for what, count in rows.left_out.items()]
    return Imported(functions, list(examples.values()), notes)


def _read_row(row: dict, place: str, file_name: str, rows: _Rows) -> None:
    if "conversations" in row:
        _read_conversation(row["conversations"], place, file_name, rows)
    elif {"description", "token"} <= set(row):
        _add_tool(_name(row["token"], place), row["description"], place, rows)
    elif {"query", "relevant_tool_tokens"} <= set(row):
        tokens = row["relevant_tool_tokens"]
        if not isinstance(tokens, list):
            raise bad(place, "relevant_tool_tokens, a list", tokens)
        rows.needed.append((place, _query(row["query"], place), [_name(token, place) for token in tokens]))
    elif {"query", "plan_sequence", "final_answer"} <= set(row):
        if not isinstance(row["final_answer"], str):
            raise bad(place, "final_answer, a text", row["final_answer"])
        steps = [_step(step, at) for at, step in items(row["plan_sequence"], f"{place}: plan_sequence")]
        steps = [step for step in steps if step["name"] != trees.FINISH]
        _add_plan(_query(row["query"], place), steps, row["final_answer"], place, rows)
    else:
        forms = "description and token, query and relevant_tool_tokens, query, plan_sequence and final_answer"
        raise bad(place, f"{forms}, or conversations", list(row))


def _read_conversation(conversation: Any, place: str, file_name: str, rows: _Rows) -> None:
    turns = [_turn(record, at) for at, record in items(conversation, f"{place}: conversations")]
    if [role for role, _ in turns] == ["user", "assistant"]:
        (_, asked), (_, replied) = turns
        names = TOKEN.findall(replied)
        if not names:
            raise bad(place, "a reply of tokens, <<name>>", replied)
        about_tool = asked.startswith("Tool Name:") or "memorization" in file_name and "retrieval" not in file_name
        if about_tool:
            _add_tool(names[0], asked, place, rows)
        else:
            rows.needed.append((place, _query(asked, place), names))
        return
    query = next((text for role, text in turns if role == "user"), None)
    steps, final_answer = _trajectory(turns, rows.left_out)
    if final_answer is None:
        rows.left_out["conversations without an answer"] += 1
    else:
        query = _query(query, place).removesuffix("Begin!").rstrip()
        _add_plan(_query(query, place), steps, final_answer, place, rows)


def _turn(record: dict, place: str) -> tuple[str, str]:
    role, content = record.get("role", record.get("from")), record.get("content", record.get("value"))
    if not isinstance(role, str) or not isinstance(content, str):
        raise bad(place, "role and content, both texts", record)
    return ROLES.get(role, role), content


def _trajectory(turns: list[tuple[str, str]], left_out: Counter) -> tuple[list[dict], str | None]:
    """The steps of a conversation and its answer, None where it has none."""
    steps: list[dict] = []
    thoughts: list[str] = []
    name, observed = None, True
    for role, text in turns:
        token = TOKEN.fullmatch(text.strip())
        if role != "assistant":
            if not observed and text != ASKED:
                steps[-1]["observation"], observed = text, True
        elif token:
            if name is not None:
                left_out["steps of conversations without an input"] += 1
            name = token[1]
        elif name is None:
            thoughts.append(text)
        elif (given := trees.arguments(text)) is not None:
            if name == trees.FINISH:
                answer = given.get("final_answer")
                answered = given.get("return_type", "give_answer") == "give_answer" and isinstance(answer, str)
                return steps, answer if answered else None
            steps.append({"thought": "\n".join(thoughts), "name": name, "arguments": given, "observation": ""})
            thoughts, name, observed = [], None, False
    return steps, None


def _step(step: dict, place: str) -> dict:
    thought, given, observation = step.get("thought", ""), step.get("action_input", {}), step.get("observation", "")
    given = trees.arguments(given) if isinstance(given, str) else given
    if not isinstance(thought, str) or not isinstance(given, dict) or not isinstance(observation, str):
        raise bad(place, "thought, a text, and action_input, an object", step)
    name = _name(step.get("action"), place)
    return {"thought": thought, "name": name, "arguments": given, "observation": observation}


def _add_tool(name: str, description: Any, place: str, rows: _Rows) -> None:
    if not isinstance(description, str | None):
        raise bad(place, "a description, a text", description)
    if name != trees.FINISH:
        rows.tools.append((place, name, description or ""))


def _add_plan(query: str, steps: list[dict], final_answer: str, place: str, rows: _Rows) -> None:
    if query in rows.plans:
        rows.left_out["further trajectories of a query"] += 1
    else:
        rows.plans[query] = (place, steps, final_answer)


def _name(token: Any, place: str) -> str:
    found = TOKEN.fullmatch(token) if isinstance(token, str) else None
    if not found:
        raise bad(place, "a tool's token, <<name>>", token)
    return found[1]


def _query(query: Any, place: str) -> str:
    if not isinstance(query, str) or not query.strip():
        raise bad(place, "a query, a text that is not empty", query)
    return query.strip()


def _tools(rows: _Rows, notes: list[str]) -> list[dict]:
    """The tools that are described; where none is, those whose tokens occur. Raises BadRecord for other tokens."""
    inputs: dict[str, list[dict]] = {}
    used: dict[str, str] = {}
    for place, _, names in rows.needed:
        for name in names:
            used.setdefault(name, place)
    for place, steps, _ in rows.plans.values():
        for step in steps:
            used.setdefault(step["name"], place)
            inputs.setdefault(step["name"], []).append(step["arguments"])
    described = rows.tools or [(place, name, "") for name, place in used.items()]
    if used and not rows.tools:
        notes.append("no file describes the tools: they are those whose tokens occur")
    known = {name for _, name, _ in described}
    for name, place in used.items():
        if name not in known:
            raise bad(place, "the token of a tool that is described", f"<<{name}>>")
    if any(any(given) for given in inputs.values()):
        notes.append("parameters are those of the inputs seen, none of them required")
    tools = (
        (place, {"name": name, "description": description, "parameters": _parameters(inputs.get(name, []))})
        for place, name, description in described
    )
    return merged(tools, notes)


def _parameters(inputs: Iterable[dict]) -> dict:
    """A JSON Schema of inputs: for each argument the types that were seen."""
    seen: dict[str, dict[str, None]] = {}
    for given in inputs:
        for name, value in given.items():
            seen.setdefault(name, {})[JSON_TYPE.get(type(value), "null")] = None
    properties = {}
    for name, types in seen.items():
        kinds = sorted(set(types) - ({"integer"} if "number" in types else set()))
        properties[name] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    return {"type": "object", "properties": properties}


def write(imported: Imported, folder: Path) -> list[str]:
    """Write the three files; returns notes on what they cannot hold."""
    needed, plans, lost = [], [], 0
    for example in imported.examples:
        known = "relevant_tools" in example or "steps" in example
        if not known or "history" in example or example.get("split", "train") != "train":
            lost += 1
            continue
        if "relevant_tools" in example:
            tokens = [f"<<{name}>>" for name in example["relevant_tools"]]
            needed.append({"query": example["query"], "relevant_tool_tokens": tokens})
        if "steps" in example:
            plan, answer = [_planned(step) for step in example["steps"]], example["final_answer"]
            plans.append({"query": example["query"], "plan_sequence": plan, "final_answer": answer})
    tools = [{"description": tool["description"], "token": f"<<{tool['name']}>>"} for tool in imported.functions]
    for name, rows in ((MEMORIZATION, tools), (RETRIEVAL, needed), (AGENT, plans)):
        records.write_json(folder / name, rows)
    notes = ["parameters are in none of the files"] if any(map(_has_parameters, imported.functions)) else []
    if lost:
        notes.append(f"{lost:,} examples without relevant tools or steps, with history, or held out, left out")
    return notes


def _has_parameters(tool: dict) -> bool:
    return bool(tool["parameters"].get("properties"))


def _planned(step: dict) -> dict:
    planned = {"thought": step["thought"], "action": f"<<{step['name']}>>", "action_input": step["arguments"]}
    return planned | ({"observation": step["observation"]} if step["observation"] else {})
