import re
from collections import defaultdict
from pathlib import Path

import pytest

from toolgen import catalog as catalogs
from toolgen.bank.phrases import MANNERS, NEGATED, PLACES, SAID, counts, load
from toolgen.car import value_fault
from toolgen.numbers import normalise
from toolgen.records import BadRecord

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
BANK = load(ROOT / "data/phrases", CATALOG)

PLACES_YAML = "".join(f"{place}: {{whose: [x], after: [x], here: [x], who: [x]}}\n" for place in PLACES)
MANNERS_YAML = "".join(f"{name}: [x]\n" for name in MANNERS[:-1]) + "homophones: {x: [y]}\n"
NOCALL_YAML = """\
words: {city: [rome], person: [anna], song: [hello], number: ["3"]}
missing: [fly to {city}]
read_only: [drive faster]
music: [play it]
navigation: [go home]
phone: [call {person}]
""".replace("[fly to {city}]", '["fly to {city}"]').replace("[call {person}]", '["call {person}"]')
WINDOW_YAML = """\
WINDOW_POS:
  nouns: [window/windows]
  get: ["how open {is} {thing}"]
  set:
    10: ["open {thing}", "some air @rear"]
    "{value}": ["{thing} to {value}"]
WINDOW_POS/sunroof:
  set:
    "-{value}": ["tilt it by {value}"]
"""


def written(folder: Path, **files: str | bytes) -> Path:
    whole = {"places": PLACES_YAML, "manners": MANNERS_YAML, "nocall": NOCALL_YAML, "openings": WINDOW_YAML} | files
    for name, text in whole.items():
        (folder / f"{name}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_small_bank_loads(tmp_path):
    bank = load(written(tmp_path), CATALOG)
    found = {phrase.text: (phrase.tool, phrase.value, phrase.place, phrase.slot) for phrase in bank.phrases}
    assert found == {
        "how open {is} {thing}": ("WINDOW_POS&&get", None, None, "thing"),
        "open {thing}": ("WINDOW_POS&&set", 10, None, "thing"),
        "some air": ("WINDOW_POS&&set", 10, "rear", None),
        "{thing} to {value}": ("WINDOW_POS&&set", SAID, None, "thing"),
        "tilt it by {value}": ("WINDOW_POS&&set", NEGATED, None, None),
    }
    assert bank.phrases[0].nouns == (("window", "windows"),)
    assert bank.slips.homophones == {"x": ["y"]} and bank.words["city"] == ["rome"]
    assert list(bank.nocall) == ["missing", "read_only", "music", "navigation", "phone"]


def test_ids_depend_on_what_is_said_and_meant_alone(tmp_path):
    before = {phrase.text: phrase.id for phrase in load(written(tmp_path), CATALOG).phrases}
    more = WINDOW_YAML.replace('"open {thing}"', '"air please", "open {thing}"').replace("window/windows", "pane")
    after = {phrase.text: phrase.id for phrase in load(written(tmp_path, openings=more), CATALOG).phrases}
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)


def window(old: str, new: str) -> dict[str, str]:
    assert old in WINDOW_YAML
    return {"openings": WINDOW_YAML.replace(old, new, 1)}


@pytest.mark.parametrize(
    ("files", "where", "message"),
    [
        ({"openings": "a: [1\nb: }"}, "openings.yaml:2", "not YAML"),
        ({"openings": ""}, "openings.yaml:1", "empty"),
        ({"openings": b"WINDOW_POS:\n  get: [caf\xe9]\n"}, "openings.yaml:2", "not UTF-8"),
        ({"openings": "WINDOW_POS:\n  get: [\x07]\n"}, "openings.yaml:", "not YAML"),
        ({"openings": "- WINDOW_POS\n"}, "openings.yaml:1", "expected a mapping"),
        ({"openings": "? [a, b]\n: c\n"}, "openings.yaml:1", "expected a name before the colon"),
        (window("WINDOW_POS:", "WINDOWS:"), "openings.yaml:2", "the catalog has no property WINDOWS"),
        (window("WINDOW_POS/sunroof", "WINDOW_POS/attic"), "openings.yaml:8", "no area 'attic'; it has all,"),
        (window("WINDOW_POS/sunroof", "WINDOW_POS"), "openings.yaml:7", "'WINDOW_POS' stands twice"),
        (window("  get:", "  got:"), "openings.yaml:2", "unknown key got"),
        (window('["open {thing}", "some air @rear"]', "open {thing}"), "openings.yaml:5", "expected a list of phrases"),
        (window('["open {thing}", "some air @rear"]', "[]"), "openings.yaml:5", "expected a list of phrases"),
        (window('"open {thing}"', '""'), "openings.yaml:5", "expected a phrase in quotes"),
        (window('"open {thing}"', "{a: b}"), "openings.yaml:5", "expected a phrase in quotes"),
        (window("    10:", "    11:"), "openings.yaml:5", "11 is not a value of WINDOW_POS"),
        (window("    10:", "    -1:"), "openings.yaml:5", "-1 is not a value of WINDOW_POS"),
        (window("    10:", "    true:"), "openings.yaml:5", "true is not a value of WINDOW_POS"),
        (window("    10:", "    wide:"), "openings.yaml:5", "is not a value of WINDOW_POS"),
        (window("@rear", "@attic"), "openings.yaml:5", "WINDOW_POS has no place @attic; it has front left,"),
        (window("@rear", "@rear center"), "openings.yaml:5", "WINDOW_POS has no place @rear center"),
        (window("some air @rear", "@rear"), "openings.yaml:5", "expected a phrase before @rear"),
        (window("open {thing}", "open {things}"), "openings.yaml:5", "unknown slot in 'open {things}'"),
        (window("open {thing}", "open {thing"), "openings.yaml:5", "unknown slot"),
        (window("open {thing}", "open {thing} {here}"), "openings.yaml:5", "more than one of {thing}"),
        (window("open {thing}", "open {thing} {thing}"), "openings.yaml:5", "more than one of {thing}"),
        (window("  nouns: [window/windows]\n", ""), "openings.yaml:2", "{thing} needs a list of nouns for WINDOW_POS"),
        (window("open {thing}", "open {percent}"), "openings.yaml:5", "belong under"),
        (window("{thing} to {value}", "set {thing}"), "openings.yaml:6", "belong under"),
        (window("some air @rear", "open {thing}"), "openings.yaml:5", "'open {thing}' stands twice"),
        ({"openings": "FUEL_LEVEL:\n  set:\n    1.0: [x]\n"}, "openings.yaml:3", "FUEL_LEVEL cannot be set"),
        ({"openings": "RANGE_REMAINING:\n  set:\n    1.0: [x]\n"}, "openings.yaml:3", "cannot be set on request"),
        (
            {"openings": 'HVAC_AC_ON:\n  set:\n    "{value}": [x]\n'},
            "openings.yaml:3",
            "no range of values for {value}",
        ),
        (window('"{value}": ["{thing} to {value}"]', '"-{value}": ["x {value}"]'), "openings.yaml:6", "no range"),
        ({"places": PLACES_YAML + "attic: {whose: [x]}\n"}, "places.yaml:11", "unknown key 'attic'"),
        ({"places": PLACES_YAML.replace("who:", "whom:", 1)}, "places.yaml:1", "who is missing"),
        ({"places": PLACES_YAML.replace("rear center:", "trunk:")}, "places.yaml:1", "rear center is missing"),
        ({"places": PLACES_YAML.replace("[x]", "x", 1)}, "places.yaml:1", "expected a list of phrases"),
        ({"manners": MANNERS_YAML.replace("joins", "glue")}, "manners.yaml:1", "joins is missing"),
        ({"manners": MANNERS_YAML + "glue: [x]\n"}, "manners.yaml:10", "unknown key 'glue'"),
        ({"manners": MANNERS_YAML.replace("{x: [y]}", "[x]")}, "manners.yaml:9", "expected a mapping"),
        ({"nocall": NOCALL_YAML.replace("music", "songs")}, "nocall.yaml:1", "music is missing"),
        ({"nocall": NOCALL_YAML.replace("city: [rome], ", "")}, "nocall.yaml:1", "city is missing"),
        ({"nocall": NOCALL_YAML.replace("{person}", "{thing}")}, "nocall.yaml:6", "unknown slot in 'call {thing}'"),
    ],
)
def test_a_mistake_names_its_file_and_line(tmp_path, files, where, message):
    with pytest.raises(BadRecord) as error:
        load(written(tmp_path, **files), CATALOG)
    assert str(error.value).startswith(f"{tmp_path}/{where}")
    assert re.match(r".*\.yaml:\d+: ", str(error.value))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_folder_without_phrases_is_named(tmp_path):
    with pytest.raises(BadRecord, match=f"{tmp_path}: no phrase files"):
        load(tmp_path, CATALOG)
    written(tmp_path)
    (tmp_path / "places.yaml").unlink()
    with pytest.raises(BadRecord, match="places.yaml is missing"):
        load(tmp_path, CATALOG)


# The project's own bank


def test_the_bank_is_rich():
    found = counts(BANK)
    assert found["distinct"] >= 6000
    assert set(found["by_tool"]) == {
        tool.name for tool in CATALOG.tools if not tool.writes or tool.vehicle_property.writable_on_request
    }
    assert min(found["by_tool"].values()) >= 25


def test_every_value_is_legal_in_every_place_of_its_phrase():
    for phrase in BANK.phrases:
        item = CATALOG.by_name[phrase.tool].vehicle_property
        place = phrase.place or phrase.entry.partition("/")[2] or ("front left" if phrase.slot else item.areas[0].name)
        areas = [item.area(area) for area in item.places.get(place, (item.areas[0].id,))]
        for area in areas:
            if phrase.value in (SAID, NEGATED):
                schema = item.value_schema(area)
                assert schema["minimum"] < (0 if phrase.value == NEGATED else schema["maximum"]), phrase
            elif phrase.value is not None:
                assert value_fault(phrase.value, item, area) is None, phrase


def test_ids_are_unique():
    assert len({phrase.id for phrase in BANK.phrases}) == len(BANK.phrases)


def test_phrases_are_written_as_they_are_said():
    for phrase in BANK.phrases:
        assert phrase.text == phrase.text.strip() and "  " not in phrase.text, phrase
        assert phrase.text[-1] not in ".?!", phrase


def test_no_words_have_two_meanings():
    """The same words, with nouns filled in, under two keys would have two right answers."""
    meanings = defaultdict(set)
    for phrase in BANK.phrases:
        place = phrase.place or phrase.entry.partition("/")[2] or "front left"
        text = phrase.text.replace("{value}", "1").replace("{percent}", "30 percent")
        text = text.replace("{whose}", "my").replace("{here}", "").replace("{who}", "me")
        for noun, _ in phrase.nouns if "{thing}" in text else [("", "")]:
            said = text.replace("{thing}", f"my {noun}").replace("{is}", "is")
            meanings[normalise(said)].add((phrase.tool, repr(phrase.value), place))
    for texts in BANK.nocall.values():
        for text in texts:
            meanings[normalise(text)].add(("no call", "", ""))
    assert {said: found for said, found in meanings.items() if len(found) > 1} == {}
