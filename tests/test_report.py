"""The report: what it reads, what it says where something is missing, and how Chromium shows it."""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import headless, make_project, script

from toolgen.report import change, charts, confusion, evaluation, losses, page, parts, timing, worst

HOSTILE = """</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> "it's" & {{ 7 * 7 }}"""
SCORE = {"value": 0.8, "n": 400, "low": 0.76, "high": 0.8376}
WORST = f"""The worst 2 of 2 wrong answers.

| query | kind | wanted | answered | soft |
|---|---|---|---|--:|
| {HOSTILE} | single | `<<WINDOW_POS&&set>> front left 0` or `<<WINDOW_POS&&get>>` | no call | 0.00 |
| one \\| two | single | no call | `<<WINDOW_POS&&get>>` | 0.50 |
"""
SECTIONS = [
    "Headline", "Change since the last commit", "By slice", "By kind", "By property", "Clean against noisy", "Peers",
    "Worst cases", "Confusion of tools", "Learning curves", "Coverage of the data", "Timing",
]  # fmt: skip


def exact(value: float, **groups: dict) -> dict:
    score = {"value": value, "n": 100, "low": max(value - 0.05, 0.0), "high": min(value + 0.05, 1.0)}
    return {"exact_match": score, "invalid_calls": {**score, "value": 0.0, "low": 0.0, "high": 0.0},
            "abstention": {"precision": 0.9, "recall": 0.95, "n": 100},
            **{f"exact_match_by_{name}": found for name, found in groups.items()}}  # fmt: skip


def evaluated(spoken: float) -> dict:
    kinds = {"single": SCORE, "no-call": {"value": None, "n": 0}, HOSTILE: SCORE}
    properties = {f"PROPERTY_OF_A_LONG_NAME_{i}": {"value": i / 20, "n": 9} for i in range(20)}
    calls = {"spoken": exact(spoken, kind=kinds), "spoken_noisy": exact(0.7, kind=kinds),
             "spoken_test": exact(0.81), "a_slice_of_tomorrow": exact(1.0)}  # fmt: skip
    return {
        "memorization": {"tool_memorization": {"accuracy": 1, "macro_f1": 1.0}},
        "retrieval": {
            "agent_tuning": {"spoken": {"n": 340, "ndcg_at_1": 0.93, "mrr": SCORE}},
            "bm25": {"spoken": {"n": 340, "ndcg_at_1": 0.27, "mrr": 0.43}},
        },
        "calls": calls,
        "calls_by_property": properties,
        "calls_nearest_query": {"spoken": {"exact_match": SCORE}},
    }


def write(folder: Path, files: dict[str, object]) -> None:
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def project(folder: Path) -> Path:
    """A folder in which every stage has run, and whose last commit knew lower scores."""
    make_project(folder)
    write(folder, {"metrics/evaluate.json": evaluated(0.7)})
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for words in (["init", "-q"], ["add", "metrics"], [*author, "commit", "-q", "-m", "Lower scores"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    curve = "step\tloss\n1\t8.5\n2\tnan\n3\t0.5\n4\t0.05\n"
    write(folder, {
        "metrics/evaluate.json": evaluated(0.8),
        "metrics/generate.json": {"replies": 60, "phrases": {"by_tool": {"A_DOOR&&get": 3, "A_DOOR&&set": 30}}},
        "metrics/refine.json": {"kept": {"train": 49950}, "rejected": {"near_duplicate": 7}, "repairs": {}},
        "metrics/prepare.json": {"evaluation": {"spoken_dev": 2}},
        "metrics/timing/evaluate.json": {
            "seconds": 70.1, "prompt_tokens": 12.5, "ms_per_query_single": {"median": 7.68, "p95": 16.02},
            "prompt_method": {"prompt_tokens": 2500, "ms_per_query_single": {"median": 768}},
        },
        "metrics/worst.md": WORST,
        "metrics/predictions/spoken_test.jsonl": '{"query": "a secret of the test half", "calls": ""}\n',
        "plots/evaluate/confusion.csv": "actual,predicted\nA&&get,A&&get\n" + "A&&get,B&&get\n" * 2 + "B&&get,B&&get\n",
        **{f"metrics/{stage}.json": {"examples": 10, "steps": 4, "parameters": 1327232}
           for stage in ("tool_memorization", "retrieval_training", "agent_tuning")},
        **{f"plots/{stage}/plots/metrics/loss.tsv": curve
           for stage in ("tool_memorization", "retrieval_training", "agent_tuning")},
    })  # fmt: skip
    return folder


def made(folder: Path) -> str:
    """The page that the script writes in `folder`."""
    done = script(folder, "report")
    assert done.returncode == 0, done.stderr
    assert (folder / "reports/report.html").as_uri() in done.stdout
    return (folder / "reports/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("full"))
    made(folder)
    return folder


# The page's text.


def test_every_section_is_there_and_lacks_nothing(full):
    text = (full / "reports/report.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.+?)</h2>", text) == SECTIONS
    assert 'class="missing"' not in text


def test_the_page_names_nothing_that_it_would_load(full):
    text = (full / "reports/report.html").read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text and "url(" not in text and "@import" not in text
    assert "http://" not in text and "https://" not in text
    assert all(link.startswith("#") for link in re.findall(r'(?:href|src)="([^"]*)"', text))


def test_the_test_half_is_not_shown(full):
    text = (full / "reports/report.html").read_text(encoding="utf-8")
    assert "secret" not in text and "spoken, test half" in text


def test_the_same_files_give_the_same_bytes(full):
    before = (full / "reports/report.html").read_text(encoding="utf-8")
    assert made(full) == before


def test_what_is_missing_is_left_out_with_the_command_that_makes_it(tmp_path):
    write(make_project(tmp_path), {"metrics/retrieval_training.json": {"skipped": "num_epochs is 0"}})
    text = made(tmp_path)
    lines = re.findall('<p class="missing">(.+?)</p>', text)
    assert "There is no metrics/evaluate.json: run <code>make evaluate</code>." in lines
    assert "There is no metrics/refine.json: run <code>make data</code>." in lines
    assert "retrieval_training was skipped: num_epochs is 0." in lines
    assert any(line.startswith("There is no curve in") and "make train" in line for line in lines)
    assert any("There is no commit" in line for line in lines)
    assert "<table>" not in text


@pytest.mark.parametrize("files, said", [
    ({}, "metrics/ holds nothing to report: run `make all` first"),
    ({"metrics/evaluate.json": "[]"}, "metrics/evaluate.json: expected an object, found list"),
    ({"metrics/evaluate.json": "{"}, "metrics/evaluate.json:1: not JSON"),
])  # fmt: skip
def test_a_mistake_is_one_line(tmp_path, files, said):
    write(make_project(tmp_path), files)
    done = script(tmp_path, "report")
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "reports").exists()


# Its parts.


@pytest.mark.parametrize("found, wanted", [
    (SCORE, parts.Score(0.8, 0.76, 0.8376, 400)),
    (1, parts.Score(1.0)),
    ({"value": None, "n": 0}, None),
    ({"value": 0.5, "low": None}, parts.Score(0.5)),
    (True, None), (float("nan"), None), ("0.5", None), ([], None), (None, None),
])  # fmt: skip
def test_a_score_is_read_from_either_form(found, wanted):
    assert parts.score(found) == wanted


def test_scores_of_an_unknown_form_are_left_out():
    scores = {"calls": {"spoken": {"exact_match": "good", "of_tomorrow": {"low": 1}}}, "retrieval": [], "timing": 3}
    for section in (evaluation.by_kind(scores), evaluation.by_property(scores), evaluation.clean_and_noisy(scores)):
        assert section.missing and not section.tables
    sections = evaluation.headline(scores, None), evaluation.by_slice(scores), evaluation.peers(scores)
    page.render("t", "s", list(sections))


def test_clean_stands_beside_noisy():
    (table,) = evaluation.clean_and_noisy(evaluated(0.8)).tables
    assert [row[0] for row in table.rows] == ["spoken, all", "spoken, all: single", f"spoken, all: {HOSTILE}"]
    assert [each.text for each in table.rows[0][2:4]] == ["80.0%", "70.0%"]
    assert table.rows[0][4] == "−10.0 points"


def test_change_by_hand():
    before = {"calls": {"spoken": {"exact_match": SCORE, "valid": 1.0}}, "old": 0.5}
    now = {"calls": {"spoken": {"exact_match": {**SCORE, "value": 0.7}, "valid": 1}}, "new": 0.25}
    found = {key: (first, second) for key, first, second in change.pairs(before, now)}
    first, second = found["calls", "spoken", "exact_match"]
    assert change.verdict(first, second) == ("▼ −10.0 points", "outside the earlier interval")
    assert change.verdict(first, parts.Score(0.81)) == ("▲ +1.0 points", "within the earlier interval")
    assert change.verdict(*found["old",]) == ("", "gone") and change.verdict(*found["new",]) == ("", "new")
    first, second = found["calls", "spoken", "valid"]
    assert first.value == second.value


def test_only_confused_pairs_are_listed(full, monkeypatch):
    monkeypatch.chdir(full)
    (table,) = confusion.section().tables
    assert [(row[0], row[1], row[3]) for row in table.rows] == [("A&&get", "B&&get", "2 of 3")]


def test_worst_cases_are_those_of_the_table(full, monkeypatch):
    monkeypatch.chdir(full)
    (table,) = worst.section().tables
    wanted = "`<<WINDOW_POS&&set>> front left 0` or `<<WINDOW_POS&&get>>`"
    assert table.rows == [(HOSTILE, "single", wanted, "no call", "0.00"),
                          ("one | two", "single", "no call", "`<<WINDOW_POS&&get>>`", "0.50")]  # fmt: skip


@pytest.mark.parametrize("text", ["", "no table here", "| query |\n|---|\n"])
def test_a_table_without_rows_is_none(tmp_path, monkeypatch, text):
    write(tmp_path, {"metrics/worst.md": text})
    monkeypatch.chdir(tmp_path)
    assert worst.section().tables == []


def test_the_prompt_method_stands_beside_the_model(full, monkeypatch):
    monkeypatch.chdir(full)
    table = timing.section().tables[1]
    assert table.rows == [("prompt tokens", "12.5", "2,500", "200.0 times"),
                          ("ms per query single, median", "7.68", "768", "100.0 times")]  # fmt: skip


def test_a_curve_leaves_out_what_is_no_number(full):
    points = losses.loss(full / "plots/agent_tuning/plots/metrics/loss.tsv")
    assert points == [(1, 8.5), (3, 0.5), (4, 0.05)]
    drawing = charts.curve('a "name"', points)
    assert 'aria-label="Loss of a &#34;name&#34; from 8.5 at step 1 to 0.05 at step 4' in drawing
    assert [text for text in ("0.01", "0.1", "1", "10") if f">{text}</text>" in drawing] == ["0.01", "0.1", "1", "10"]


@pytest.mark.parametrize("points", [[(0, 0.0)], [(3, 1.0), (3, 1.0)], [(1, 1e9), (2, 1e-9)]])
def test_a_curve_of_odd_losses_has_finite_places(points):
    drawing = charts.curve("stage", points)
    assert "nan" not in drawing and "inf" not in drawing


def test_timing_is_flat():
    assert list(timing.leaves({"a": {"p95": 2, "note": "x"}, "ms_per_query": 1.5})) == [
        ("a, 95th percentile", 2), ("ms per query", 1.5)
    ]  # fmt: skip


# In a browser.

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")


@pytest.fixture(scope="module")
def browser():
    """Chromium that can reach no network."""
    with headless("MAP * ~NOTFOUND") as driver:
        yield driver


def shown(driver, path: Path, width: int, scheme: str) -> bytes:
    """Load a page of `path` as on a screen of `width`; a screenshot of its start."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 1800, "deviceScaleFactor": 1, "mobile": width < 600
    })  # fmt: skip
    colours = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": colours})
    driver.get(path.as_uri())
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    return base64.b64decode(shot["data"])


def requested(driver) -> set[str]:
    """Every address that the pages since the last call asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {message["params"]["request"]["url"] for message in messages
            if message["method"] == "Network.requestWillBeSent"}  # fmt: skip


# WCAG 2.1, 1.4.3: relative luminance and contrast of each text against the nearest background that is not clear.
FAINT_TEXTS = """
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = colour => parts(colour).slice(0, 3).map(c => c / 255)
  .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = node => {
  for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor, found = parts(colour);
    if (found.length === 3 || found[3] > 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const faint = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
  if (!text) continue;
  const style = getComputedStyle(node), colour = node.closest("svg") ? style.fill : style.color;
  const [low, high] = [luminance(colour), luminance(behind(node))].sort((a, b) => a - b);
  if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(text);
}
return faint;
"""
# Texts of a chart outside of it or over one another.
MISPLACED = """
const bad = [];
for (const svg of document.querySelectorAll("svg.figure")) {
  const frame = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect());
  boxes.forEach((a, i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
      bad.push("outside");
    if (boxes.some((b, j) => j < i && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom))
      bad.push("over another");
  });
}
return bad;
"""


NARROW = """
const charts = [...document.querySelectorAll("svg.row, svg.figure")].filter(svg => svg.checkVisibility());
return charts.filter(svg => svg.getBoundingClientRect().width < 100).length;
"""
PIXELS = """
const [png, done] = arguments, image = new Image();
image.onload = () => {
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer), counts = new Map();
  for (const colour of data) counts.set(colour, (counts.get(colour) || 0) + 1);
  const hex = colour => "#" + [0, 8, 16].map(shift => (colour >> shift & 255).toString(16).padStart(2, "0")).join("");
  done(Object.fromEntries([...counts].map(([colour, count]) => [hex(colour), count])));
};
image.src = "data:image/png;base64," + png;
"""


def pixels(driver, screenshot: bytes) -> dict[str, int]:
    """How many pixels there are of each colour, counted on a page without a policy of its own."""
    driver.get("about:blank")
    return driver.execute_async_script(PIXELS, base64.b64encode(screenshot).decode())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_in_chromium(browser, full, width, scheme):
    path = full / "reports/report.html"
    requested(browser)
    screenshot = shown(browser, path, width, scheme)
    (full / f"{width}-{scheme}.png").write_bytes(screenshot)
    run = browser.execute_script
    assert requested(browser) == {path.as_uri()}
    assert browser.get_log("browser") == []
    assert run("return [...document.querySelectorAll('h2')].map(h => h.textContent)") == SECTIONS
    assert run("return document.documentElement.scrollWidth") <= width
    assert run("return document.querySelectorAll('svg.figure[role=img][aria-label]').length") == 3
    assert run("return document.querySelectorAll('svg.row[aria-hidden=true]').length") > 30
    assert run(NARROW) == 0
    assert run(FAINT_TEXTS) == []
    assert run(MISPLACED) == []


@pytest.mark.parametrize("scheme, colours", [
    ("light", {"paper": "#ffffff", "first": "#1f5fbf"}), ("dark", {"paper": "#15171b", "first": "#7db0ff"})
])  # fmt: skip
def test_the_screenshot_holds_the_charts(browser, full, scheme, colours):
    painted = pixels(browser, shown(browser, full / "reports/report.html", 1280, scheme))
    assert max(painted, key=painted.get) == colours["paper"]
    assert painted[colours["first"]] > 300


def test_a_hostile_text_is_text(browser, full):
    shown(browser, full / "reports/report.html", 1280, "light")
    run = browser.execute_script
    assert HOSTILE in run("return [...document.querySelectorAll('#worst-cases tbody th')].map(h => h.innerText)")
    assert HOSTILE in run("return document.querySelector('#by-kind').innerText")
    assert run("return window.hacked") is None
    assert run("return document.scripts.length + document.images.length") == 0


def test_print_shows_what_is_folded_away_in_black_on_white(browser, full):
    shown(browser, full / "reports/report.html", 1280, "dark")
    table = "document.querySelector('#by-property details table')"
    folded = f"return {table}.checkVisibility({{contentVisibilityAuto: true}})"
    assert not browser.execute_script(folded)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert browser.execute_script(folded)
    assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert browser.execute_script("return document.querySelector('nav').checkVisibility()") is False
    assert base64.b64decode(browser.print_page()).startswith(b"%PDF")
