"""A simulated car: it executes accessor calls, and refuses those that a real car would refuse.

Android's CarPropertyManager throws for an unsupported property, type, area or access and for a value outside the
area's limits; https://developer.android.com/reference/android/car/hardware/property/CarPropertyManager. The car
knows no driver: a write that the car takes but no request may ask for is the business of `checks`.
"""

import math
from copy import copy
from reprlib import repr as short

from .catalog import ACCESSOR, Area, Catalog, Property

START = {  # a plug-in hybrid, parked on a mild day; whatever is not named here is off, shut, 0 or empty
    "DOOR_LOCK": True,
    "ENV_OUTSIDE_TEMPERATURE": 14.5,
    "EV_BATTERY_LEVEL": 11200.0,
    "EV_CHARGE_PERCENT_LIMIT": 90.0,
    "EV_CURRENT_BATTERY_CAPACITY": 17500.0,
    "FUEL_LEVEL": 31000.0,
    "GLOVE_BOX_LOCKED": True,
    "HEADLIGHTS_SWITCH": 256,
    "HVAC_FAN_DIRECTION": 3,
    "HVAC_FAN_SPEED": 3,
    "HVAC_POWER_ON": True,
    "HVAC_TEMPERATURE_CURRENT": 20.5,
    "HVAC_TEMPERATURE_SET": 21.5,
    "INFO_EV_BATTERY_CAPACITY": 18400.0,
    "INFO_FUEL_CAPACITY": 48000.0,
    "INFO_FUEL_TYPE": [1, 10],
    "INFO_MAKE": "Example Motors",
    "INFO_MODEL": "Wayfarer",
    "INFO_MODEL_YEAR": 2024,
    "MIRROR_AUTO_FOLD_ENABLED": True,
    "PARKING_BRAKE_ON": True,
    "RANGE_REMAINING": 540000.0,
    "TIRE_PRESSURE": 235.0,
}
PYTHON_TYPES = {"boolean": (bool,), "integer": (int,), "number": (int, float), "string": (str,)}  # bool is no int here
LARGEST = {  # what the accessors' own number types hold
    "Integer": 2**31 - 1, "IntArray": 2**31 - 1, "Long": 2**63 - 1, "LongArray": 2**63 - 1,
    "Float": 3.4028234663852886e38, "FloatArray": 3.4028234663852886e38,
}  # fmt: skip

State = dict[tuple[str, int], object]


class Refused(Exception):
    """A call that the car does not carry out: `reason` in one word, `detail` for people."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Car:
    """One car. A refused call leaves it as it was.

    `written` holds the last value written at each (property, area). Two lists of calls leave the car in equal states
    whatever its state before if and only if their `written` are equal; `state()` cannot tell an idle car from one
    that was told what already held.
    """

    def __init__(self, catalog: Catalog):
        assert catalog.properties, "a car needs a catalog with properties"
        self.catalog = catalog
        self.written: State = {}

    def execute(self, call: dict) -> dict:
        """Carry out one call: `{"status": "ok", "value": ...}` with the value read or written. Raises Refused."""
        item, area = resolve(call, self.catalog)
        key = (item.name, area.id)
        if "value" in call["arguments"]:
            if not item.writable:
                raise Refused("read_only", item.name)
            value = call["arguments"]["value"]
            # JSON has one number type: 21 and 21.0 are one temperature. The copy keeps callers' lists out of the car.
            self.written[key] = float(value) if item.type == "Float" else copy(value)
        elif not item.readable:
            raise Refused("write_only", item.name)
        value = self.written[key] if key in self.written else starting_value(item, area)
        return {"status": "ok", "value": copy(value)}

    def state(self) -> State:
        """What every readable property holds in every area, and what was written to the others."""
        start = {
            (item.name, area.id): starting_value(item, area)
            for item in self.catalog.properties
            if item.readable
            for area in item.areas
        }
        return start | self.written


def run(catalog: Catalog, calls: list[dict]) -> State:
    """The state in which `calls`, in their order, leave a fresh car. Raises Refused at the first one refused."""
    car = Car(catalog)
    for call in calls:
        car.execute(call)
    return car.state()


def accessor(verb: str, item: Property) -> str:
    """The name of the function that reads ("get") or writes ("set") `item`."""
    return f"{verb}{ACCESSOR[item.type][0]}Property"


def property_of(call: dict, catalog: Catalog) -> Property | None:
    """The property that a call names, if the car has it."""
    name = call["arguments"].get("propertyName")
    return catalog.property_names.get(name) if isinstance(name, str) else None


def resolve(call: dict, catalog: Catalog) -> tuple[Property, Area]:
    """The property and the area that an accessor call is about; its value, if any, fits both.

    Access is left to the caller. Raises Refused with the first of: unknown_function, unknown_property,
    wrong_accessor, bad_schema (an argument missing or too many), bad_area, bad_type, out_of_range, not_in_enum.
    """
    name, arguments = call["name"], call["arguments"]
    if name not in catalog.function_names:
        raise Refused("unknown_function", short(name))
    item = property_of(call, catalog)
    if item is None:
        raise Refused("unknown_property", short(arguments.get("propertyName")))
    if name not in (accessor("get", item), accessor("set", item)):
        raise Refused("wrong_accessor", f"{name} does not handle {item.name}, which is {item.type}")
    expected = {"propertyName", "areaId"} | ({"value"} if name == accessor("set", item) else set())
    if set(arguments) != expected:
        raise Refused("bad_schema", f"{name} takes {sorted(expected)}, not {short(sorted(arguments))}")
    area = item.area(arguments["areaId"]) if type(arguments["areaId"]) is int else None
    if area is None:
        raise Refused("bad_area", f"{item.name} has no area {short(arguments['areaId'])}")
    fault = value_fault(arguments["value"], item, area) if "value" in expected else None
    if fault:
        raise Refused(*fault)
    return item, area


def value_fault(value: object, item: Property, area: Area) -> tuple[str, str] | None:
    """Why `item` cannot hold `value` in `area`, as a reason and a detail; None where it can."""
    schema = item.value_schema(area)
    if not _has_type(value, schema):
        return "bad_type", f"{item.name} is {item.type}, which {short(value)} is not"
    largest = LARGEST.get(item.type, math.inf)
    lowest, highest = schema.get("minimum", -largest - 1), schema.get("maximum", largest)
    for number in value if isinstance(value, list) else [value]:
        # NaN fails every comparison, so this asks for what is right rather than for what is wrong.
        if type(number) in (int, float) and not lowest <= number <= highest:
            return "out_of_range", f"{item.name} takes {lowest} to {highest}, not {short(number)}"
    if "enum" in schema and value not in schema["enum"]:
        return "not_in_enum", f"{item.name} takes one of {schema['enum']}, not {short(value)}"
    return None


def starting_value(item: Property, area: Area) -> object:
    """What `item` holds in `area` before anyone writes it."""
    value = START.get(item.name)
    if value is not None and value_fault(value, item, area) is None:
        return value
    schema = item.value_schema(area)
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] in ("integer", "number"):
        value = min(max(0, schema.get("minimum", 0)), schema.get("maximum", math.inf))
        return float(value) if schema["type"] == "number" else int(value)
    return {"boolean": False, "string": "", "array": []}[schema["type"]]


def _has_type(value: object, schema: dict) -> bool:
    if schema["type"] == "array":
        return type(value) is list and all(_has_type(element, schema["items"]) for element in value)
    return type(value) in PYTHON_TYPES[schema["type"]]
