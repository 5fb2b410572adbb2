"""The demo: a page whose calls come from a real decoder, a car that carries them out, and what the server refuses."""

import json
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

import pytest
import uvicorn
from conftest import ENVIRONMENT, ROOT
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from starlette.testclient import TestClient
from test_report import FAINT_TEXTS

from toolgen import catalog, checkpoints
from toolgen.car import Car, starting_value
from toolgen.decoding import Decoder
from toolgen.serving import server
from toolgen.serving.demo import app, outcome, page, sessions, words
from toolgen.serving.engine import Engine

HOSTILE = "<img src=x onerror=alert(1)>"
NEVER, ALWAYS = 1000.0, -1000.0  # thresholds that leave a model of random weights no choice of whether to call
SETTER = {"name": "setIntProperty", "description": "Writes a whole number."}
WINDOW = {  # all that a bound decoder can do with it is to open it
    "name": "WINDOW_POS", "type": "Integer", "access": "WriteOnly",
    "areas": [{"id": 16, "name": "front left", "minimum": 10, "maximum": 10}],
}  # fmt: skip
PLAY = {"name": "play", "parameters": {
    "type": "object", "properties": {"song": {"enum": [HOSTILE]}}, "required": ["song"], "additionalProperties": False,
}}  # fmt: skip
OPENED = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}


def decoder(functions: list[dict], properties: list[dict], threshold: float) -> Decoder:
    """A decoder of random weights that is bound to these tools."""
    tools = catalog.build(functions, properties)
    shape = checkpoints.Shape(vocab_size=400, hidden_size=16, intermediate_size=16, num_layers=1, num_heads=1)
    model, tokenizer = checkpoints.from_scratch(['open the window 10 {"song":"any"}'] * 5, tools, shape, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    info = checkpoints.Info("agent_tuning", "from_scratch")
    found = Decoder(checkpoints.Checkpoint(model, tokenizer, tools, info), threshold)
    found.max_tokens = 12 if properties else 100
    return found


@pytest.fixture
def visit():
    """A function that makes a visitor's browser for a decoder."""
    engines = []

    def make(found: Decoder, **headers: str) -> TestClient:
        engines.append(Engine(found))
        return TestClient(app.create(engines[-1]), "http://127.0.0.1", headers=headers)

    yield make
    for engine in engines:
        engine.stop()


@pytest.fixture(scope="module")
def whole(small_copy) -> checkpoints.Checkpoint:
    """A checkpoint of random weights with every tool of the car."""
    return small_copy()


@pytest.fixture
def car(visit, whole) -> TestClient:
    """A visitor of the whole car."""
    client = visit(Decoder(whole))
    assert client.get("/").status_code == 200
    return client


def lines(response) -> list[dict]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def carried_out(client: TestClient, name: str, **arguments: object) -> dict:
    call = json.dumps({"name": name, "arguments": arguments})
    (line,) = lines(client.post("/call", json={"call": call}))
    return line


# What the page says and draws.


def test_every_part_of_the_drawing_is_a_property_in_an_area_of_the_catalog(catalog_path):
    tools = catalog.load(catalog_path)
    areas = {(item.name, str(area.id)) for item in tools.properties for area in item.areas}
    drawn = [part.attrib for part in ElementTree.parse(page.HERE / "car.svg").iter() if "data-property" in part.attrib]
    assert len(drawn) > 60
    assert {(part["data-property"], part["data-area"]) for part in drawn} <= areas


def test_every_property_of_the_car_has_a_row_and_every_group_labels_of_its_own(car, catalog_path):
    tools = catalog.load(catalog_path)
    text = car.get("/").text
    assert all(f'data-row="{item.name}"' in text for item in tools.properties)
    for rows in page.groups(tools).values():
        assert len({row["label"] for row in rows}) == len(rows)


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(car):
    response = car.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy and "data:" not in policy
    assert "//" not in response.text.replace("http://www.w3.org", "") and " style=" not in response.text
    for path in app.ASSETS:
        asset = car.get(path)
        assert asset.status_code == 200 and "url(http" not in asset.text and "@import" not in asset.text


@pytest.mark.parametrize(
    ("name", "area", "held", "said"),
    [
        ("WINDOW_POS", 16, 10, "open 100%"),
        ("WINDOW_POS", 65536, -5, "tilted 50%"),
        ("DOOR_POS", 1, 1, "open"),
        ("DOOR_LOCK", 1, False, "unlocked"),
        ("HVAC_SEAT_TEMPERATURE", 1, -2, "cooled 2 of 2"),
        ("HVAC_FAN_SPEED", 1, 6, "6 of 7"),
        ("SEAT_HEIGHT_POS", 1, -3, "down 3 of 10"),
        ("HEADLIGHTS_SWITCH", 0, 256, "automatic"),
        ("INFO_FUEL_TYPE", 0, [1, 10], "unleaded gasoline, electric"),
        ("RANGE_REMAINING", 0, 540000.0, "540 km"),
        ("EV_CHARGE_PERCENT_LIMIT", 0, 80.0, "80%"),
        ("INFO_MAKE", 0, "", "none"),
    ],
)
def test_values_in_words(catalog_path, name, area, held, said):
    item = catalog.load(catalog_path).property_names[name]
    assert words.value(held, item, item.area(area)) == said


def test_several_areas_in_words(catalog_path):
    item = catalog.load(catalog_path).property_names["WINDOW_POS"]
    held = {area.id: starting_value(item, area) for area in item.areas}
    assert words.everywhere(held, item) == "all shut"
    assert words.everywhere(held | {16: 5}, item) == "front left open 50%, others shut"
    assert words.everywhere({}, item) == "unknown"


# What becomes of a request.


def test_a_request_opens_the_window_and_says_what_it_took(visit):
    client = visit(decoder([SETTER], [WINDOW], NEVER))
    client.get("/")
    *calls, last = lines(client.post("/ask", json={"query": "it's stuffy in here"}))
    assert calls and all(call["kind"] == "done" for call in calls)
    assert calls[0]["what"] == "Window: open 100%" and calls[0]["when"].endswith(" ms")
    assert calls[0]["code"] == f"setIntProperty {json.dumps(OPENED['arguments'])}"
    assert calls[0]["property"] == {"name": "WINDOW_POS", "values": {"16": 10}, "words": "open 100%"}
    assert "tokens read; with the whole catalog in the prompt" in last["cost"]


def test_a_request_without_a_call_says_so(visit, whole):
    found = lines(visit(Decoder(whole, ALWAYS)).post("/ask", json={"query": "hello"}))
    assert found[0].keys() == {"state"}  # of a car that this visitor has not seen yet
    assert found[1]["kind"] == "none" and found[1]["what"].startswith("No call.")


def test_calls_of_a_catalog_without_a_car_are_shown(visit):
    client = visit(decoder([PLAY], [], NEVER))
    text = client.get("/").text
    assert "<svg" not in text and "Reset" not in text and "chip" not in text and HOSTILE not in text
    *calls, _ = lines(client.post("/ask", json={"query": "some music"}))
    assert {call["kind"] for call in calls} == {"shown"} and calls[0]["code"] == f'play {{"song": "{HOSTILE}"}}'
    assert client.post("/reset").json() == []


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("setIntProperty", {"propertyName": "WINDOW_POS", "areaId": 16, "value": 14}, "Out of range: WINDOW_POS takes"),
        ("setFloatProperty", {"propertyName": "TIRE_PRESSURE", "areaId": 1, "value": 240}, "lets nobody write this"),
        ("setFloatProperty", {"propertyName": "RANGE_REMAINING", "areaId": 0, "value": 1}, "lets nobody write this"),
        ("setIntProperty", {"propertyName": "WINDOW_POS", "areaId": 3, "value": 1}, "No such place"),
        ("setIntProperty", {"propertyName": "WINDOW_POS", "areaId": 16, "value": "1"}, "wrong kind of value"),
        ("setIntProperty", {"propertyName": "WINDOW_POS", "areaId": 16}, "arguments do not fit"),
        ("setBooleanProperty", {"propertyName": "WINDOW_POS", "areaId": 16, "value": True}, "wrong function"),
        ("setIntProperty", {"propertyName": "HEADLIGHTS_SWITCH", "areaId": 0, "value": 3}, "No such setting"),
        ("setIntProperty", {"propertyName": HOSTILE, "areaId": 0, "value": 3}, "has no such property"),
        ("fly", {}, "There is no such function: fly."),
    ],
)
def test_refused_calls_are_explained(car, name, arguments, why):
    line = carried_out(car, name, **arguments)
    assert line["kind"] == "refused" and why in line["what"] and "property" not in line


def test_every_visitor_has_a_car_and_reset_makes_it_anew(visit, whole):
    first, second = visit(Decoder(whole)), visit(Decoder(whole))
    for client in (first, second):
        client.get("/")
    opened = carried_out(first, "setIntProperty", propertyName="WINDOW_POS", areaId=16, value=5)
    assert opened["property"]["words"] == "front left open 50%, others shut"
    read = {"name": "getIntProperty", "propertyName": "WINDOW_POS", "areaId": 16}
    assert carried_out(first, **read)["what"] == "Window, front left is open 50%"
    assert carried_out(second, **read)["what"] == "Window, front left is shut"
    assert first.post("/reset").json() == json.loads(json.dumps(outcome.state(Car(whole.catalog))))
    assert carried_out(first, **read)["what"] == "Window, front left is shut"


def test_no_more_cars_are_kept_than_may_be(catalog_path, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    kept = sessions.Sessions(catalog.load(catalog_path))
    keys = [kept.car("a key that nobody was given")[0] for _ in range(3)]
    assert kept.car(keys[0])[2] is False
    kept.car(None)
    assert [kept.car(key)[2] for key in (keys[0], keys[2], keys[1])] == [False, False, True]


# What the server refuses.


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_other_sites_may_not_ask(visit, whole, headers):
    client = visit(Decoder(whole), **headers)
    assert client.get("/").status_code in (400, 403)
    assert client.post("/ask", json={"query": "open"}).status_code in (400, 403)


@pytest.mark.parametrize(
    "body",
    [b"", b"open", b"[]", b'{"query": 3}', b'{"query": " "}', b'{"query": "\\ud800"}', b"\xff", b"[" * 9000,
     json.dumps({"query": "a" * 1001}).encode()],
)  # fmt: skip
def test_a_body_that_holds_no_query_is_refused(car, body):
    response = car.post("/ask", content=body)
    assert response.status_code == 400 and "expected" in response.json()["error"]["message"]


@pytest.mark.parametrize("call", ["x", "[]", "{}", '{"name": 1, "arguments": {}}', "[" * 900, '{"name": "\\ud800"}'])
def test_what_is_no_call_is_refused(car, call):
    assert car.post("/call", json={"call": call}).status_code == 400


def test_too_much_at_once_is_refused(car):
    assert car.post("/ask", content=b" " * (app.MAX_BODY + 1)).status_code == 413
    for _ in range(app.BURST):
        response = car.post("/call", json={"call": "x"})
    while response.status_code != 429:  # some come back in the time that this takes
        response = car.post("/call", json={"call": "x"})
    assert int(response.headers["retry-after"]) >= 1


def test_the_script_serves_the_page_until_it_is_told_to_stop(tmp_path, small, catalog_path):
    checkpoints.save(tmp_path / "model", small, catalog_path)
    command = [sys.executable, "scripts/demo.py", "--model", tmp_path / "model", "--port", "0"]
    environment = ENVIRONMENT | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=-1, stderr=-1)
    line = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert line.startswith("demo: model at http://127.0.0.1:"), line + errors
    assert errors == "" and process.returncode in (0, -signal.SIGTERM)


# In a browser.

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
PANE = "return getComputedStyle(document.querySelector('.left .window')).transform"
ROW = "return document.querySelector('[data-row=WINDOW_POS] dd').textContent"


@pytest.fixture
def address():
    """Where a decoder that can only open the window is served."""
    listening, engine = server.listen("127.0.0.1", 0), Engine(decoder([SETTER], [WINDOW], NEVER))
    serving = uvicorn.Server(uvicorn.Config(app.create(engine), lifespan="off", log_level="error"))
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
    thread.start()
    yield server.address(listening)
    serving.should_exit = True
    thread.join()
    engine.stop()


def shown(driver, address: str, width: int = 1280, scheme: str = "light") -> None:
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600
    })  # fmt: skip
    media = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]
    features = [{"name": name, "value": value} for name, value in media]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    driver.get_log("browser")
    driver.get(address)


def until(driver, script: str, wanted: object) -> None:
    """Wait, for at most half a minute, until a script returns what is wanted."""
    end = time.monotonic() + 30
    while (found := driver.execute_script(script)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def asked(driver, query: str) -> None:
    driver.find_element(By.ID, "query").send_keys(query, Keys.ENTER)
    until(driver, "return document.querySelector('#answers .cost')?.textContent.includes('tokens read')", True)
    until(driver, "return document.querySelector('#ask button').disabled", False)


def test_a_typed_request_opens_the_window_in_the_picture_and_reset_shuts_it(chromium, address):
    shown(chromium, address)
    shut = chromium.execute_script(PANE)
    asked(chromium, "it's stuffy in here")
    assert chromium.execute_script(PANE).startswith("matrix(0, ") and not shut.startswith("matrix(0, ")
    assert chromium.execute_script(ROW) == "open 100%"
    assert chromium.find_element(By.CSS_SELECTOR, "#answers .what").text == "Window: open 100%"
    chromium.find_element(By.ID, "reset").click()
    until(chromium, PANE, shut)
    assert chromium.execute_script(ROW) == "unknown"
    assert chromium.get_log("browser") == []


def test_an_example_is_asked_with_a_click_and_earlier_answers_are_kept(chromium, address):
    shown(chromium, address)
    asked(chromium, "let me breathe")
    chip = chromium.find_element(By.CLASS_NAME, "chip")
    chip.click()
    until(chromium, "return document.querySelector('#answers .query').textContent", chip.text)
    until(chromium, "return document.querySelector('#earlier .query').textContent", "let me breathe")


def test_markup_in_a_request_is_text(chromium, address):
    shown(chromium, address)
    asked(chromium, HOSTILE)
    assert chromium.find_element(By.CSS_SELECTOR, "#answers .query").text == HOSTILE
    assert chromium.find_elements(By.TAG_NAME, "img") == [] and chromium.get_log("browser") == []


def test_a_refused_call_is_explained_on_the_page(chromium, address):
    shown(chromium, address)
    chromium.find_element(By.CSS_SELECTOR, ".own summary").click()
    chromium.find_element(By.CSS_SELECTOR, "#call button").click()
    said = "return document.querySelector('#answers .refused .what')?.textContent"
    until(chromium, said, "Out of range: WINDOW_POS takes 10 to 10, not 14.")
    assert chromium.execute_script(ROW) == "unknown"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_its_width_and_can_be_read(chromium, address, width, scheme):
    shown(chromium, address, width, scheme)
    asked(chromium, "a request that takes more than one line, " * 4)
    run = chromium.execute_script
    assert run("return document.documentElement.scrollWidth") <= width
    assert run("return document.querySelector('#answers').getAttribute('aria-live')") == "polite"
    assert run("return [...document.querySelectorAll('input, textarea')].filter(field => !field.labels.length)") == []
    run("document.querySelector('.car').remove()")  # whose texts stand on the picture, not on the page
    assert run(FAINT_TEXTS) == []
    assert chromium.get_log("browser") == []
