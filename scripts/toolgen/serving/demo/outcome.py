"""What becomes of a call, and the state of the car, as the page is told of them."""

from ...car import Car, Refused
from ...catalog import Catalog, Property
from ...checks import Rejected, check_call
from ...records import dumps
from . import words


def of_call(call: dict, car: Car | None, catalog: Catalog) -> dict:
    """Have the car carry out one call: {"kind", "what", "code"}, and of a property that was written {"property"}.

    The kind is done, refused, or shown: of a tool that is no property of a car, the call is all there is.
    """
    told = {"code": f"{call['name']} {dumps(call['arguments'])}"}
    try:
        check_call(call, catalog)
        tool = catalog.tool_of(call)
        item = tool.vehicle_property
        if item is None:
            return told | {"kind": "shown", "what": tool.name}
        held = car.execute(call)["value"]
    except (Rejected, Refused) as refused:
        return told | {"kind": "refused", "what": words.refusal(refused.reason, refused.detail)}
    area = item.area(call["arguments"]["areaId"])
    done = told | {"kind": "done", "what": words.done(held, item, area, tool.writes)}
    return done | {"property": of_property(item, car.state())} if tool.writes else done


def state(car: Car | None) -> list[dict]:
    """`of_property` for everything that the car has; nothing without a car."""
    if car is None:
        return []
    held = car.state()
    return [of_property(item, held) for item in car.catalog.properties]


def of_property(item: Property, held: dict[tuple[str, int], object]) -> dict:
    """{"name", "values": area id -> value, "words"}; what cannot be read and was never written is left out."""
    values = {area.id: held[item.name, area.id] for area in item.areas if (item.name, area.id) in held}
    return {"name": item.name, "values": values, "words": words.everywhere(values, item)}
