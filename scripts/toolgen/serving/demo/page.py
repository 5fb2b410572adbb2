"""The page as it is sent: page.html with one catalog's tools, examples and the state of one car in it."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...car import accessor
from ...catalog import Catalog
from . import words

HERE = Path(__file__).parent
LONGEST = 1000  # characters of a query or a call
EXAMPLES = {  # what a click asks, and what the car has to have for it
    "let some air in, every window halfway": {"WINDOW_POS"},
    "warm the wheel and my seat": {"HVAC_STEERING_WHEEL_HEAT", "HVAC_SEAT_TEMPERATURE"},
    "unlock the doors and pop the trunk": {"DOOR_LOCK", "DOOR_POS"},
    "tilt the sunroof and fold the mirrors": {"WINDOW_POS", "MIRROR_FOLD"},
    "headlights and front fogs on": {"HEADLIGHTS_SWITCH", "FRONT_FOG_LIGHTS_SWITCH"},
    "open the charge port, stop charging at 80 percent": {"EV_CHARGE_PORT_OPEN", "EV_CHARGE_PERCENT_LIMIT"},
    "what pressure is in the front tires?": {"TIRE_PRESSURE"},
    "who won the match last night?": {"WINDOW_POS"},
}


def render(catalog: Catalog, weights: int, state: list[dict]) -> str:
    """The HTML document for a model of so many weights; every text is escaped, only the drawing is markup.

    `state` is what `outcome.state` says of the visitor's car; a catalog without a car gets a page for calls alone.
    """
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    names, with_car = {item.name for item in catalog.properties}, bool(catalog.properties)
    return environment.get_template("page.html").render(
        title="Ask the car" if with_car else "Ask for a call",
        lead=f"What you write becomes calls{', and a simulated car carries them out' if with_car else ''}.",
        model=f"The model has {weights / 1e6:,.1f} million weights and runs on this machine. "
        f"It chooses from {len(catalog.tools):,} tools, each one token.",
        state=json.dumps(state),
        groups=groups(catalog),
        examples=[example for example, needed in EXAMPLES.items() if needed <= names],
        call=json.dumps(refusable(catalog), ensure_ascii=False),
        car=Markup((HERE / "car.svg").read_text(encoding="utf-8")),
        longest=LONGEST,
    )


def groups(catalog: Catalog) -> dict[str, list[dict]]:
    """Heading -> the properties under it, each with its name and label; empty without a car."""
    found: dict[str, list[dict]] = {heading: [] for heading in (*words.GROUPS, words.OTHERS)}
    for item in catalog.properties:
        found[words.group(item)].append({"name": item.name, "label": words.label(item)})
    return {heading: rows for heading, rows in found.items() if rows}


def refusable(catalog: Catalog) -> dict:
    """A call to begin with: one that the car refuses as out of range, or else the first tool without its arguments."""
    for item in catalog.properties:
        area = item.areas[0]
        if item.writable and area.maximum is not None:
            arguments = {"propertyName": item.name, "areaId": area.id, "value": area.maximum + 4}
            return {"name": accessor("set", item), "arguments": arguments}
    return {"name": catalog.tools[0].function, "arguments": dict(catalog.tools[0].bound)}
