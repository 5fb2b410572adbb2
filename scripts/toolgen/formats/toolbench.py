"""ToolBench and StableToolBench: tools, the relevant tools of queries, and the trajectories of answer trees.

A file, or a folder in which lie, however deep:
    instruction files   [{"query", "api_list": [{"tool_name", "api_name", ...}], "relevant APIs": [[tool, api]]}]
    answer trees        {"answer_generation", "tree"}, see trees.py; the way that leads to the answer is taken
    tool documents      {"tool_name", "api_list": [{"name", "description", ...}]}, as in toolenv/tools
What lies in test_instruction, or in StableToolBench's solvable queries, is for evaluation. A tool is called
"tool_name&&api_name". A tree whose query is in no instruction file gives a trajectory alone, and a function that no
api_list describes goes by the names that the tree has for it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import records
from . import trees
from .imported import Imported, merged
from .reading import bad, document, items

TYPES = {"STRING": "string", "NUMBER": "number", "INTEGER": "integer", "BOOLEAN": "boolean", "ARRAY": "array",
         "OBJECT": "object"}  # fmt: skip # all others (ENUM, DATE, FILE, ...) are given as text
NAMES = {name: said for said, name in TYPES.items()}
PYTHON = {"string": str, "number": int | float, "integer": int, "boolean": bool, "array": list, "object": dict}
NO_TOOLS = "response_examples"  # a folder of ToolBench's with JSON of any form


class _Found:
    """What has been read so far: tools by name and definition, with their places, rows of queries, trees, counts."""

    def __init__(self) -> None:
        self.tools: dict[tuple[str, str], tuple[str, dict]] = {}
        self.rows: list[tuple[str, dict, bool]] = []
        self.trees: list[trees.Tree] = []
        self.left_out: Counter = Counter()

    def add(self, tool: dict, place: str) -> str:
        self.tools.setdefault((tool["name"], records.dumps(tool)), (place, tool))
        return tool["name"]


def read(source: Path) -> Imported:
    """Raises BadRecord with file and item."""
    found = _Found()
    for path in _files(source):
        _read_file(path, found, alone=path == source)
    names = trees.function_names(name for name, _ in found.tools)
    known = {row["query"].strip(): trees.function_names(row["names"]) for _, row, _ in found.rows}
    called = [_called(tree, names | known.get(tree.query, {}), found) for tree in found.trees]
    if not found.tools:
        raise bad(str(source), "instruction files, answer trees or tool documents, *.json", [])
    notes: list[str] = []
    functions = sorted(merged(found.tools.values(), notes), key=lambda tool: tool["name"])
    examples = _queries(found, {tool["name"] for tool in functions})
    schemas = {tool["name"]: tool["parameters"]["properties"] for tool in functions}
    for tree, tools in zip(found.trees, called, strict=True):
        _add_trajectory(tree, tools, schemas, examples, found.left_out)
    notes += [f"{count:,} {what} left out" for what, count in found.left_out.items()]
    in_order = sorted(examples.values(), key=lambda one: ("relevant_tools" not in one, one.get("split") == "eval"))
    return Imported(functions, in_order, notes)


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        return iter((source,))
    return (path for path in sorted(source.rglob("*.json")) if NO_TOOLS not in path.relative_to(source).parts)


def _read_file(path: Path, found: _Found, alone: bool) -> None:
    content = document(path)
    if isinstance(content, dict) and "answer_generation" in content:
        found.trees.append(trees.read(content, str(path)))
    elif isinstance(content, dict) and isinstance(content.get("api_list"), list):
        tool = content.get("tool_name") or content.get("name")
        for place, api in items(content["api_list"], f"{path}: api_list"):
            found.add(_tool(tool, api, place, found.left_out), place)
    elif isinstance(content, list) and all(isinstance(row, dict) and "api_list" in row for row in content[:1]):
        held_out = any(part == "test_instruction" or "solvable" in part for part in path.parts)
        for place, row in items(content, str(path)):
            _read_row(row, place, held_out, found)
    elif alone:
        raise bad(str(path), "queries with an api_list, an answer tree, or a tool with an api_list", content)
    else:
        found.left_out["files of another form"] += 1


def _read_row(row: dict, place: str, held_out: bool, found: _Found) -> None:
    if not isinstance(row.get("query"), str) or not row["query"].strip():
        raise bad(place, "a query, a text that is not empty", row.get("query"))
    if "relevant APIs" not in row:
        found.left_out["queries without relevant APIs"] += 1
        return
    names = [
        found.add(_tool(api.get("tool_name"), api, at, found.left_out), at)
        for at, api in items(row.get("api_list"), f"{place}: api_list")
    ]
    found.rows.append((place, {"query": row["query"], "relevant": row["relevant APIs"], "names": names}, held_out))


def _tool(tool: Any, record: dict, place: str, left_out: Counter) -> dict:
    """A tool's definition out of one API, which names itself differently in instruction files and tool documents."""
    api = record.get("api_name", record.get("name"))
    description = record.get("api_description", record.get("description"))
    for name in (tool, api):
        if not isinstance(name, str) or not name.strip():
            raise bad(place, "an API with the name of its tool and its own", [tool, api])
    if not isinstance(description, str | None):
        raise bad(place, "a description, a text", description)
    properties, required = {}, []
    for kind in ("required_parameters", "optional_parameters"):
        for at, parameter in items(record.get(kind) or [], f"{place}: {kind}"):
            name = parameter.get("name")
            if not isinstance(name, str):
                raise bad(at, "a parameter's name, a text", name)
            if name not in properties:
                properties[name] = _property(parameter, left_out)
                required += [name] if kind == "required_parameters" else []
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"name": f"{tool}&&{api}", "description": (description or "").strip(), "parameters": parameters}


def _property(parameter: dict, left_out: Counter) -> dict:
    """The JSON Schema of a parameter; a default is written as text whatever its type, and often of another type."""
    kind = TYPES.get(str(parameter.get("type")).upper(), "string")
    said, default = parameter.get("description"), parameter.get("default", parameter.get("example_value"))
    value = default
    if isinstance(default, str) and kind != "string":
        try:
            value = json.loads(default.lower() if kind == "boolean" else default, parse_constant=records.finite)
        except ValueError:
            value = None
    fits = isinstance(value, PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits and default not in (None, ""):
        left_out["defaults of another type than their parameter's"] += 1
    described = {"description": said.strip()} if isinstance(said, str) and said.strip() else {}
    return {"type": kind, **described, **({"default": value} if fits and value != "" else {})}


def _called(tree: trees.Tree, names: dict[str, str], found: _Found) -> dict[str, str]:
    """Function of a tree -> the tool that it is; one that is not known yet is added."""
    called = {}
    for function in tree.functions:
        name = names.get(function["name"])
        called[function["name"]] = name or found.add(_tool_of(function, tree.place, found.left_out), tree.place)
    return called


def _tool_of(function: dict, place: str, left_out: Counter) -> dict:
    """The tool of a function that no api_list describes, from what the tree says of it."""
    tool, _, api = trees.own_name(function, place).partition("&&")
    schema = function.get("parameters")
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise bad(place, f"parameters of {function['name']}, the JSON Schema of an object", schema)
    required = schema.get("required") or []
    listed = {"name": api, "description": trees.own_description(function)}
    listed |= {"required_parameters": [], "optional_parameters": []}
    for name, inner in schema["properties"].items():
        if not isinstance(inner, dict):
            raise bad(place, f"a JSON Schema of {name} of {function['name']}", inner)
        listed["required_parameters" if name in required else "optional_parameters"].append(inner | {"name": name})
    return _tool(tool, listed, place, left_out)


def _queries(found: _Found, tools: set[str]) -> dict[str, dict]:
    """Query -> example with its relevant tools."""
    examples: dict[str, dict] = {}
    for place, row, held_out in found.rows:
        query, relevant = row["query"].strip(), []
        if not isinstance(row["relevant"], list) or not row["relevant"]:
            raise bad(place, "relevant APIs, a list that is not empty", row["relevant"])
        for pair in row["relevant"]:
            if not isinstance(pair, list) or len(pair) != 2 or f"{pair[0]}&&{pair[1]}" not in tools:
                raise bad(place, "a relevant API, [tool_name, api_name], that some api_list has", pair)
            relevant.append(f"{pair[0]}&&{pair[1]}")
        if query in examples:
            found.left_out["repeated queries"] += 1
            relevant, held_out = examples[query]["relevant_tools"], held_out or "split" in examples[query]
        split = {"split": "eval"} if held_out else {}
        examples[query] = {"query": query, **split, "relevant_tools": list(dict.fromkeys(relevant))}
    return examples


def _add_trajectory(
    tree: trees.Tree, tools: dict[str, str], schemas: dict[str, dict], examples: dict[str, dict], left_out: Counter
) -> None:
    if tree.final_answer is None:
        left_out["trees without an answer"] += 1
        return
    steps = []
    for step in tree.steps:
        name, given = tools.get(step["function"]), trees.arguments(step["input"])
        if name is None or given is None:
            left_out["steps that call no function of their tree, or with no object of arguments,"] += 1
            continue
        arguments = _renamed(given, schemas[name])
        steps.append({
            "thought": step["thought"], "name": name, "arguments": arguments, "observation": step["observation"]
        })  # fmt: skip
    if not steps:
        left_out["answers without a call"] += 1
        return
    example = examples.setdefault(tree.query, {"query": tree.query})
    if "steps" in example:
        left_out["further answers to a query"] += 1
    else:
        example |= {"steps": steps, "final_answer": tree.final_answer}


def _renamed(arguments: dict, properties: dict) -> dict:
    """Arguments under the names that the tool's parameters have outside of trees."""
    names = {trees.parameter_name(name): name for name in reversed(properties)}
    own = {name: name if name in properties else names.get(name, name) for name in arguments}
    return {name if own[name] in arguments else own[name]: value for name, value in arguments.items()}


def write(imported: Imported, folder: Path) -> list[str]:
    """Write ToolBench's layout: toolenv/tools, instruction, test_instruction and answer.

    Returns notes on what the form cannot hold. Raises BadRecord for a tool that is not called tool&&api.
    """
    for old in (*folder.glob("toolenv/tools/Other/*.json"), *folder.glob("answer/*.json")):
        old.unlink()
    lost: Counter = Counter()
    apis = {tool["name"]: _api(tool, lost) for tool in imported.functions}
    by_tool: dict[str, list[dict]] = {}
    for tool, api in apis.values():
        by_tool.setdefault(tool, []).append(api)
    for number, (tool, listed) in enumerate(by_tool.items()):
        records.write_json(folder / f"toolenv/tools/Other/{number:05}.json", {"tool_name": tool, "api_list": listed})
    names = trees.function_names(apis)
    rows: dict[str, list[dict]] = {"instruction": [], "test_instruction": []}
    for number, example in enumerate(imported.examples):
        steps, relevant, split = example.get("steps", []), example.get("relevant_tools", []), example.get("split")
        if "history" in example or split not in (None, "eval") or not relevant and (not steps or split):
            lost["examples without relevant tools or steps, with history, or of another split than eval, left out"] += 1
            continue
        used = list(dict.fromkeys([*relevant, *(step["name"] for step in steps)]))
        if relevant:
            rows["test_instruction" if split else "instruction"].append({
                "api_list": [_listed(*apis[name]) for name in used],
                "query": example["query"],
                "relevant APIs": [[apis[name][0], apis[name][1]["name"]] for name in relevant],
                "query_id": number,
            })  # fmt: skip
        if "steps" in example:
            known = names | trees.function_names(used) if relevant else names  # as `read` finds them
            records.write_json(folder / f"answer/{number:06}.json", _tree(example, used, known))
    for kind, listed in rows.items():
        records.write_json(folder / kind / "queries.json", listed)
    return [f"{count:,} {what}" for what, count in lost.items()]


def _tree(example: dict, used: list[str], names: dict[str, str]) -> dict:
    called = {name: function for function, name in names.items()}
    functions = [{"name": called[name], "parameters": {"type": "object", "properties": {}}} for name in used]
    steps = [
        {**step, "function": called[step["name"]], "input": records.dumps(step["arguments"])}
        for step in example["steps"]
    ]
    return trees.document(example["query"], functions, steps, example["final_answer"])


def _api(tool: dict, lost: Counter) -> tuple[str, dict]:
    """A tool's name and its API as a tool document has it."""
    name, _, api = tool["name"].partition("&&")
    if not name.strip() or not api.strip():
        raise bad("toolbench", "a tool called tool&&api", tool["name"])
    schema = tool["parameters"]
    listed: dict[str, list[dict]] = {"required_parameters": [], "optional_parameters": []}
    for parameter, inner in schema.get("properties", {}).items():
        kind = inner.get("type") if isinstance(inner, dict) and isinstance(inner.get("type"), str) else None
        if kind not in NAMES or set(inner) - {"type", "description", "default"}:
            lost["parameters cut down to type, description and default"] += 1
        said = {key: inner[key] for key in ("description", "default") if isinstance(inner, dict) and key in inner}
        required = parameter in schema.get("required", [])
        listed["required_parameters" if required else "optional_parameters"].append(
            {"name": parameter, "type": NAMES.get(kind, "STRING"), **said}
        )
    return name, {"name": api, "description": tool["description"], **listed}


def _listed(tool: str, api: dict) -> dict:
    """An API as an instruction file lists it."""
    listed = {"category_name": "Other", "tool_name": tool, "api_name": api["name"]}
    listed["api_description"] = api["description"]
    return listed | {kind: api[kind] for kind in ("required_parameters", "optional_parameters")}
