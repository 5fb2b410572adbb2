"""Calls as the text that a model writes, and back.

A bound tool is written as its token, the place in words where there is a choice, and the value:
`<<HVAC_TEMPERATURE_SET&&set>> front left 22.5`. Calls that cover a group of areas with one value are written once,
with the group's word: `<<WINDOW_POS&&set>> all 10`. Any other tool is its token and compact JSON. No calls are the
empty text. What is read or set twice with one value is done once.
"""

import json
import re

from .catalog import Catalog, Property, Tool
from .records import finite

TOKEN = re.compile(r"<<[^<>]+>>")
JSON = json.JSONDecoder(parse_constant=finite, parse_float=finite)


class BadCallText(ValueError):
    """Call text that names no tool of the catalog, or does not fit its tool."""


def segments(calls: list[dict], catalog: Catalog) -> list[tuple[Tool, str]]:
    """The call text in pieces: each tool, and the plain text that follows its token.

    Raises KeyError where a call names no tool of the catalog.
    """
    pieces = []
    rest = list(calls)
    while rest:
        tool = catalog.tool_of(rest[0])
        if tool is None:
            raise KeyError(f"{rest[0]['name']} is not in the catalog")
        if tool.vehicle_property is None:
            arguments = in_order(rest[0]["arguments"], tool.parameters)
            pieces.append((tool, " " + json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))))
            rest = rest[1:]
            continue
        place, count = _longest_place(rest, tool.vehicle_property)
        words = [place] if len(tool.vehicle_property.areas) > 1 else []
        if tool.writes:
            words.append(value_text(rest[0]["arguments"]["value"]))
        pieces.append((tool, "".join(f" {word}" for word in words)))
        rest = rest[count:]
    return pieces


def in_order(value: object, schema: object) -> object:
    """`value` with the keys of its objects in the order of their schema, which is the one that decoding writes."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [in_order(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    names = [name for name in properties if name in value] + [name for name in value if name not in properties]
    return {name: in_order(value[name], properties.get(name)) for name in names}


def write(calls: list[dict], catalog: Catalog) -> str:
    """The text of `calls`; the inverse of `read` up to the number format of values."""
    return " ".join(tool.token + text for tool, text in segments(calls, catalog))


def read(text: str, catalog: Catalog) -> list[dict]:
    """The calls that a call text stands for, with or without blanks around the tokens. Raises BadCallText."""
    calls, rest = [], text
    while rest := rest.lstrip():
        token = TOKEN.match(rest)
        if token is None:
            raise BadCallText(f"text where a tool token belongs: {rest[:40]!r}")
        tool = catalog.by_token.get(token[0])
        if tool is None:
            raise BadCallText(f"{token[0][:80]} is not in the catalog")
        rest = rest[token.end() :]
        if tool.vehicle_property is None:  # its JSON says itself where it ends; what looks like a token there is text
            arguments, rest = _arguments(tool, rest)
            calls.append({"name": tool.function, "arguments": arguments})
        else:
            following = TOKEN.search(rest)
            end = following.start() if following else len(rest)
            calls += [call for call in _expanded(tool, rest[:end].split()) if call not in calls]
            rest = rest[end:]
    return calls


def _arguments(tool: Tool, text: str) -> tuple[dict, str]:
    """The JSON object that `text` opens with, and the text behind it. Raises BadCallText."""
    text = text.lstrip()
    try:
        arguments, end = JSON.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise BadCallText(f"{tool.token}: arguments are not JSON ({error})") from None
    if not isinstance(arguments, dict):
        raise BadCallText(f"{tool.token}: arguments are not an object")
    return arguments, text[end:]


def _expanded(tool: Tool, words: list[str]) -> list[dict]:
    """The calls of a bound tool and the words behind its token, one for each area of the place. Raises BadCallText."""
    value = {}
    if tool.writes:
        if not words:
            raise BadCallText(f"{tool.token}: no value")
        value = {"value": read_value(words.pop(), tool.vehicle_property)}
    place = " ".join(words)
    areas = tool.vehicle_property.places.get(place) if place else None
    if not place and len(tool.vehicle_property.areas) == 1:
        areas = (tool.vehicle_property.areas[0].id,)
    if areas is None:
        raise BadCallText(f"{tool.token}: no place {place!r}")
    return [{"name": tool.function, "arguments": {**tool.bound, "areaId": area, **value}} for area in areas]


def value_text(value: object) -> str:
    """A value as the model writes it: `21`, `22.5`, `-2`, `true`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_value(text: str, item: Property) -> object:
    """A written value in the type of its property. Raises BadCallText."""
    try:
        value = JSON.decode(text)
        return float(value) if item.type == "Float" and type(value) is int else value
    except (ValueError, RecursionError, OverflowError):
        raise BadCallText(f"{item.name}: {text[:40]!r} is not a value") from None


def _longest_place(calls: list[dict], item: Property) -> tuple[str, int]:
    """The word for the longest run of equal calls that covers a place, and how many calls it covers."""
    first = calls[0]
    for word, areas in item.places.items():
        run = [{**first, "arguments": {**first["arguments"], "areaId": area}} for area in areas]
        if calls[: len(areas)] == run:
            return word, len(areas)
    raise KeyError(f"{item.name} has no area {first['arguments'].get('areaId')}")
