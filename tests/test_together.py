import random
from dataclasses import replace
from pathlib import Path

import pytest

from toolgen import catalog as catalogs
from toolgen.bank import phrases
from toolgen.bank.lines import compose
from toolgen.bank.together import sentences
from toolgen.calltext import write
from toolgen.records import BadRecord
from toolgen.teachers.offline import Mix, _Speaker

ROOT = Path(__file__).parents[1]
CATALOG = catalogs.load(ROOT / "data/catalog.json")
BANK = phrases.load(ROOT / "data/phrases", CATALOG)

TWO_SEATS = """\
- calls: [HVAC_TEMPERATURE_SET&&set front left *, HVAC_TEMPERATURE_SET&&set * *, TIRE_PRESSURE&&get all]
  say: ["{value1} for me, {value2} for {who2}, and the tires"]
"""


def read(folder: Path, text: str) -> list:
    path = folder / "together.yaml"
    path.write_text(text)
    return list(sentences(compose(path), CATALOG))


def test_a_sentence_has_its_calls_and_slots(tmp_path):
    fixed, said = read(
        tmp_path,
        """\
- calls: [INFO_MAKE&&get, "DOOR_POS&&set trunk 1"]
  say: [what make is it and pop the boot]
- calls: [HVAC_TEMPERATURE_SET&&set front left *, HVAC_TEMPERATURE_SET&&set * *]
  say: ["{value1} for me, {value2} {here2}"]
""",
    )
    assert [(part.tool.name, part.place, part.value) for part in fixed.parts] == [
        ("INFO_MAKE&&get", "", ""), ("DOOR_POS&&set", "trunk", "1"),
    ]  # fmt: skip
    assert said.way(1) is None and said.way(2) == "here"
    assert fixed.id != said.id


@pytest.mark.parametrize(
    ("calls", "say", "complaint"),
    [
        ("INFO_MAKE&&get", "x", "a sentence for one call"),
        ("INFO_MAKE&&get, NO_SUCH&&get", "x", "NO_SUCH&&get is no tool"),
        ("INFO_MAKE&&get, DOOR_POS&&set roof 1", "x", "no place 'roof'"),
        ("INFO_MAKE&&get, DOOR_POS&&set trunk 7", "x", "out_of_range"),
        ("INFO_MAKE&&get, DOOR_LOCK&&set front left *", "{value2}", "no range of values"),
        ("INFO_MAKE&&get, WINDOW_POS&&set front left *", "no slot", "each \\* needs one slot"),
        ("INFO_MAKE&&get, WINDOW_POS&&set * 1", "{who2} {here2}", "each \\* needs one slot"),
        ("INFO_MAKE&&get, WINDOW_POS&&set * 1", "{who1}", "each \\* needs one slot"),
        ("INFO_MAKE&&get, INFO_MODEL&&get", "{thing}", "each \\* needs one slot"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, calls, say, complaint):
    with pytest.raises(BadRecord, match=rf"together\.yaml:\d: .*{complaint}"):
        read(tmp_path, f'- calls: [{calls}]\n  say: ["{say}"]\n')


def test_what_is_said_is_what_is_called(tmp_path):
    bank = replace(BANK, together=tuple(read(tmp_path, TWO_SEATS)))
    speaker = _Speaker(bank, CATALOG)
    seen = set()
    for seed in range(200):
        said = speaker.together(random.Random(seed))
        mine, theirs, *tires = said.calls
        assert write([mine], CATALOG).startswith("<<HVAC_TEMPERATURE_SET&&set>> front left ")
        assert {call["arguments"]["propertyName"] for call in tires[-1:]} == {"TIRE_PRESSURE"}
        assert "{" not in said.text and " for me, " in said.text
        assert said.phrases == [bank.together[0].id]
        seen.add(theirs["arguments"]["areaId"])
    assert len(seen) > 3 and 1 not in seen  # nobody asks for two values in one place


def test_the_bank_s_sentences_are_spoken():
    if not BANK.together:
        pytest.skip("the bank has no together.yaml")
    rng = random.Random(0)
    ids = {sentence.id for sentence in BANK.together}
    speaker = _Speaker(BANK, CATALOG)
    rows = [speaker.row(rng, Mix(no_call=0, joined=1, noise=0)) for _ in range(400)]
    assert sum(row.phrases[0] in ids for row in rows) > 50
