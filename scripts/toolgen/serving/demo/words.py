"""The car in words: what its properties are called, what they hold, and why it refuses a call.

The names and units of the catalog go a long way, so that another car's properties read well enough, too.
"""

from collections import Counter

from ...catalog import NAMED_ALONE, Area, Property

GROUPS = {  # heading -> what the names of its properties hold; the first that fits
    "Climate": ("HVAC",),
    "Openings": ("DOOR", "WINDOW", "GLOVE_BOX", "MIRROR", "CHARGE_PORT"),
    "Lights": ("LIGHTS",),
    "Seats": ("SEAT",),
    "Energy": ("EV_", "FUEL", "RANGE"),
}
OTHERS = "The car"
LABELS = {  # where the property's name makes poor words
    "EV_CURRENT_BATTERY_CAPACITY": "Battery capacity today",
    "EV_CHARGE_PERCENT_LIMIT": "Charge limit",
    "FUEL_LEVEL_LOW": "Fuel low",
    "HVAC_AC_ON": "Air conditioning",
    "HVAC_AUTO_ON": "Automatic climate",
    "HVAC_POWER_ON": "Climate system",
    "HVAC_RECIRC_ON": "Recirculation",
    "HVAC_SEAT_TEMPERATURE": "Seat heating",
    "HVAC_SIDE_MIRROR_HEAT": "Side mirrors",
    "HVAC_STEERING_WHEEL_HEAT": "Steering wheel",
    "HVAC_TEMPERATURE_CURRENT": "Temperature now",
    "HVAC_TEMPERATURE_SET": "Temperature wanted",
    "INFO_EV_BATTERY_CAPACITY": "Battery capacity when new",
    "MIRROR_AUTO_FOLD_ENABLED": "Automatic folding of mirrors",
    "MIRROR_FOLD": "Mirrors",
    "SEAT_FORE_AFT_POS": "Seat on its rails",
}
FRONTS, ENDS = ("HVAC_", "EV_", "INFO_", "PERF_", "ENV_"), ("_POS", "_ON", "_SWITCH", "_ENABLED", "_OPEN", "_LOCKED")
TRUTHS = {"_OPEN": ("shut", "open"), "_LOCK": ("unlocked", "locked"), "_LOCKED": ("unlocked", "locked"),
          "_FOLD": ("unfolded", "folded"), "_LOW": ("no", "yes")}  # fmt: skip
SIGNS = {"SEAT_FORE_AFT_POS": ("back", "forward"), "SEAT_HEIGHT_POS": ("down", "up"), "WINDOW_POS": ("tilted", "open"),
         "HVAC_SEAT_TEMPERATURE": ("cooled", "heated"), "HVAC_STEERING_WHEEL_HEAT": ("cooled", "heated"),
         "DOOR_POS": ("", "open"), "GLOVE_BOX_DOOR_POS": ("", "open")}  # fmt: skip
UNITS = {  # a unit of the catalog -> how much of the shown unit it is, how many digits, the shown unit
    "degree Celsius": (1, 1, " °C"), "percent": (1, 0, "%"), "kilopascal": (1, 0, " kPa"),
    "second": (1 / 60, 0, " min"), "watt-hour": (1e-3, 1, " kWh"), "milliliter": (1e-3, 1, " l"),
    "meter": (1e-3, 0, " km"), "meter per second": (3.6, 0, " km/h"),
}  # fmt: skip
REFUSALS = {
    "read_only": "The car lets nobody write this",
    "write_only": "The car lets nobody read this",
    "out_of_range": "Out of range",
    "not_in_enum": "No such setting",
    "bad_area": "No such place",
    "bad_type": "The wrong kind of value",
    "bad_schema": "The arguments do not fit",
    "wrong_accessor": "The wrong function for this property",
    "unknown_property": "The car has no such property",
    "unknown_function": "There is no such function",
}


def group(item: Property) -> str:
    """The heading under which a property stands."""
    for heading, parts in GROUPS.items():
        if any(part in item.name for part in parts):
            return heading
    return OTHERS


def label(item: Property) -> str:
    """`FRONT_FOG_LIGHTS_SWITCH` as "Front fog lights"."""
    if item.name in LABELS:
        return LABELS[item.name]
    name = item.name
    for front in FRONTS:
        name = name.removeprefix(front)
    for end in ENDS:
        name = name.removesuffix(end) + (" lock" if end == "_LOCKED" and name.endswith(end) else "")
    return name.replace("_", " ").capitalize()


def value(held: object, item: Property, area: Area) -> str:
    """What a property holds in an area: "open 5 of 10", "21.5 °C", "daytime running"."""
    if isinstance(held, list):
        return ", ".join(value(element, item, area) for element in held) or "none"
    if isinstance(held, bool):
        ending = next((pair for end, pair in TRUTHS.items() if item.name.endswith(end)), ("off", "on"))
        return ending[held]
    if isinstance(held, str):
        return held or "none"
    if held in item.values:
        return item.values[held]
    if item.unit in UNITS:
        factor, digits, unit = UNITS[item.unit]
        return f"{held * factor:.{digits}f}{unit}"
    if item.name in SIGNS:
        return _signed(held, item, area)
    highest = "" if area.maximum is None else f" of {area.maximum:g}"
    return "off" if held == 0 and highest else f"{held:g}{highest}{' ' + item.unit if item.unit else ''}"


def _signed(held: float, item: Property, area: Area) -> str:
    below, above = SIGNS[item.name]
    if held == 0:
        return {"open": "shut", "heated": "off"}.get(above, "in the middle")
    if above == "open":
        measure = "" if held == area.maximum == 1 else f" {abs(held) / area.maximum:.0%}"
    else:
        measure = f" {abs(held)} of {area.maximum}"
    return (below if held < 0 else above) + measure


def everywhere(held: dict[int, object], item: Property) -> str:
    """What a property holds in all its areas: "all 21.5 °C", "front left open, others shut"; in one area, just that."""
    found = {area.name: value(held[area.id], item, area) for area in item.areas if area.id in held}
    if len(found) < 2:
        return next(iter(found.values()), "unknown")
    common, count = Counter(found.values()).most_common(1)[0]
    if count == len(found):
        return f"all {common}"
    if count == 1:
        return ", ".join(f"{name} {text}" for name, text in found.items())
    return ", ".join([f"{name} {text}" for name, text in found.items() if text != common] + [f"others {common}"])


def done(held: object, item: Property, area: Area, writes: bool) -> str:
    """What a call has done: "Window, front left: open 5 of 10"."""
    place = f", {area.name}" if len(item.areas) > 1 else ""
    name = area.name.capitalize() if area.name in NAMED_ALONE else label(item) + place
    return f"{name}{':' if writes else ' is'} {value(held, item, area)}"


def refusal(reason: str, detail: str) -> str:
    """Why a call is not carried out: "Out of range: WINDOW_POS takes 0 to 10, not 14."."""
    return f"{REFUSALS[reason]}: {detail}."
