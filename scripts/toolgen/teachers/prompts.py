"""The prompts of `data/prompts/`: read, checked, filled in. What they hold is described in its README."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml

from ..car import accessor
from ..catalog import Catalog, Property, Tool
from ..checks import Rejected, check_example
from ..records import BadRecord, dumps

KINDS = ("single", "parallel", "group", "implicit", "no_call")
SLOTS = {
    "seed.md": {"rules", "tools", "examples", "count", "kind", "voice", "lines", "form"},
    "expand.md": {"rules", "tools", "examples", "count", "kind", "voice", "lines", "form"},
    "judge.md": {"rules", "tools", "items"},
}
FORM = 'Answer with JSON alone: {"queries": [{"query": "...", "answers": [{"name": "...", "arguments": {...}}]}]}'
SHOWN = 12  # accepted queries that a later prompt shows
ARGUMENT_TYPES = ("string", "integer", "number", "boolean", "array", "object")

Target = tuple[str, str]  # a tool and a place of it; for no_call, a reason and nothing


@dataclass(frozen=True)
class Prompts:
    templates: dict[str, Template]
    rules: str
    kinds: dict[str, str]
    no_call: dict[str, str]
    voices: list[str]
    examples: list[dict]
    sha: str


def load(folder: str | Path, catalog: Catalog) -> Prompts:
    """Read the folder. Raises BadRecord, naming the file."""
    folder = Path(folder)
    names = (*SLOTS, "rules.md", "rules_car.md", "kinds.yaml", "examples.yaml")
    try:
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    except OSError as error:
        raise BadRecord(f"{error.filename}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRecord(f"{folder}: a file is not UTF-8") from None
    templates = {name: Template(texts[name]) for name in SLOTS}
    for name, template in templates.items():
        if not template.is_valid() or set(template.get_identifiers()) != SLOTS[name]:
            wanted = ", ".join(f"${slot}" for slot in sorted(SLOTS[name]))
            raise BadRecord(f"{folder / name}: must name {wanted} and no others; write $$ for a dollar")
    kinds = _yaml(folder / "kinds.yaml", texts["kinds.yaml"], dict)
    for part, form in (("kinds", dict), ("no_call", dict), ("voices", list)):
        entries = kinds.get(part)
        values = entries.values() if isinstance(entries, dict) else entries
        if not isinstance(entries, form) or not entries or not all(isinstance(text, str) for text in values):
            raise BadRecord(f"{folder / 'kinds.yaml'}: {part} must be a {form.__name__} of texts")
    if set(kinds["kinds"]) != set(KINDS):
        raise BadRecord(f"{folder / 'kinds.yaml'}: kinds must be {', '.join(KINDS)}")
    rules = texts["rules.md"] + (texts["rules_car.md"] if catalog.properties else "")
    examples = _yaml(folder / "examples.yaml", texts["examples.yaml"], list)
    return Prompts(
        templates, rules.strip(), kinds["kinds"], kinds["no_call"], kinds["voices"],
        [example for example in examples if _fits(example, catalog)],
        hashlib.sha1("\0".join(texts[name] for name in names).encode()).hexdigest(),
    )  # fmt: skip


def asking(prompts: Prompts, catalog: Catalog, kind: str, lines: list[list[Target]], shown: list[str], voice: str,
           rng: random.Random) -> str:  # fmt: skip
    """The prompt for one query of `kind` on each of `lines`. `shown` are accepted queries; none makes it a seed prompt.

    `rng` chooses among the worked examples of a seed prompt.
    """
    if shown:
        examples = shown
    else:
        own = [example for example in prompts.examples if example["kind"] == kind]
        others = [example for example in prompts.examples if example["kind"] != kind]
        chosen = own + rng.sample(others, min(4, len(others)))
        examples = [dumps({"query": example["query"], "answers": example["answers"]}) for example in chosen]
    named = {tool for line in lines for tool, _ in line} if kind != "no_call" else set(catalog.by_name)
    return prompts.templates["expand.md" if shown else "seed.md"].substitute(
        rules=prompts.rules,
        tools=fenced(described(catalog, named)),
        examples=fenced(examples),
        count=len(lines),
        kind=prompts.kinds[kind],
        voice=voice,
        lines="\n".join(f"{i}. {_line(prompts, catalog, kind, line)}" for i, line in enumerate(lines, 1)),
        form=FORM,
    )


def judging(prompts: Prompts, catalog: Catalog, items: list[dict]) -> str:
    """The prompt that asks whether the calls of each item fit its query."""
    named = {tool.name for item in items for call in item["answers"] if (tool := catalog.tool_of(call))}
    if not all(item["answers"] for item in items):
        named = set(catalog.by_name)
    numbered = [dumps({"number": i, "query": item["query"], "calls": item["answers"]})
                for i, item in enumerate(items, 1)]  # fmt: skip
    return prompts.templates["judge.md"].substitute(
        rules=prompts.rules, tools=fenced(described(catalog, named)), items=fenced(numbered)
    )


def fenced(lines: list[str]) -> str:
    """Lines of data between two marks that nothing in them can forge: the marks hold a checksum of the lines."""
    text = "\n".join(" ".join(line.splitlines()) for line in lines)
    mark = hashlib.sha1(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"BEGIN DATA {mark}\n{text}\nEND DATA {mark}"


def described(catalog: Catalog, names: set[str]) -> list[str]:
    """One line of JSON for each property, or ordinary function, that the named tools use."""
    tools = [tool for tool in catalog.tools if tool.name in names]
    properties = {tool.vehicle_property.name: tool.vehicle_property for tool in tools if tool.vehicle_property}
    functions = [tool for tool in tools if tool.vehicle_property is None]
    return [dumps(_property(item)) for item in properties.values()] + [
        dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters}) for tool in functions
    ]


def reply_schema(catalog: Catalog) -> dict:
    """The JSON Schema of a reply: `{"queries": [{"query", "answers": [{"name", "arguments"}]}]}`."""
    arguments: dict[str, set[str]] = {}
    for function in catalog.functions:
        parameters = (function.get("parameters") or {}).get("properties", {})
        for name, schema in parameters.items():
            kind = schema.get("type") if isinstance(schema, dict) else None
            arguments.setdefault(name, set()).add(kind if kind in ARGUMENT_TYPES else "any")
    names = [function["name"] for function in catalog.functions]
    taken = _object({name: _type(kinds) for name, kinds in arguments.items()}, ())
    call = _object({"name": {"type": "string", "enum": names}, "arguments": taken})
    query = _object({"query": {"type": "string"}, "answers": {"type": "array", "items": call}})
    return _object({"queries": {"type": "array", "items": query}})


VERDICT = {"number": {"type": "integer"}, "fits": {"type": "boolean"}, "why": {"type": "string"}}


def verdict_schema() -> dict:
    """The JSON Schema of a judge's answer."""
    return _object({"verdicts": {"type": "array", "items": _object(VERDICT)}})


def _object(properties: dict, required: tuple[str, ...] | None = None) -> dict:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _type(kinds: set[str]) -> dict:
    """One plain type, or any of the simple ones where functions disagree."""
    if len(kinds) == 1 and kinds <= {"string", "integer", "number", "boolean"}:
        return {"type": next(iter(kinds))}
    return {"anyOf": [{"type": kind} for kind in ("boolean", "number", "string")]}


def _property(item: Property) -> dict:
    areas = []
    for area in item.areas:
        schema = item.value_schema(area)
        limits = {key: schema[key] for key in ("minimum", "maximum", "enum") if key in schema}
        areas.append({"areaId": area.id, "place": area.name, **limits})
    functions = {"read": accessor("get", item)} if item.readable else {}
    if item.writable_on_request:
        functions["write"] = accessor("set", item)
    return {
        "propertyName": item.name, "description": item.description, "type": item.type, **functions,
        **({"unit": item.unit} if item.unit else {}),
        **({"values": {str(value): meaning for value, meaning in item.values.items()}} if item.values else {}),
        "areas": areas,
    }  # fmt: skip


def _line(prompts: Prompts, catalog: Catalog, kind: str, line: list[Target]) -> str:
    if kind == "no_call":
        reason = line[0][0]
        return f"{reason}: {prompts.no_call[reason]}"
    return ", and ".join(_wanted(catalog.by_name[name], place) for name, place in line)


def _wanted(tool: Tool, place: str) -> str:
    item = tool.vehicle_property
    if item is None:
        return f"call {tool.name}"
    where = f" at: {place}" if len(item.areas) > 1 else ""
    return f"{'write' if tool.writes else 'read'} {item.name}{where}"


def _fits(example: object, catalog: Catalog) -> bool:
    if not isinstance(example, dict) or set(example) != {"kind", "query", "answers"} or example["kind"] not in KINDS:
        raise BadRecord(f"examples.yaml: each example needs kind, query and answers, not {str(example)[:60]}")
    try:
        check_example(example["query"], example["answers"], catalog)
    except Rejected:
        return False
    return True


def _yaml(path: Path, text: str, form: type) -> dict | list:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadRecord(f"{path}:{mark.line + 1 if mark else 0}: not YAML") from None
    if not isinstance(document, form):
        raise BadRecord(f"{path}: must be a {form.__name__}")
    return document
