"""The phrase bank: read from `data/phrases/`, checked against the catalog, with file and line for every mistake.

The format is described in `data/phrases/README.md`.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from ..catalog import Catalog, Property
from ..records import BadRecord
from . import slips, synonyms
from .lines import Node, compose
from .together import Together, sentences

PLACE_SLOTS = ("thing", "whose", "here", "who")
SLOTS = (*PLACE_SLOTS, "is", "value", "percent")
PLACES = ("front left", "front right", "rear left", "rear right", "rear center",
          "front", "rear", "left", "right", "all")  # fmt: skip
SPOKEN = ("openings", "openings_imperative", "closings", "imperative_verbs", "joins", "asides")
MANNERS = (*SPOKEN, *slips.KINDS)
IMPOSSIBLE = ("missing", "read_only", "music", "navigation", "phone")  # what one part of a request may ask in vain
NOCALL_SLOTS = ("city", "person", "song", "number")


@dataclass(frozen=True)
class Phrase:
    """One way to say one thing. `value` is what it writes; SAID or NEGATED where that is spoken, None for reads."""

    text: str
    entry: str
    tool: str
    value: object
    place: str | None
    nouns: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """Depends on what is said and meant alone, so a phrase keeps its side of a split as the bank grows."""
        return hashlib.sha1(f"{self.entry}|{self.tool}|{self.value}|{self.text}".encode()).hexdigest()[:12]

    @property
    def slot(self) -> str | None:
        """The slot that names the place, if the phrase has one."""
        return next((slot for slot in PLACE_SLOTS if f"{{{slot}}}" in self.text), None)


SAID, NEGATED = "{value}", "-{value}"


@dataclass(frozen=True)
class Bank:
    phrases: tuple[Phrase, ...]
    places: dict[str, dict[str, list[str]]]
    manners: dict[str, list[str]]
    slips: slips.Slips
    nocall: dict[str, list[str]]
    words: dict[str, list[str]]
    together: tuple[Together, ...] = ()
    synonyms: dict[str, list[str]] = field(default_factory=dict)
    sha: str = ""
    by_tool: dict[str, dict[object, list[Phrase]]] = field(default_factory=dict)


def load(folder: str | Path, catalog: Catalog) -> Bank:
    """Read every YAML file of the bank. Raises BadRecord, naming file and line."""
    folder = Path(folder)
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise BadRecord(f"{folder}: no phrase files (*.yaml) here")
    trees = {path.stem: compose(path) for path in files}
    missing = {"places", "manners", "nocall"} - set(trees)
    if missing:
        raise BadRecord(f"{folder}: {', '.join(sorted(missing))}.yaml is missing")
    manners, nocall = trees.pop("manners"), trees.pop("nocall")
    places = {name: _places(entry) for name, entry in trees.pop("places").sections(PLACES).items()}
    frames = trees.pop("frames", None)
    together = [trees.pop(name) for name in list(trees) if name.startswith("together")]
    alike = trees.pop("synonyms", None)
    phrases = _united(phrase for tree in trees.values() for phrase in _entries(tree, catalog))
    if frames is not None:
        phrases += tuple(_framed(frames, phrases, catalog))
    by_tool: dict[str, dict[object, list[Phrase]]] = {}
    for phrase in phrases:
        by_tool.setdefault(phrase.tool, {}).setdefault((phrase.entry, repr(phrase.value)), []).append(phrase)
    spoken = manners.sections(MANNERS)
    reasons = nocall.sections(("words", *IMPOSSIBLE), more=True)
    words = {name: node.strings() for name, node in reasons.pop("words").sections(NOCALL_SLOTS).items()}
    for node in reasons.values():
        for text, line in node.lines():
            _check_slots(text, NOCALL_SLOTS, line)
    return Bank(
        phrases=phrases,
        places=places,
        manners={name: spoken[name].strings() for name in SPOKEN},
        slips=slips.read(spoken),
        nocall={reason: node.strings() for reason, node in reasons.items()},
        words=words,
        together=tuple(sentence for tree in together for sentence in sentences(tree, catalog)),
        synonyms=synonyms.read(alike) if alike is not None else {},
        sha=hashlib.sha1(b"".join(path.read_bytes() for path in files)).hexdigest(),
        by_tool=by_tool,
    )


def _places(entry: Node) -> dict[str, list[str]]:
    return {way: node.strings() for way, node in entry.sections(("whose", "after", "here", "who")).items()}


def _entries(tree: Node, catalog: Catalog) -> list[Phrase]:
    phrases = []
    for key, entry in tree.mapping().items():
        name, _, area = key.partition("/")
        item = catalog.property_names.get(name)
        if item is None:
            raise BadRecord(f"{entry.where}: the catalog has no property {name}")
        if area and area not in item.places:
            raise BadRecord(f"{entry.where}: {name} has no area {area!r}; it has {', '.join(item.places)}")
        parts = entry.mapping()
        unknown = set(parts) - {"nouns", "get", "set"}
        if unknown:
            raise BadRecord(f"{entry.where}: unknown key {', '.join(sorted(unknown))}; known: nouns, get, set")
        nouns = tuple(_noun(text) for text in parts["nouns"].strings()) if "nouns" in parts else ()
        if "get" in parts:
            phrases += _phrases(parts["get"], key, item, "get", None, nouns)
        for value, node in parts["set"].mapping().items() if "set" in parts else ():
            phrases += _phrases(node, key, item, "set", _value(value, item, area, node), nouns)
    return phrases


def _united(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """The phrases of all files: each once, and each with the nouns that any file has for its entry."""
    found = {phrase.id: phrase for phrase in phrases}
    nouns: dict[str, dict] = {}
    for phrase in found.values():
        nouns.setdefault(phrase.entry, {}).update(dict.fromkeys(phrase.nouns))
    return tuple(replace(phrase, nouns=tuple(nouns[phrase.entry])) for phrase in found.values())


def _framed(tree: Node, phrases: tuple[Phrase, ...], catalog: Catalog) -> Iterator[Phrase]:
    """The phrases of each frame for every entry it serves, less those that the entry has of its own."""
    own = {(phrase.entry, phrase.text) for phrase in phrases}
    nouns = {phrase.entry: phrase.nouns for phrase in phrases if phrase.nouns}
    for frame in tree.mapping().values():
        parts = frame.mapping()
        if set(parts) != {"for", "say"}:
            raise BadRecord(f"{frame.where}: a frame needs the keys for and say")
        for entry, node in parts["for"].mapping().items():
            name, _, area = entry.partition("/")
            if entry not in nouns:
                raise BadRecord(f"{node.where}: {entry} is no entry with nouns")
            item = catalog.property_names[name]
            verb = "get" if node.node.value == "get" else "set"
            value = None if verb == "get" else _value(node.node.value, item, area, node)
            for phrase in _phrases(parts["say"], entry, item, verb, value, nouns[entry]):
                if (entry, phrase.text) not in own:
                    yield phrase


def _noun(text: str) -> tuple[str, str]:
    singular, slash, plural = text.partition("/")
    return singular, plural if slash else singular


def _value(text: str, item: Property, area: str, node: Node) -> object:
    """The key of a `set` list as a value of the property, or SAID / NEGATED."""
    if not item.writable_on_request:
        raise BadRecord(f"{node.where}: {item.name} cannot be set on request")
    chosen = item.area(item.places[area][0]) if area else item.areas[0]
    schema = item.value_schema(chosen)
    if text in (SAID, NEGATED):
        if "maximum" not in schema or text == NEGATED and not schema["minimum"] < 0:
            raise BadRecord(f"{node.where}: {item.name} has no range of values for {text}")
        return text
    try:
        value = yaml.safe_load(text)
        value = float(value) if item.type == "Float" else value
    except (yaml.YAMLError, TypeError, ValueError):
        raise BadRecord(f"{node.where}: {text!r} is not a value of {item.name}") from None
    right_type = isinstance(value, bool) == (item.type == "Boolean") and isinstance(value, (int, float))
    in_enum = value in schema.get("enum", [value])
    if not right_type or not in_enum or not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise BadRecord(f"{node.where}: {text} is not a value of {item.name}")
    return value


def _phrases(
    node: Node, entry: str, item: Property, verb: str, value: object, nouns: tuple[tuple[str, str], ...]
) -> list[Phrase]:
    found, seen = [], set()
    for text, where in node.lines():
        said, at, place = text.rpartition("@")
        said, place = (said.strip(), place.strip()) if at else (text.strip(), None)
        if place is not None and (place not in PLACES or place not in item.places):
            known = ", ".join(name for name in PLACES if name in item.places)
            raise BadRecord(f"{where}: {item.name} has no place @{place}; it has {known or 'one place alone'}")
        if not said:
            raise BadRecord(f"{where}: expected a phrase before @{place}")
        _check_slots(said, SLOTS, where)
        slots = [slot for slot in PLACE_SLOTS if f"{{{slot}}}" in said]
        if len(slots) > 1 or any(said.count(f"{{{slot}}}") > 1 for slot in slots):
            raise BadRecord(f"{where}: more than one of {{{'}, {'.join(PLACE_SLOTS)}}}")
        if "{thing}" in said and not nouns:
            raise BadRecord(f"{where}: {{thing}} needs a list of nouns for {entry}")
        has_value = "{value}" in said or "{percent}" in said
        if has_value != (value in (SAID, NEGATED)):
            raise BadRecord(f'{where}: {{value}} or {{percent}} belong under "{{value}}", and there only')
        if said in seen:
            raise BadRecord(f"{where}: {said!r} stands twice")
        seen.add(said)
        found.append(Phrase(said, entry, f"{item.name}&&{verb}", value, place, nouns))
    return found


def _check_slots(text: str, known: tuple[str, ...], where: str) -> None:
    unknown = set(re.findall(r"\{(\w*)\}", text)) - set(known)
    if unknown or text.count("{") != len(re.findall(r"\{\w+\}", text)):
        raise BadRecord(f"{where}: unknown slot in {text!r}; known: {{{'}, {'.join(known)}}}")


def counts(bank: Bank) -> dict:
    """How rich the bank is: phrases, those distinct once their slots are masked, and each tool's share."""
    return {
        "total": len(bank.phrases) + len(bank.together) + sum(map(len, bank.nocall.values())),
        "distinct": len({re.sub(r"\{\w+\}", "_", phrase.text) for phrase in (*bank.phrases, *bank.together)})
        + len({text for texts in bank.nocall.values() for text in texts}),
        "together": len(bank.together),
        "no_call": sum(map(len, bank.nocall.values())),
        "by_tool": {tool: sum(map(len, values.values())) for tool, values in sorted(bank.by_tool.items())},
    }
