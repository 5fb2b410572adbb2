from pathlib import Path

import pytest

from toolgen import catalog as catalogs
from toolgen.car import Car, Refused, accessor, run, value_fault

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")


def get(name: str, area: int, kind: str) -> dict:
    return {"name": f"get{kind}Property", "arguments": {"propertyName": name, "areaId": area}}


def put(name: str, area: int, kind: str, value: object) -> dict:
    return {"name": f"set{kind}Property", "arguments": {"propertyName": name, "areaId": area, "value": value}}


EVERY_PLACE = [(item, area) for item in CATALOG.properties for area in item.areas]


@pytest.mark.parametrize(("item", "area"), EVERY_PLACE, ids=[f"{item.name}-{area.id}" for item, area in EVERY_PLACE])
def test_every_property_starts_with_a_value_it_can_hold(item, area):
    call = {"name": accessor("get", item), "arguments": {"propertyName": item.name, "areaId": area.id}}
    answer = Car(CATALOG).execute(call)
    assert answer["status"] == "ok"
    assert value_fault(answer["value"], item, area) is None
    assert (type(answer["value"]) is float) == (item.type == "Float")
    assert Car(CATALOG).state()[item.name, area.id] == answer["value"]


def test_state_has_one_entry_for_each_property_and_area():
    assert set(Car(CATALOG).state()) == {(item.name, area.id) for item, area in EVERY_PLACE}


def test_the_start_is_plausible():
    state = Car(CATALOG).state()
    assert state["PARKING_BRAKE_ON", 0] and state["PERF_VEHICLE_SPEED", 0] == 0
    assert 0 < state["EV_BATTERY_LEVEL", 0] < state["EV_CURRENT_BATTERY_CAPACITY", 0]
    assert state["EV_CURRENT_BATTERY_CAPACITY", 0] < state["INFO_EV_BATTERY_CAPACITY", 0]
    assert 0 < state["FUEL_LEVEL", 0] < state["INFO_FUEL_CAPACITY", 0]
    assert not state["FUEL_LEVEL_LOW", 0]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"name": "flyToTheMoon", "arguments": {}}, "unknown_function"),
        (get("TURBO_BOOST", 0, "Float"), "unknown_property"),
        ({"name": "getFloatProperty", "arguments": {"areaId": 0}}, "unknown_property"),
        ({"name": "getFloatProperty", "arguments": {"propertyName": ["FUEL_LEVEL"], "areaId": 0}}, "unknown_property"),
        (get("FUEL_LEVEL", 0, "Int"), "wrong_accessor"),
        (get("INFO_FUEL_TYPE", 0, "Int"), "wrong_accessor"),
        (put("HVAC_POWER_ON", 1, "Int", 1), "wrong_accessor"),
        (get("WINDOW_POS", 1, "Int"), "bad_area"),
        (get("WINDOW_POS", "16", "Int"), "bad_area"),
        (get("HVAC_FAN_SPEED", True, "Int"), "bad_area"),
        (put("HVAC_TEMPERATURE_SET", 2, "Float", 21.0), "bad_area"),
        ({"name": "getFloatProperty", "arguments": {"propertyName": "FUEL_LEVEL"}}, "bad_schema"),
        ({"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16}}, "bad_schema"),
        (get("FUEL_LEVEL", 0, "Float") | {"arguments": {"propertyName": "FUEL_LEVEL", "areaId": 0, "value": 1.0}},
         "bad_schema"),
        (put("FUEL_LEVEL", 0, "Float", 1.0), "read_only"),
        (put("PARKING_BRAKE_ON", 0, "Boolean", False), "read_only"),
        (put("WINDOW_POS", 16, "Int", True), "bad_type"),
        (put("WINDOW_POS", 16, "Int", 5.0), "bad_type"),
        (put("WINDOW_POS", 16, "Int", "5"), "bad_type"),
        (put("WINDOW_POS", 16, "Int", None), "bad_type"),
        (put("DOOR_LOCK", 1, "Boolean", 1), "bad_type"),
        (put("WINDOW_POS", 16, "Int", 11), "out_of_range"),
        (put("WINDOW_POS", 16, "Int", -1), "out_of_range"),
        (put("WINDOW_POS", 65536, "Int", -11), "out_of_range"),
        (put("HVAC_TEMPERATURE_SET", 1, "Float", 32.6), "out_of_range"),
        (put("HVAC_TEMPERATURE_SET", 1, "Float", float("nan")), "out_of_range"),
        (put("HVAC_TEMPERATURE_SET", 1, "Float", 10**400), "out_of_range"),
        (put("RANGE_REMAINING", 0, "Float", float("inf")), "out_of_range"),
        (put("EV_CHARGE_PERCENT_LIMIT", 0, "Float", 100.5), "out_of_range"),
        (put("EV_CHARGE_PERCENT_LIMIT", 0, "Float", -0.5), "out_of_range"),
        (put("HEADLIGHTS_SWITCH", 0, "Int", 3), "not_in_enum"),
        (put("HVAC_FAN_DIRECTION", 1, "Int", 5), "not_in_enum"),
    ],
)  # fmt: skip
def test_refuses_as_the_accessors_do(call, reason):
    car = Car(CATALOG)
    before = car.state()
    with pytest.raises(Refused) as refusal:
        car.execute(call)
    assert refusal.value.reason == reason
    assert car.state() == before


def test_a_write_shows_in_the_answer_the_state_and_the_next_read_of_its_own_area_alone():
    car = Car(CATALOG)
    before = car.state()
    assert car.execute(put("WINDOW_POS", 64, "Int", 10)) == {"status": "ok", "value": 10}
    assert car.execute(get("WINDOW_POS", 64, "Int")) == {"status": "ok", "value": 10}
    assert car.state() == before | {("WINDOW_POS", 64): 10}


def test_the_same_window_takes_values_by_its_area():
    assert Car(CATALOG).execute(put("WINDOW_POS", 65536, "Int", -10))["value"] == -10


def test_the_car_itself_would_let_its_range_be_written():
    assert run(CATALOG, [put("RANGE_REMAINING", 0, "Float", 1000.0)])["RANGE_REMAINING", 0] == 1000.0


def test_21_and_21_0_leave_the_car_in_one_state_of_one_type():
    whole, decimal = (run(CATALOG, [put("HVAC_TEMPERATURE_SET", 1, "Float", value)]) for value in (21, 21.0))
    assert whole == decimal
    assert type(whole["HVAC_TEMPERATURE_SET", 1]) is float


def test_run_starts_from_a_fresh_car_each_time():
    run(CATALOG, [put("WINDOW_POS", 16, "Int", 10)])
    assert run(CATALOG, []) == Car(CATALOG).state()


def test_the_order_of_writes_counts_only_where_they_meet():
    up, down = put("WINDOW_POS", 16, "Int", 0), put("WINDOW_POS", 16, "Int", 10)
    lock = put("DOOR_LOCK", 1, "Boolean", False)
    assert run(CATALOG, [up, lock]) == run(CATALOG, [lock, up])
    assert run(CATALOG, [up, down]) != run(CATALOG, [down, up])


def test_written_tells_an_idle_car_from_one_told_what_already_holds():
    idle, told = Car(CATALOG), Car(CATALOG)
    told.execute(put("WINDOW_POS", 16, "Int", idle.state()["WINDOW_POS", 16]))
    assert told.state() == idle.state()
    assert told.written != idle.written


def test_run_raises_at_the_first_refusal():
    with pytest.raises(Refused, match="read_only: FUEL_LEVEL"):
        run(CATALOG, [put("WINDOW_POS", 16, "Int", 10), put("FUEL_LEVEL", 0, "Float", 1.0)])


def test_answers_and_states_share_no_list_with_the_car():
    car = Car(CATALOG)
    car.execute(get("INFO_FUEL_TYPE", 0, "IntArray"))["value"].append(99)
    assert 99 not in car.execute(get("INFO_FUEL_TYPE", 0, "IntArray"))["value"]


def small_car(**changes) -> catalogs.Catalog:
    item = {"name": "P", "type": "Integer", "access": "ReadWrite", "areas": [{"id": 0, "name": "car"}]} | changes
    type_name = catalogs.ACCESSOR[item["type"]][0]
    return catalogs.build([{"name": f"{verb}{type_name}Property"} for verb in ("get", "set")], [item])


@pytest.mark.parametrize(
    ("kind", "fits", "does_not"),
    [
        ("Integer", 2**31 - 1, 2**31),
        ("Integer", -(2**31), -(2**31) - 1),
        ("Long", 2**63 - 1, 2**63),
        ("IntArray", [1, -5], [2**31]),
        ("FloatArray", [1, 2.5], [float("nan")]),
    ],
)
def test_numbers_fit_what_the_accessor_carries(kind, fits, does_not):
    car, name = small_car(type=kind), catalogs.ACCESSOR[kind][0]
    assert run(car, [put("P", 0, name, fits)])["P", 0] == fits
    with pytest.raises(Refused) as refusal:
        run(car, [put("P", 0, name, does_not)])
    assert refusal.value.reason == "out_of_range"


@pytest.mark.parametrize("value", ["[1]", (1,), [1, "2"], [True], [[1]], 1])
def test_an_array_holds_elements_of_its_type(value):
    with pytest.raises(Refused) as refusal:
        run(small_car(type="IntArray"), [put("P", 0, "IntArray", value)])
    assert refusal.value.reason == "bad_type"


def test_a_written_list_is_the_cars_own():
    car, value = Car(small_car(type="IntArray")), [1, 2]
    car.execute(put("P", 0, "IntArray", value))
    value.append(3)
    assert car.state()["P", 0] == [1, 2]


def test_a_property_for_writing_only_cannot_be_read_and_shows_once_written():
    car = Car(small_car(access="WriteOnly"))
    assert car.state() == {}
    with pytest.raises(Refused, match="write_only"):
        car.execute(get("P", 0, "Int"))
    car.execute(put("P", 0, "Int", 4))
    assert car.state() == {("P", 0): 4}


def test_a_start_that_does_not_fit_another_catalog_gives_way():
    car = small_car(name="HVAC_FAN_SPEED", areas=[{"id": 0, "name": "car", "minimum": 5, "maximum": 9}])
    assert Car(car).state() == {("HVAC_FAN_SPEED", 0): 5}


def test_a_catalog_without_properties_makes_no_car():
    with pytest.raises(AssertionError):
        Car(catalogs.build([{"name": "search"}], []))
