"""What a teacher's reply must pass before it becomes an example: form, then each call, then the car."""

import json
import re
from functools import cache

import fastjsonschema

from .car import Car, Refused, accessor, property_of, resolve, starting_value
from .catalog import ACCESSOR, Catalog, Tool
from .numbers import MAX_LENGTH
from .records import BadRecord, dumps, finite

REASONS = (
    "not_json", "bad_form", "empty_query", "query_too_long",
    "unknown_function", "bad_schema", "unknown_property", "wrong_accessor", "bad_area", "read_only",
    "bad_type", "out_of_range", "not_in_enum", "not_executable",
    "duplicate", "near_duplicate", "leaks_evaluation", "mixed_phrases", "judge",
)  # fmt: skip
IMPORTED = "imported"  # the teacher whose replies are examples that others wrote
MAX_REPLY = 64 * 1024  # characters
MAX_DEPTH = 32  # levels; what json reads without trouble may still be too deep for a later reader's stack
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
LIST_OF_OBJECTS = re.compile(r"\[\s*(?=\{)")
BETWEEN = re.compile(r"\s*,?\s*")


class Rejected(Exception):
    """An example that is not used: `reason` is one of REASONS, `detail` is for people."""

    def __init__(self, reason: str, detail: str = ""):
        assert reason in REASONS, reason
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def parse_reply(text: str) -> dict:
    """The one JSON object in a teacher's reply: `{"query": str, "answers": [call, ...], ...}`, other keys kept.

    Prose and code fences around the object are ignored. The query comes back without blanks at its ends. Raises
    Rejected, and nothing else, for any other text; the work grows with the length of the text, which is limited.
    """
    if len(text) > MAX_REPLY:
        raise Rejected("not_json", f"longer than {MAX_REPLY} characters")
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end:
        raise Rejected("not_json", "no object")
    if text[:start].rstrip().endswith("["):
        raise Rejected("not_json", "a list, where one object was asked for")
    try:
        reply = json.loads(text[start : end + 1], parse_constant=finite, parse_float=finite)
        dumps(reply).encode("utf-8")  # half of a surrogate pair, which no UTF-8 file can hold, ends here
    except (ValueError, RecursionError) as error:
        raise Rejected("not_json", str(error)) from None
    if deeper_than(MAX_DEPTH, reply):
        raise Rejected("bad_form", f"nested deeper than {MAX_DEPTH} levels")
    check_query(reply.get("query"))
    _check_form(reply.get("answers"))
    phrases = reply.get("phrases", [])
    if not isinstance(phrases, list) or not all(isinstance(name, str) for name in phrases):
        raise Rejected("bad_form", "phrases are not a list of texts")
    return reply | {"query": reply["query"].strip()}


def split_reply(text: str, most: int) -> list[str]:
    """A reply to a prompt for several queries, as one text for each, for `parse_reply` to read.

    Of each object in the list only the query and its answers are kept; prose and code fences around the list are left
    out. What is not understood stays as it is, in one piece and at the end: a list cut short, what follows `most`
    objects, or the whole text. No piece is longer than MAX_REPLY + 1 characters; at least one piece comes back.
    """
    alone = _one_query(text)
    if alone is not None:
        return [alone]
    opening = LIST_OF_OBJECTS.search(text)
    pieces: list[str] = []
    at = opening.end() if opening else 0
    while opening and len(pieces) < most:
        try:
            item, end = json.JSONDecoder().raw_decode(text, at)
            pieces.append(_piece(item))
        except (ValueError, RecursionError):
            break
        at = BETWEEN.match(text, end).end()
        if text[at : at + 1] == "]":
            return pieces
    return [*pieces, _bounded(text[at:] if pieces else text)]


def parse_verdicts(text: str) -> dict[int, dict]:
    """What a judge wrote: number of the item -> {"fits": bool, "why": str}. What is not understood is left out."""
    verdicts = {}
    opening = LIST_OF_OBJECTS.search(text)
    at = opening.end() if opening else len(text)
    while text[at : at + 1] == "{":
        try:
            item, at = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        at = BETWEEN.match(text, at).end()
        if type(item.get("number")) is int and type(item.get("fits")) is bool:
            verdicts[item["number"]] = {"fits": item["fits"], "why": _bounded(str(item.get("why", "")))[:200]}
    return verdicts


def check_verdict(reply: dict) -> None:
    """Raises Rejected where a judge has said of the reply that its calls do not fit its query."""
    verdict = reply.get("judge")
    if isinstance(verdict, dict) and verdict.get("fits") is False:
        raise Rejected("judge", str(verdict.get("why", ""))[:200])


def repair_call(call: dict, catalog: Catalog) -> tuple[dict, list[str]]:
    """A call with what has one right answer put right, and the names of the repairs; `call` itself stays as it is.

    parsed_string: "21" or "true" where a number or a truth value belongs. float_to_int: 21.0 for a whole number.
    int_to_float: 21 for a Float property. accessor: an accessor of another type than its property's.
    """
    name, arguments, repairs = call["name"], dict(call["arguments"]), []
    item = property_of(call, catalog)
    if item is not None and name in catalog.function_names:
        right = accessor(name[:3], item)
        if right != name and right in catalog.function_names:
            name, repairs = right, ["accessor"]
    for argument, wanted in _argument_types(call, catalog).items():
        if argument in arguments:
            arguments[argument], done = _repaired(arguments[argument], wanted)
            repairs += done
    return {"name": name, "arguments": arguments}, repairs


def check_call(call: dict, catalog: Catalog) -> None:
    """Hold one call, `{"name": str, "arguments": dict}`, against its tool; raises Rejected.

    An ordinary tool's arguments go by its JSON Schema; an accessor's by property, area, type, range, enum and access.
    A Float property takes any JSON number. Raises BadRecord where the tool's own schema is at fault.
    """
    if call["name"] not in catalog.function_names:
        raise Rejected("unknown_function", call["name"][:80])
    tool = catalog.tool_of(call)
    if _is_ordinary(tool):
        try:
            _validator(tool)(call["arguments"])
        except fastjsonschema.JsonSchemaValueException as error:
            raise Rejected("bad_schema", f"{tool.name}: {error.message}"[:200]) from None
        return
    try:
        item, _ = resolve(call, catalog)
    except Refused as refusal:
        raise Rejected(refusal.reason, refusal.detail[:200]) from None
    if "value" in call["arguments"] and not item.writable_on_request:
        raise Rejected("read_only", item.name)


def check_example(query: str, calls: list[dict], catalog: Catalog) -> dict[str, dict[str, object]] | None:
    """Hold a query and its calls against everything above; where there is a car, it then executes the calls in order.

    Returns the state in which they leave a fresh car, as far as it differs from its start: property -> area id in
    digits -> value; None without a car. No calls are right for a query that asks for none. Raises Rejected.
    """
    check_query(query)
    _check_form(calls)
    for call in calls:
        check_call(call, catalog)
    if not catalog.properties:
        return None
    car = Car(catalog)
    try:
        for call in calls:
            if not _is_ordinary(catalog.tool_of(call)):
                car.execute(call)
    except Refused as refusal:
        raise Rejected("not_executable", str(refusal)) from None
    return _changes(car)


def _changes(car: Car) -> dict[str, dict[str, object]]:
    changes: dict[str, dict[str, object]] = {}
    for (name, area_id), value in sorted(car.written.items()):
        item = car.catalog.property_names[name]
        if not item.readable or value != starting_value(item, item.area(area_id)):
            changes.setdefault(name, {})[str(area_id)] = value
    return changes


def _one_query(text: str) -> str | None:
    """The piece of a reply that holds one query, where a list of them was asked for."""
    try:
        reply = json.loads(text[text.find("{") : text.rfind("}") + 1])
        return _piece(reply) if "query" in reply else None
    except (ValueError, RecursionError):
        return None


def _piece(item: object) -> str:
    """One object of a list, with no keys but those that a teacher is asked for."""
    kept = {name: item[name] for name in ("query", "answers") if name in item} if isinstance(item, dict) else item
    return _bounded(dumps(kept))


def _bounded(text: str) -> str:
    """A text of bounded length that any UTF-8 file can hold: half of a surrogate pair becomes its escape again."""
    return text[: MAX_REPLY + 1].encode("utf-8", "backslashreplace").decode()


def _is_ordinary(tool: Tool | None) -> bool:
    return tool is not None and tool.vehicle_property is None


def check_query(query: object) -> None:
    """Raises Rejected unless `query` is text of 1 to MAX_LENGTH characters, blanks at its ends not counted."""
    if not isinstance(query, str):
        raise Rejected("bad_form", "query is not a text")
    length = len(query.strip())
    if length == 0:
        raise Rejected("empty_query")
    if length > MAX_LENGTH:
        raise Rejected("query_too_long", f"{length} characters, at most {MAX_LENGTH}")


def _check_form(calls: object) -> None:
    if not isinstance(calls, list):
        raise Rejected("bad_form", "answers are not a list")
    for number, call in enumerate(calls):
        if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
            raise Rejected("bad_form", f"answer {number} is not an object of name and arguments alone")
        if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
            raise Rejected("bad_form", f"answer {number} needs a text as its name and an object as its arguments")


def deeper_than(levels: int, value: object) -> bool:
    """Whether lists and objects of a JSON value lie within each other more than `levels` deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or deeper_than(levels - 1, element) for element in inner)


def _argument_types(call: dict, catalog: Catalog) -> dict[str, object]:
    """Argument -> its JSON Schema type, or "float" for a Float property, whose 21 is to be written 21.0."""
    item = property_of(call, catalog)
    if item is not None:
        return {"areaId": "integer", "value": "float" if item.type == "Float" else ACCESSOR[item.type][1]["type"]}
    tool = catalog.tool_of(call)
    properties = tool.parameters.get("properties", {}) if tool is not None else {}
    return {name: schema.get("type") for name, schema in properties.items() if isinstance(schema, dict)}


def _repaired(value: object, wanted: object) -> tuple[object, list[str]]:
    if isinstance(value, str) and _spells_a(wanted, value.strip()):
        return _repaired(json.loads(value.strip().lower()), wanted)[0], ["parsed_string"]
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return int(value), ["float_to_int"]
    if wanted == "float" and type(value) is int and abs(value) <= 2**53:  # past that, the float is another number
        return float(value), ["int_to_float"]
    return value, []


def _spells_a(wanted: object, text: str) -> bool:
    """Whether `text` is true or false, or a number in plain digits, as `wanted` asks."""
    if wanted == "boolean":
        return text.lower() in ("true", "false")
    return wanted in ("integer", "number", "float") and NUMBER.fullmatch(text) is not None


def _validator(tool: Tool):
    try:
        return _compiled(json.dumps(tool.parameters))
    except (fastjsonschema.JsonSchemaDefinitionException, re.error) as error:
        raise BadRecord(f"{tool.name}: its parameters are not a JSON Schema ({error})") from None


@cache
def _compiled(schema: str):
    """A validator of a schema's text, which unlike a schema can be a key. Defaults are not filled in."""
    return fastjsonschema.compile(json.loads(schema), handlers=NOTHING_REMOTE, use_default=False, use_formats=False)


def _refuse_remote(uri: str) -> dict:
    raise fastjsonschema.JsonSchemaDefinitionException(f"it refers to {uri}, and nothing is fetched")


NOTHING_REMOTE = dict.fromkeys(("", "http", "https", "ftp", "file"), _refuse_remote)
