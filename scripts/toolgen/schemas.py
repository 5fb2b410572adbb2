"""A tool's JSON Schema as the grammar of the arguments that a model may write: compact JSON, read by llguidance.

The grammar is a part of the schema, never more: whatever it lets through fits. It leaves out what no caller wants,
arguments that the schema does not name, and what no reader could hold, numbers beyond LARGEST.
"""

import json
import re
import sys
from functools import lru_cache

from llguidance import LLMatcher

from .catalog import Catalog
from .records import BadRecord

LARGEST = 2**53 - 1  # whole numbers beyond it are read differently by different readers (RFC 8259, section 6)
TYPES = ["null", "boolean", "string", "number", "array", "object"]
COMBINED = ("allOf", "anyOf", "oneOf", "$ref", "enum", "const")
ANYTHING = "toolgen-anything"
OTHER_THAN_ASCII = re.compile(r"\\[WD]|\[\^[^\]]*\\[wd]")  # in JSON Schema \W holds é, in Python's checks it does not
NO_BLANK = {"pattern": r"^[^\s<>]*$"}  # of a bound tool's text: its words end at blanks, and `<<` opens the next tool
# Without \u and \/ no key that the schema names comes again in disguise, nor half of a surrogate pair.
STYLE = {"whitespace_flexible": False, "json_allowed_escapes": '"\\bfnrt'}


def check(catalog: Catalog) -> None:
    """Raises BadRecord for the first ordinary tool that decoding cannot follow. A millisecond or two for each."""
    for tool in catalog.tools:
        if tool.vehicle_property is None:
            arguments_grammar(tool.name, tool.parameters)


def arguments_grammar(name: str, parameters: dict) -> str:
    """The grammar, in llguidance's Lark, of a blank and the arguments of the tool `name`. Raises BadRecord."""
    types = parameters.get("type", "object")
    if types != "object" and "object" not in types:
        raise BadRecord(f"{name}: its parameters must be an object, not {json.dumps(types)}")
    closed = {"properties": {}, **parameters, "type": "object"}
    return _checked(name, f'start: " " value\nvalue: %json {_json(name, closed)}')


def places_grammar(name: str, places: list[tuple[list[int], dict]]) -> str:
    """The grammar of each place's token ids followed by a blank and a value of the place's schema. Raises BadRecord."""
    rules = []
    for number, (ids, schema) in enumerate(places):
        tokens = " ".join(f"<[{index}]>" for index in ids)
        said = schema | NO_BLANK if schema.get("type") == "string" else schema
        rules.append(f'place{number}: {tokens} " " value{number}\nvalue{number}: %json {_json(name, said)}')
    start = " | ".join(f"place{number}" for number in range(len(places)))
    return _checked(name, "\n".join((f"start: {start}", *rules)))


def _json(name: str, schema: dict) -> str:
    try:
        anything = _narrowed({})
        narrowed = _narrowed(schema)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRecord(f"{name}: decoding cannot follow its JSON Schema ({error})") from None
    narrowed["$defs"] = {**narrowed.get("$defs", {}), ANYTHING: anything}
    return json.dumps({**narrowed, "x-guidance": STYLE})


def _checked(name: str, grammar: str) -> str:
    fault = _fault(grammar)
    if fault:
        reason = " ".join(fault.split("JSON schema: ")[-1].split("\n   1 | ")[0].split())
        raise BadRecord(f"{name}: decoding cannot follow its JSON Schema ({reason[:200]})")
    return grammar


@lru_cache(maxsize=1024)
def _fault(grammar: str) -> str:
    """What llguidance says against a grammar; a millisecond or two, so tools of one schema share it."""
    return LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(grammar))


def _narrowed(schema: object, alone: bool = True) -> dict:
    """The part of a schema that a model should write. `alone`: no other schema speaks of the same value."""
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise ValueError(f"{json.dumps(schema)[:80]} where a schema belongs")
    found = dict(schema)
    for keyword in ("$defs", "definitions", "properties", "patternProperties"):
        if keyword in found:
            found[keyword] = {name: _narrowed(inner) for name, inner in found[keyword].items()}
    for pattern in (found.get("pattern", ""), *found.get("patternProperties", ())):
        if OTHER_THAN_ASCII.search(pattern):
            raise ValueError(f"a class of letters that ends nowhere in {pattern!r}; list the letters")
    alone = alone and all(_only_requires(found[keyword]) for keyword in COMBINED if keyword in found)
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in found:
            own = keyword == "allOf" or "type" in found or "properties" in found
            found[keyword] = [_narrowed(inner, not own) for inner in found[keyword]]
    if "type" not in found and alone:
        found["type"] = "object" if "properties" in found else "array" if "items" in found else TYPES
    types = found.get("type", [])
    types = [types] if isinstance(types, str) else types
    if {"integer", "number"} & set(types):
        _bound_numbers(found)
    if "array" in types or "items" in found:
        _narrow_items(found)
    if "object" in types:
        _narrow_names(found, alone)
    return found


def _bound_numbers(found: dict) -> None:
    """Give a schema of numbers both limits, as inclusive ones: 0.999... is less than 1 until a float is to hold it."""
    for inclusive, exclusive, sign in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        limits = [-sign * LARGEST, *([found[inclusive]] if inclusive in found else [])]
        if exclusive in found:
            limit = found.pop(exclusive)
            if isinstance(limit, bool):
                raise ValueError(f"{exclusive} must be a number, not {json.dumps(limit)}")
            limits.append(limit + sign * max(1.0, abs(limit)) * sys.float_info.epsilon)
        found[inclusive] = max(limits) if sign > 0 else min(limits)


def _narrow_items(found: dict) -> None:
    items = found.get("items", True)
    if isinstance(items, list) or "prefixItems" in found:
        raise ValueError("a schema for each place of an array")
    found["items"] = _anything() if items is True else _narrowed(items)


def _narrow_names(found: dict, alone: bool) -> None:
    """Where the schema names its properties and does not say that there are others, there are none."""
    named, more = found.get("properties"), found.get("additionalProperties", True)
    if more is True and alone and named is not None and not {"additionalProperties", "patternProperties"} & set(found):
        more = not set(found.get("required", [])) <= set(named)
    if more is not False:
        if "minProperties" in found:  # a name that is written twice would count twice
            raise ValueError("minProperties of an object that takes other properties than those named")
        more = _anything() if more is True else _narrowed(more)
    found["additionalProperties"] = more


def _only_requires(branches: object) -> bool:
    """Whether branches of a schema say which of its properties must be there, and nothing else."""
    if not isinstance(branches, list):
        return False
    return all(isinstance(inner, dict) and set(inner) == {"required"} for inner in branches)


def _anything() -> dict:
    return {"$ref": f"#/$defs/{ANYTHING}"}
