"""A tool as people write it down, bare or wrapped, as name, description and a JSON Schema of its arguments."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from .. import catalog, checks, schemas
from ..records import BadRecord
from .reading import bad, loads

JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
TYPES = {  # names that other languages give them; capitals are Gemini's
    **{name: name for name in JSON_TYPES},
    "dict": "object", "list": "array", "tuple": "array", "str": "string", "text": "string", "float": "number",
    "double": "number", "int": "integer", "bool": "boolean", "none": "null",
}  # fmt: skip
OF_NAMES = ("properties", "patternProperties", "$defs", "definitions")  # keywords that hold a schema for each name
OF_ONE = ("items", "additionalProperties", "not", "contains", "if", "then", "else")
OF_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
PLAIN = ("type", "title", "description", "default", "properties", "required", "items", "enum", "const", "anyOf")


def tool(record: dict, place: str, left_out: Counter, notes: list[str], schema: str = "parameters") -> dict:
    """A tool's definition: {"name", "description", "parameters"}, the last a JSON Schema that decoding can follow.

    `schema` is the key under which the record has it. Keys that are of no use are counted in `left_out`; `notes` name
    the tools whose schema had to be cut down. Raises BadRecord.
    """
    if isinstance(record.get("function"), dict):
        record = record["function"]
    name, description = record.get("name"), record.get("description")
    if not isinstance(name, str) or not name.strip():
        raise bad(place, "a tool's name", name)
    if not isinstance(description, str | None):
        raise bad(place, f"a description of {name}, a text or null", description)
    left_out.update(set(record) - {"name", "description", schema})
    parameters = _of_an_object(record.get(schema), f"{place}: {schema} of {name}", left_out)
    fault = _fault(name, parameters)
    if fault:
        narrower = (_cut(parameters, lambda keyword: keyword != "format"), _cut(parameters, PLAIN.__contains__))
        parameters = next((cut for cut in narrower if _fault(name, cut) is None), None)
        if parameters is None:
            raise BadRecord(f"{place}: {fault}")
        notes.append(f"{place}: {fault}; that part is left out")
    return {"name": name, "description": description or "", "parameters": parameters}


def _of_an_object(value: Any, place: str, left_out: Counter) -> dict:
    """The schema of an object: of nothing, of properties without a frame around them, or as it should be."""
    if isinstance(value, str):
        value = loads(value, place)
    if not isinstance(value, dict | None):
        raise bad(place, "a JSON Schema, an object", value)
    value = value or {}
    if value and all(isinstance(inner, dict) for inner in value.values()) and not set(value) & {*OF_NAMES, *OF_ONE}:
        value = {"properties": value}
    found = _cleaned({"type": "object", **value}, place, left_out)
    if isinstance(found.get("type"), list) and "object" in found["type"]:
        found["type"] = "object"
    if found.get("type") != "object":
        raise bad(place, "the JSON Schema of an object", value)
    return {"type": "object", "properties": {}} | found


def _cleaned(schema: Any, place: str, left_out: Counter) -> Any:
    """A schema without nulls and empty lists where something else belongs, its types under their names in JSON."""
    if isinstance(schema, bool):
        return schema
    if isinstance(schema, str):  # {"city": "string"}
        schema = {"type": schema}
    if not isinstance(schema, dict):
        raise bad(place, "a JSON Schema", schema)
    found = {key: value for key, value in schema.items() if value is not None or key in ("default", "const")}
    if found.get("enum") == []:
        del found["enum"]
    if isinstance(found.get("required"), bool):  # its parent's to say, see below
        del found["required"]
    if "type" in found:
        found["type"] = _type(found["type"], place)
        if found["type"] is None:
            left_out[f"the type {schema['type']}"] += 1
            del found["type"]
    for keyword in OF_NAMES:
        if keyword in found:
            if not isinstance(found[keyword], dict):
                raise bad(place, f"{keyword}, an object", found[keyword])
            found[keyword] = {
                name: _cleaned(inner, f"{place}.{name}", left_out) for name, inner in found[keyword].items()
            }
    for keyword in OF_ONE:
        if isinstance(found.get(keyword), dict | str):
            found[keyword] = _cleaned(found[keyword], f"{place}.{keyword}", left_out)
    for keyword in OF_MANY:
        if isinstance(found.get(keyword), list):
            found[keyword] = [_cleaned(inner, f"{place}.{keyword}", left_out) for inner in found[keyword]]
    inner = schema.get("properties") or {}
    demanded = [name for name in inner if isinstance(inner[name], dict) and inner[name].get("required") is True]
    if demanded:
        listed = found.get("required", [])
        found["required"] = [*listed, *(name for name in demanded if name not in listed)]
    return found


def _type(said: Any, place: str) -> str | list[str] | None:
    """A type's name in JSON Schema; None where it has none, so that any value will do."""
    names = said if isinstance(said, list) else [said]
    if not names or not all(isinstance(name, str) for name in names):
        raise bad(place, "a type, a text", said)
    known = [TYPES.get(name.lower()) for name in names]
    if None in known:
        return None
    return known if isinstance(said, list) else known[0]


def _cut(schema: Any, kept: Callable[[str], bool]) -> Any:
    """A schema with the keywords alone that are `kept`: it takes at least what the whole schema takes."""
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if kept(key)}
    if "properties" in found:
        found["properties"] = {name: _cut(inner, kept) for name, inner in found["properties"].items()}
    items = found.pop("items", None)
    if isinstance(items, dict):  # not a schema for each place
        found["items"] = _cut(items, kept)
    if isinstance(found.get("anyOf"), list):
        found["anyOf"] = [_cut(inner, kept) for inner in found["anyOf"]]
    return found


def _fault(name: str, parameters: dict) -> str | None:
    """What the checks of arguments or the decoder say against a schema; None where both can work with it."""
    try:
        schemas.arguments_grammar(name, parameters)
        tools = catalog.build([{"name": name, "parameters": parameters}], [])
        checks.check_call({"name": name, "arguments": {}}, tools)
    except BadRecord as error:
        return str(error)
    except checks.Rejected:
        return None
    return None
