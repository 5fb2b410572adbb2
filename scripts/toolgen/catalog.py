"""The tools a model may call, and the one token that stands for each.

A catalog file holds `functions` (name, description, JSON Schema) and, for a car, `properties`. Each property that
a typed accessor can read or write becomes a *virtual tool*: the accessor with `propertyName` bound, which leaves the
area and the value. In a car, an accessor that serves no property is no tool; any other function is an ordinary tool
with nothing bound.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .records import BadRecord, read_json

ACCESSOR = {  # data type of a property -> the type in its accessors' names, and in JSON Schema
    "Boolean": ("Boolean", {"type": "boolean"}),
    "Integer": ("Int", {"type": "integer"}),
    "Long": ("Long", {"type": "integer"}),
    "Float": ("Float", {"type": "number"}),
    "String": ("String", {"type": "string"}),
    "IntArray": ("IntArray", {"type": "array", "items": {"type": "integer"}}),
    "LongArray": ("LongArray", {"type": "array", "items": {"type": "integer"}}),
    "FloatArray": ("FloatArray", {"type": "array", "items": {"type": "number"}}),
}
ACCESSOR_NAME = re.compile(f"(get|set)({'|'.join(name for name, _ in ACCESSOR.values())})Property")
CAPITAL, BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])"), re.compile(r"[\W_]+")  # where a name falls into words
NAMED_ALONE = ("sunroof", "trunk")  # areas that "all" leaves out


@dataclass(frozen=True)
class Area:
    """One part of the car that has a property, and what values it takes there."""

    id: int
    name: str
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[int, ...] = ()


@dataclass(frozen=True)
class Property:
    """One vehicle property. `readable` and `writable` say what a request may ask for."""

    name: str
    description: str
    type: str
    access: str
    change_mode: str
    areas: tuple[Area, ...]
    unit: str = ""
    values: dict[int, str] = field(default_factory=dict)
    conventions: dict = field(default_factory=dict)

    @property
    def readable(self) -> bool:
        return self.access != "WriteOnly"

    @property
    def writable(self) -> bool:
        return self.access != "ReadOnly"

    @property
    def writable_on_request(self) -> bool:
        """False also where the car would accept a write that no driver should be granted."""
        return self.writable and self.conventions.get("access") != "ReadOnly"

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Group word -> area ids in the catalog's order, largest group first."""
        names = [area.name for area in self.areas]
        members = {
            "all": [name for name in names if name not in NAMED_ALONE],
            "front": [name for name in names if name in ("front left", "front right")],
            "rear": [name for name in names if name in ("rear left", "rear right")],
            "left": [name for name in names if name in ("front left", "rear left")],
            "right": [name for name in names if name in ("front right", "rear right")],
        }
        ids = {area.name: area.id for area in self.areas}
        return {word: tuple(ids[name] for name in group) for word, group in members.items() if len(group) > 1}

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Every way the call text names a place: groups, then single areas."""
        return {**self.groups, **{area.name: (area.id,) for area in self.areas}}

    def area(self, area_id: int) -> Area | None:
        return next((area for area in self.areas if area.id == area_id), None)

    def value_schema(self, area: Area) -> dict:
        """JSON Schema of the value this property takes in `area`."""
        schema = dict(ACCESSOR[self.type][1])
        limits = {"minimum": area.minimum, "maximum": area.maximum, **self.conventions}
        schema.update({key: limits[key] for key in ("minimum", "maximum") if limits[key] is not None})
        enum = list(area.enum or self.values) if schema["type"] == "integer" else []
        return schema | ({"enum": enum} if enum else {})


@dataclass(frozen=True)
class Tool:
    """A function with some arguments bound; `parameters` is the JSON Schema of those left."""

    name: str
    description: str
    parameters: dict
    function: str
    bound: dict = field(default_factory=dict)
    vehicle_property: Property | None = None

    @property
    def token(self) -> str:
        return f"<<{self.name}>>"

    @property
    def meaning(self) -> str:
        """Its description; without one its name in words."""
        words = BETWEEN_WORDS.sub(" ", CAPITAL.sub(" ", self.name)).strip()
        return self.description.strip() or words or self.name

    @property
    def writes(self) -> bool:
        return "value" in self.parameters.get("properties", {})


@dataclass(frozen=True)
class Catalog:
    functions: tuple[dict, ...]
    properties: tuple[Property, ...]
    tools: tuple[Tool, ...]

    @cached_property
    def by_token(self) -> dict[str, Tool]:
        return {tool.token: tool for tool in self.tools}

    @cached_property
    def by_name(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.tools}

    @cached_property
    def function_names(self) -> frozenset[str]:
        return frozenset(function["name"] for function in self.functions)

    @cached_property
    def function_of(self) -> dict[str, dict]:
        return {function["name"]: function for function in self.functions}

    @cached_property
    def property_names(self) -> dict[str, Property]:
        return {item.name: item for item in self.properties}

    @cached_property
    def _by_function(self) -> dict[tuple[str, str | None], Tool]:
        return {(tool.function, tool.bound.get("propertyName")): tool for tool in self.tools}

    def tool_of(self, call: dict) -> Tool | None:
        """The virtual or ordinary tool that a call names, or None."""
        name, arguments = call["name"], call["arguments"]
        bound = arguments.get("propertyName")
        return self._by_function.get((name, bound if isinstance(bound, str) else None)) or self._by_function.get(
            (name, None)
        )


def load(path: str | Path) -> Catalog:
    """Read a catalog file, or a folder with CarTool-Instruct's two metadata files.

    Raises BadRecord, in one line, for a file of another form, an unknown type, a duplicate tool or a property without
    areas.
    """
    return build(**_document(Path(path)), source=str(path))


def extended(path: str | Path, added: str | Path) -> dict:
    """The catalog of `path` with that of `added` behind it, as a file holds it: {"functions", "properties"}.

    A function that both have alike, such as an accessor, is there once. Raises BadRecord where a name is taken, or
    where nothing is new.
    """
    old, new = _document(Path(path)), _document(Path(added))
    before = build(**old, source=str(path))
    _check_form(**new, source=str(added))
    known = before.function_of
    functions = [function for function in new["functions"] if function != known.get(function["name"])]
    taken = [item["name"] for item in functions if item["name"] in known]
    taken += [item["name"] for item in new["properties"] if item["name"] in before.property_names]
    document = {key: [*old[key], *more] for key, more in (("functions", functions), ("properties", new["properties"]))}
    if not taken:
        after = build(**document, source=str(added))
        taken = [tool.name for tool in before.tools if after.by_name.get(tool.name) != tool]
    if taken:
        raise BadRecord(f"{added}: the catalog has {taken[0]} already: give the new one another name")
    if len(after.tools) == len(before.tools):
        raise BadRecord(f"{added}: no tool that the catalog does not have")
    return document


def _document(path: Path) -> dict:
    """{"functions", "properties"}, the plain records that `build` takes."""
    if path.is_dir():
        functions = read_json(path / "car_property_functions.json")
        properties = [_from_cartool(item) for item in read_json(path / "vehicle_properties.json")]
        functions = [function | {"parameters": _json_schema(function["parameters"])} for function in functions]
        return {"functions": functions, "properties": properties}
    document = read_json(path)
    if not isinstance(document, dict) or "functions" not in document:
        raise BadRecord(f"{path}: expected an object with the keys functions and, for a car, properties")
    return {"functions": document["functions"], "properties": document.get("properties", [])}


def build(functions: list[dict], properties: list[dict], source: str = "catalog") -> Catalog:
    """Make the catalog's tools out of plain records; `source` opens the error messages."""
    _check_form(functions, properties, source)
    parsed = tuple(_property(item, source) for item in properties)
    known = {function["name"] for function in functions}
    tools = []
    for item in parsed:
        type_name = ACCESSOR[item.type][0]
        for verb, allowed in (("get", item.readable), ("set", item.writable)):
            if not allowed:
                continue
            accessor = f"{verb}{type_name}Property"
            if accessor not in known:
                raise BadRecord(f"{source}: {item.name} needs the function {accessor}, which is missing")
            tools.append(_virtual_tool(item, verb, accessor))
    for function in functions:
        name, parameters = function["name"], function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, dict) or not isinstance(parameters.get("properties", {}), dict):
            raise BadRecord(f"{source}: the parameters of {name} are not a JSON Schema of an object")
        if not (parsed and ACCESSOR_NAME.fullmatch(name)):
            tools.append(Tool(name, function.get("description") or "", parameters, name))
    return Catalog(tuple(functions), parsed, tuple(tools))


def _check_form(functions: list[dict], properties: list[dict], source: str) -> None:
    for kind, items in (("function", functions), ("property", properties)):
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise BadRecord(f"{source}: expected a list of objects, each one a {kind}")
        if not all(isinstance(item.get("name"), str) for item in items):
            raise BadRecord(f"{source}: every {kind} needs a name")
        repeated = [name for name, count in Counter(item["name"] for item in items).items() if count > 1]
        if repeated:
            raise BadRecord(f"{source}: duplicate {kind} {', '.join(repeated)}")


def _property(item: dict, source: str) -> Property:
    name = item["name"]
    if item.get("type") not in ACCESSOR:
        raise BadRecord(f"{source}: {name} has the unknown type {item.get('type')!r}; known: {', '.join(ACCESSOR)}")
    if not isinstance(item.get("areas"), list) or not item["areas"]:
        raise BadRecord(f"{source}: {name} has no areas; it needs a list of them")
    if item.get("access") not in ("ReadOnly", "ReadWrite", "WriteOnly"):
        raise BadRecord(f"{source}: {name} has the unknown access {item.get('access')!r}")
    areas = []
    for area in item["areas"]:
        if not isinstance(area, dict) or not isinstance(area.get("id"), int) or not area.get("name"):
            raise BadRecord(f"{source}: {name} has an empty area; each needs an id and a name")
        areas.append(
            Area(area["id"], area["name"], area.get("minimum"), area.get("maximum"), tuple(area.get("enum", ())))
        )
    try:
        values = {int(value): meaning for value, meaning in item.get("values", {}).items()}
    except (AttributeError, ValueError):
        raise BadRecord(f"{source}: the values of {name} must be an object, from whole number to meaning") from None
    return Property(
        name=name,
        description=item.get("description", ""),
        type=item["type"],
        access=item["access"],
        change_mode=item.get("change_mode", ""),
        areas=tuple(areas),
        unit=item.get("unit", ""),
        values=values,
        conventions=item.get("conventions", {}),
    )


def _virtual_tool(item: Property, verb: str, accessor: str) -> Tool:
    """`accessor` with its property bound, described so that the tool can be found by its description."""
    properties: dict = {"areaId": {"type": "integer", "enum": [area.id for area in item.areas]}}
    parameters = {"type": "object", "properties": properties, "required": ["areaId"], "additionalProperties": False}
    meanings = "; ".join(f"{value} is {meaning}" for value, meaning in item.values.items())
    unit = f" In {item.unit}s." if item.unit else ""
    if verb == "get":
        description = f"Read: {item.description}{unit}"
    else:
        description = f"Write: {item.description}{unit}" + (f" Values: {meanings}." if meanings else "")
        schemas = [item.value_schema(area) for area in item.areas]
        properties["value"] = schemas[0] if all(schema == schemas[0] for schema in schemas) else {"anyOf": schemas}
        parameters["required"] = ["areaId", "value"]
        if "anyOf" in properties["value"]:
            parameters["oneOf"] = [
                {"properties": {"areaId": {"const": area.id}, "value": schema}}
                for area, schema in zip(item.areas, schemas, strict=True)
            ]
    return Tool(f"{item.name}&&{verb}", description, parameters, accessor, {"propertyName": item.name}, item)


def _json_schema(parameters: dict) -> dict:
    """Gemini's schema dialect (type names in capitals) as JSON Schema."""
    if isinstance(parameters, dict):
        return {
            key: value.lower() if key == "type" and isinstance(value, str) else _json_schema(value)
            for key, value in parameters.items()
        }
    return parameters


ROWS = (("first row left", "front left"), ("first row right", "front right"), ("second row left", "rear left"),
        ("second row right", "rear right"), ("second row center", "rear center"), ("left front", "front left"),
        ("right front", "front right"), ("left rear", "rear left"), ("right rear", "rear right"),
        ("front windshield", "front"), ("rear windshield", "rear"), ("roof window", "sunroof"),
        ("trunk", "trunk"), ("entire vehicle", "car"))  # fmt: skip
CONVENTIONS = {  # what a request may ask for, where the metadata of CarTool-Instruct leave it open
    "EV_CHARGE_PERCENT_LIMIT": {"minimum": 0.0, "maximum": 100.0},
    "RANGE_REMAINING": {"access": "ReadOnly"},
}


def _from_cartool(item: dict) -> dict:
    """One entry of CarTool-Instruct's vehicle_properties.json as a property record."""

    def number(text: str) -> float | int | None:
        return None if text == "" else float(text) if "." in text else int(text)

    areas = []
    for area in item["areaIdProfiles"]:
        text = area["areaIdDescription"].removesuffix(".").split("property for ")[-1]
        named = [word for phrase, word in ROWS if phrase in text]
        areas.append({
            "id": area["areaId"],
            "name": named[0] if len(named) == 1 else text,
            "minimum": number(area["minValue"]),
            "maximum": number(area["maxValue"]),
            "enum": area["supportedEnumValues"],
        })  # fmt: skip
    meanings = re.findall(r"^- (\d+) \((\w+)\)", item["propertyDescription"], re.MULTILINE)
    return {
        "name": item["propertyName"],
        "description": item["propertyDescription"].split("\n")[0],
        "type": item["dataType"],
        "access": item["access"],
        "change_mode": item["changeMode"],
        "values": {value: meaning.lower().replace("_", " ") for value, meaning in meanings},
        "conventions": CONVENTIONS.get(item["propertyName"], {}),
        "areas": areas,
    }
