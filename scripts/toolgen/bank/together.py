"""Sentences of the phrase bank that ask for several things at once: `data/phrases/together.yaml`.

A sentence names its calls as call text without the brackets. A `*` in it is said: the place in `{who2}`, `{here2}` or
`{whose2}`, the value in `{value2}`, each with the number of its call.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .. import calltext, checks
from ..catalog import Catalog, Property, Tool
from ..records import BadRecord
from .lines import Node

SAID = "*"
WAYS = ("who", "here", "whose")  # to say a place
SLOT = re.compile(r"\{(who|here|whose|value)([1-9])\}")


@dataclass(frozen=True)
class Part:
    """One call: `place` is a place of its property, SAID, or nothing where there is no choice; `value` is call text."""

    tool: Tool
    place: str
    value: str

    @property
    def item(self) -> Property:
        return self.tool.vehicle_property

    def text(self, place: str, value: str) -> str:
        return " ".join(word for word in (self.tool.token, place or self.place, value or self.value) if word)


@dataclass(frozen=True)
class Together:
    text: str
    parts: tuple[Part, ...]

    @property
    def id(self) -> str:
        """Depends on what is said and meant alone, as that of a phrase."""
        meant = " ".join(part.text("", "") for part in self.parts)
        return hashlib.sha1(f"{meant}|{self.text}".encode()).hexdigest()[:12]

    def way(self, number: int) -> str | None:
        """The slot that says the place of call `number`, counted from 1."""
        return next((way for way in WAYS if f"{{{way}{number}}}" in self.text), None)


def sentences(tree: Node, catalog: Catalog) -> Iterator[Together]:
    """Every sentence of the file; raises BadRecord, naming file and line."""
    for entry in tree.items():
        fields = entry.sections(("calls", "say"))
        parts = tuple(_part(text, where, catalog) for text, where in fields["calls"].lines())
        if len(parts) < 2:
            raise BadRecord(f"{entry.where}: a sentence for one call belongs to the file of its property")
        for text, where in fields["say"].lines():
            said = sorted(SLOT.findall(text))
            wanted = sorted(slot for number, part in enumerate(parts, 1) for slot in _slots(text, number, part))
            if said != wanted or re.sub(SLOT, "", text).count("{"):
                raise BadRecord(f"{where}: each * needs one slot with the number of its call, and no other: {text!r}")
            yield Together(text, parts)


def _slots(text: str, number: int, part: Part) -> Iterator[tuple[str, str]]:
    if part.place == SAID:
        yield next((way for way in WAYS if f"{{{way}{number}}}" in text), WAYS[0]), str(number)
    if part.value == SAID:
        yield "value", str(number)


def _part(text: str, where: str, catalog: Catalog) -> Part:
    name, *words = text.split()
    tool = catalog.by_name.get(name)
    if tool is None or tool.vehicle_property is None:
        raise BadRecord(f"{where}: {name} is no tool of a property")
    value = words.pop() if tool.writes and words else ""
    part = Part(tool, " ".join(words), value)
    item = part.item
    place = next(iter(item.places)) if part.place == SAID else part.place
    schema = item.value_schema(item.area(item.places[place][0]) if place in item.places else item.areas[0])
    if value == SAID and "maximum" not in schema:
        raise BadRecord(f"{where}: {item.name} has no range of values for *")
    example = part.text(place, calltext.value_text(schema["minimum"]) if value == SAID else "")
    try:
        for call in calltext.read(example, catalog):
            checks.check_call(call, catalog)
    except (calltext.BadCallText, checks.Rejected) as fault:
        raise BadRecord(f"{where}: {fault}") from None
    return part
