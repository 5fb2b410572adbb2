"""The offline teacher: queries and their calls from the phrase bank, with no key and no network.

Row i depends on the seed and on i alone, so the first n rows of a longer run are the same bytes.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from .. import calltext
from ..bank.phrases import IMPOSSIBLE, NEGATED, SAID, Bank, Phrase
from ..bank.synonyms import swapped
from ..bank.together import SAID as SAID_IN_TURN
from ..bank.together import Together
from ..catalog import Area, Catalog, Property
from ..records import dumps
from . import noise as as_heard

PLACE_WEIGHTS = {"front left": 4, "front right": 5, "rear left": 3, "rear right": 3, "rear center": 2,
                 "front": 2, "rear": 4, "left": 1, "right": 1, "all": 4}  # fmt: skip
SHARES = {"10": 10, "20": 20, "25": 25, "30": 30, "40": 40, "50": 50, "60": 60, "70": 70, "75": 75, "80": 80, "90": 90,
          "a third": 100 / 3, "a quarter": 25, "three quarters": 75, "two thirds": 200 / 3, "a fifth": 20}  # fmt: skip
# A determiner that counts wants a noun in the plural: `both front windows`, but `the front seat heating`.
COUNTING = re.compile(r"\b(all the|all of|all our|all|each of|all four|both|two|the car's)\b")
AGREEMENT = re.compile(r"\b(is|was|has|does|what's|how's) \{thing\}|\{thing\} (needs|sits)\b")
IN_THE_PLURAL = {"is": "are", "was": "were", "has": "have", "does": "do", "what's": "what are", "how's": "how are",
                 "needs": "need", "sits": "sit"}  # fmt: skip


@dataclass(frozen=True)
class Mix:
    """Shares of the rows: `no_call` ask for nothing, `joined` for two to four things, `noise` as misheard; and of the
    words that have `synonyms`, the share that one of them replaces."""

    no_call: float
    joined: float
    noise: float
    synonyms: float = 0.0


@dataclass
class Said:
    """One request: its words, its calls, the phrases it was made of."""

    text: str
    calls: list[dict]
    phrases: list[str]


def replies(bank: Bank, catalog: Catalog, num_samples: int, seed: int, mix: Mix) -> Iterator[dict]:
    """Yield `num_samples` replies {"id", "teacher", "prompt_sha", "text"}, the same for the same arguments."""
    speaker = _Speaker(bank, catalog)
    for i in range(num_samples):
        rng = random.Random(f"{seed}/{i}")
        said = speaker.row(rng, mix)
        text = dumps({"query": said.text, "answers": said.calls, "phrases": said.phrases})
        yield {
            "id": hashlib.sha1(text.encode()).hexdigest()[:16],
            "teacher": "offline",
            "prompt_sha": bank.sha[:16],
            "text": text,
        }


class _Speaker:
    """Fills the slots of phrases and joins them."""

    def __init__(self, bank: Bank, catalog: Catalog):
        self.bank, self.catalog = bank, catalog
        self.tools = [(tool, list(values.values())) for tool, values in sorted(bank.by_tool.items())]
        self.tool_weights = [_weight(values) for _, values in self.tools]
        self.figures = [phrase for phrase in bank.phrases if self._of_places(phrase)]
        self.together_weights = list(accumulate(_hardness(sentence) for sentence in bank.together))
        self.nocall = [(reason, texts) for reason, texts in sorted(bank.nocall.items())]
        self.nocall_weights = [len(texts) ** 0.5 for _, texts in self.nocall]
        self.verbs = set(bank.manners["imperative_verbs"])
        self.beginnings: dict[str, list[Phrase]] = {}  # what stands before {thing} -> phrases
        self.endings: dict[str, list[Phrase]] = {}  # what stands behind {thing}, for phrases that start with it
        for phrase in bank.phrases:
            before, slot, after = phrase.text.partition("{thing}")
            if slot and before:
                if "{" not in before.replace("{is}", ""):  # a value there would be said once and meant twice
                    self.beginnings.setdefault(before, []).append(phrase)
            elif slot and "{" not in after and not AGREEMENT.search(phrase.text):
                self.endings.setdefault(after, []).append(phrase)

    def row(self, rng: random.Random, mix: Mix) -> Said:
        kind = rng.random()
        if kind < mix.no_call:
            said = self.refused(rng)
        elif kind < mix.no_call + mix.joined:
            said = self.together(rng) if self.bank.together and rng.random() < 0.35 else self.joined(rng)
        else:
            said = self.filled(self.phrase(rng), rng)
        if rng.random() < 0.08:
            said.text = self.aside(said.text, rng)
        said.text = swapped(said.text, self.bank.synonyms, mix.synonyms, rng)
        said.text = self.mannered(said.text, rng)
        if rng.random() < mix.noise:
            said.text = as_heard.noisy(said.text, self.bank.slips, rng)
        else:
            said.text = _written(said.text, rng)
        return said

    def phrase(self, rng: random.Random) -> Phrase:
        """A phrase of a tool, then of one of its values: rare tools and rare values are not drowned."""
        _, values = rng.choices(self.tools, self.tool_weights)[0]
        return rng.choice(rng.choices(values, [len(phrases) ** 0.5 for phrases in values])[0])

    def brief(self, rng: random.Random) -> Phrase:
        """The shorter of two phrases: who asks for several things says each in fewer words."""
        return min(self.phrase(rng), self.phrase(rng), key=lambda phrase: len(phrase.text.split()))

    def _of_places(self, phrase: Phrase) -> bool:
        """Whether it says a figure that each of several places can have of its own."""
        if phrase.slot is None or "{value}" not in phrase.text or "/" in phrase.entry:  # the sunroof's own words
            return False
        return len(self.item(phrase).areas) >= 4

    def refused(self, rng: random.Random) -> Said:
        """A request that has no call: said so in the bank, or a value that is out of range."""
        if rng.random() < 0.12:
            while True:
                phrase = self.phrase(rng)
                if phrase.value == SAID and "{value}" in phrase.text:
                    said = self.filled(phrase, rng, out_of_range=True)
                    return Said(said.text, [], said.phrases)
        reason, texts = rng.choices(self.nocall, self.nocall_weights)[0]
        return self.impossible(reason, texts, rng)

    def impossible(self, reason: str, texts: list[str], rng: random.Random) -> Said:
        template = rng.choice(texts)
        text = template
        for slot, words in self.bank.words.items():
            text = text.replace(f"{{{slot}}}", rng.choice(words))
        return Said(text, [], [hashlib.sha1(f"{reason}|{template}".encode()).hexdigest()[:12]])

    def together(self, rng: random.Random) -> Said:
        """A sentence of the bank that asks for several things as people say them."""
        sentence = rng.choices(self.bank.together, cum_weights=self.together_weights)[0]
        text, calls, taken = sentence.text, [], set()  # no part is drawn where another has set the same
        for number, part in enumerate(sentence.parts, 1):
            item, place, value = part.item, part.place, part.value
            if place == SAID_IN_TURN:
                way = sentence.way(number)
                free = [name for name in self.named_places(item, way) if taken.isdisjoint(_spots(item, name))]
                if [other.item for other in sentence.parts].count(item) > 1:  # all of them would leave none to the rest
                    free = [name for name in free if len(item.places[name]) == 1]
                place = rng.choice(free)
                ways = self.bank.places[place][way] if way != "whose" else [self.whose(item, place, False, rng)]
                text = text.replace(f"{{{way}{number}}}", rng.choice(ways))
            taken |= _spots(item, place)
            if value == SAID_IN_TURN:
                area = item.area(item.places[place][0]) if place else item.areas[0]
                text, meant = _with_value(text.replace(f"{{value{number}}}", SAID), item, area, False, False, rng)
                value = calltext.value_text(meant)
            calls += calltext.read(part.text(place, value), self.catalog)
        return Said(text, calls, [sentence.id])

    def named_places(self, item: Property, way: str) -> list[str]:
        """The places that a way of saying them fits: `the left seat` is one seat, not a side of the car."""
        places = [name for name in item.places if name in self.bank.places]
        return [name for name in places if name not in ("left", "right")] if way == "whose" else places

    def joined(self, rng: random.Random) -> Said:
        """Two to four requests in one sentence, sometimes with a shared verb, sometimes with an impossible part."""
        in_turn = rng.random() < 0.2 and bool(self.figures)
        first = rng.choice(self.figures) if in_turn else self.brief(rng)
        said = self.filled(first, rng)
        used = {first.tool.partition("&&")[0]}
        if (in_turn or rng.random() < 0.4) and (shared := self.shared(first, rng)) is not None:
            said, more = shared
            used |= more
        wanted = rng.choices((2, 3, 4), (82, 15, 3))[0] - (len(said.phrases) - 1)
        for _ in range(wanted - 1):
            if rng.random() < 0.08:
                reason = rng.choice(IMPOSSIBLE)
                more = self.impossible(reason, self.bank.nocall[reason], rng)
            else:
                phrase = self.brief(rng)
                if phrase.tool.partition("&&")[0] in used:
                    continue
                used.add(phrase.tool.partition("&&")[0])
                more = self.filled(phrase, rng)
                if rng.random() < 0.1:
                    more.text = self.opened(more.text, rng)
            parts = [said, more] if rng.random() < 0.9 or said.calls == [] else [more, said]
            joins = self.bank.manners["joins"] if rng.random() < 0.45 else (" and ", ", ", " and ")
            said = Said(rng.choice(joins).join(part.text for part in parts),
                        [call for part in parts for call in part.calls],
                        [name for part in parts for name in part.phrases])  # fmt: skip
        return said

    def shared(self, first: Phrase, rng: random.Random) -> tuple[Said, set[str]] | None:
        """`turn on the AC and the fog lights`: a second phrase with the same verb, which is said once."""
        before, slot, after = first.text.partition("{thing}")
        if not slot or "{value}" in before or ("{value}" in after and not before):
            return self.repeated(first, rng)
        if before:
            family = [phrase for phrase in self.beginnings.get(before, ()) if phrase is not first]
        else:
            family = [phrase for phrase in self.endings.get(after, ()) if phrase is not first]
        same_tool = "{value}" in after or rng.random() < 0.25
        family = [phrase for phrase in family if (phrase.entry == first.entry) == same_tool] + [first] * same_tool
        item = self.item(first)
        if not family or (same_tool and len(item.areas) == 1):
            return None
        second = rng.choice(family)
        places: tuple[str | None, str | None] = (None, None)
        if second.tool.partition("&&")[0] == item.name:
            if second.tool != first.tool or (_pinned(first) == _pinned(second) and len(item.areas) < 4):
                return None
            if _pinned(first) or _pinned(second):
                if _pinned(first) == _pinned(second) or "all" in (_pinned(first), _pinned(second)):
                    return None
            else:
                places = self.two_places(item, rng)
        one = self.filled(first, rng, place=places[0], text=first.text if before else "{thing}")
        bare = second.entry == first.entry and rng.random() < 0.7
        two = self.filled(second, rng, place=places[1], text=second.text.removeprefix(before), bare=bare)
        joins = (" and ", " and ", ", and ", ", ", " as well as ", " plus ") if before else (" and ", " and ", ", ")
        text = one.text + rng.choice(joins) + two.text
        names = {phrase.tool.partition("&&")[0] for phrase in (first, second)}
        return Said(text, one.calls + two.calls, one.phrases + two.phrases), names

    def repeated(self, phrase: Phrase, rng: random.Random) -> tuple[Said, set[str]] | None:
        """`make it 21 for me and 23 for the passenger`: what is said once holds for two places with a value each."""
        if not self._of_places(phrase):
            return None
        item = self.item(phrase)
        places = self.two_places(item, rng)
        slot = f"{{{phrase.slot}}}"
        after = phrase.text.partition(slot)[2]
        if "{value}" in after:  # `seat my wife at 3 and the driver at 5`
            rest = slot + after
        elif phrase.slot in ("here", "who"):
            rest = "{value} {here}" if phrase.slot == "here" else "{value} for {who}"
        elif phrase.value == NEGATED:  # `minus 3 on my seat and 5 on the passenger's` would not say which 5
            return None
        else:  # `put 3 on my fan and 5 on the passenger's`
            rest = phrase.text[phrase.text.index("{value}") :]
        bare = phrase.slot == "thing" and rng.random() < 0.7
        one = self.filled(phrase, rng, place=places[0])
        two = self.filled(phrase, rng, place=places[1], text=rest, bare=bare)
        text = one.text + rng.choice((" and ", " and ", ", ", ", and ")) + two.text
        return Said(text, one.calls + two.calls, one.phrases), {item.name}

    def two_places(self, item: Property, rng: random.Random) -> tuple[str, str]:
        single = [area.name for area in item.areas if area.name in self.bank.places]
        front = "front left", "front right"  # whom most people mean by two
        if set(front) <= set(single) and rng.random() < 0.4:
            return front
        first, second = rng.sample(single, 2)
        return first, second

    def item(self, phrase: Phrase) -> Property:
        return self.catalog.property_names[phrase.tool.partition("&&")[0]]

    def filled(
        self, phrase: Phrase, rng: random.Random, place: str | None = None, text: str | None = None,
        bare: bool = False, out_of_range: bool = False,
    ) -> Said:  # fmt: skip
        """The phrase with its slots filled, and the calls that it then means.

        `text` is the part of the phrase that is said, where another phrase says the rest. `bare` names the place
        without the noun: `the passenger's to 23` as the second part of a sentence.
        """
        item, tool = self.item(phrase), self.catalog.by_name[phrase.tool]
        named = place
        if place is None:
            place, named = self.place(phrase, item, rng)
        areas = [item.area(area) for area in item.places[place]]
        text, plural = phrase.text if text is None else text, False
        if phrase.slot == "thing":
            thing, plural = self.thing(phrase, item, named, bare, rng)
            if plural:
                text = AGREEMENT.sub(_plural_verb, text)
            text = text.replace("{thing}", thing)
        elif phrase.slot == "whose":
            whose = self.whose(item, named, False, rng) if named else rng.choice(("the", "the", "my"))
            text = text.replace("{whose}", whose)
        elif phrase.slot:
            word = rng.choice(self.bank.places[named][phrase.slot]) if named else ("me" if phrase.slot == "who" else "")
            text = text.replace(f"{{{phrase.slot}}}", word)
        text = text.replace("{is}", "are" if plural else "is")
        arguments = {}
        if tool.writes:
            value = phrase.value
            if value in (SAID, NEGATED):
                text, value = _with_value(text, item, areas[0], value == NEGATED, out_of_range, rng)
            arguments = {"value": value}
        calls = [{"name": tool.function, "arguments": {**tool.bound, "areaId": area.id, **arguments}} for area in areas]
        return Said(" ".join(text.split()).replace(" ,", ","), calls, [phrase.id])

    def place(self, phrase: Phrase, item: Property, rng: random.Random) -> tuple[str, str | None]:
        """Where a phrase applies, and the place it names (None where it names none)."""
        pinned = _pinned(phrase)
        if pinned:
            return (pinned, pinned if pinned in self.bank.places and phrase.slot else None)
        default = "front left" if "front left" in item.places else item.areas[0].name
        if not phrase.slot or len(item.areas) == 1:
            return default, None
        if rng.random() < (0.08 if phrase.slot == "who" else 0.3):
            return default, None
        places = self.named_places(item, phrase.slot)
        place = rng.choices(places, [PLACE_WEIGHTS[name] for name in places])[0]
        return place, place

    def thing(
        self, phrase: Phrase, item: Property, named: str | None, bare: bool, rng: random.Random
    ) -> tuple[str, bool]:
        """A noun with its place, and whether it is plural."""
        weights = [(rank + 1) ** -0.75 for rank in range(len(phrase.nouns))]  # the usual names stand first
        singular, plural_form = rng.choices(phrase.nouns, weights)[0]
        if named is None or "/" in phrase.entry:
            whole = len(item.areas) == 1 or "/" in phrase.entry
            noun = plural_form if whole and rng.random() < 0.25 else singular
            before = rng.choices(("the ", "", "my "), (72, 14 if whole else 4, 14))[0]
            return before + noun, noun.endswith("s") and not noun.endswith("ss")
        ways = self.bank.places[named]
        if bare:
            return rng.choice([whose for whose in ways["whose"] if whose.endswith("'s")] + ways["who"]), False
        plural = len(item.places[named]) > 1 and plural_form != singular
        noun = plural_form if plural else singular
        if named == "all" and plural and rng.random() < 0.3:
            return f"the {noun}", True
        if rng.random() < 0.6:
            whose = self.whose(item, named, plural, rng)
            return (f"{whose} {singular}", False) if whose == "every" else (f"{whose} {noun}", plural)
        return f"the {noun} {rng.choice(ways['after'])}", plural

    def whose(self, item: Property, named: str, plural: bool, rng: random.Random) -> str:
        """A determiner for a noun in the singular or the plural."""
        ways = self.bank.places[named]["whose"]
        if not plural:
            ways = [way for way in ways if not COUNTING.search(way)]
        elif len(item.places[named]) != 4:
            ways = [way for way in ways if way != "all four"]
        return rng.choice(ways)

    def mannered(self, text: str, rng: random.Random) -> str:
        if rng.random() < 0.3:
            text = self.opened(text, rng)
        if rng.random() < 0.12:
            closing = rng.choice(self.bank.manners["closings"])
            text += (", " if rng.random() < 0.5 else " ") + closing
        return text

    def aside(self, text: str, rng: random.Random) -> str:
        """The request with a reason or a story that asks for nothing."""
        story = rng.choice(self.bank.manners["asides"])
        if rng.random() < 0.3:
            return story + rng.choice((", ", ", so ", " so ", ". ", " - ")) + text
        return text + rng.choice((", ", " ", " - ", ". ", " because ", ", ")) + story

    def opened(self, text: str, rng: random.Random) -> str:
        first, _, rest = text.partition(" ")
        asks = rest.startswith(("i ", "we ", "you "))  # `have i locked the doors` is no imperative
        if first in self.verbs and not asks and rng.random() < 0.65:
            return f"{rng.choice(self.bank.manners['openings_imperative'])} {text}"
        opening = rng.choice(self.bank.manners["openings"])
        return f"{opening}{'' if opening.endswith(',') or rng.random() < 0.5 else ','} {text}"


def _hardness(sentence: Together) -> int:
    """A weight: which of several figures belongs to whom is the hardest to learn of what one sentence says."""
    return 4 if sum(part.value == SAID_IN_TURN for part in sentence.parts) > 1 else 1


def _spots(item: Property, place: str) -> set[tuple[str, int]]:
    return {(item.name, area) for area in item.places.get(place, ())}


def _plural_verb(match: re.Match) -> str:
    before, after = match[1], match[2]
    return f"{IN_THE_PLURAL[before]} {{thing}}" if before else f"{{thing}} {IN_THE_PLURAL[after]}"


def _pinned(phrase: Phrase) -> str:
    """The place that a phrase means by itself, or nothing."""
    return phrase.place or phrase.entry.partition("/")[2]


def _weight(values: list[list[Phrase]]) -> float:
    """A tool with more phrases, and so more to learn, comes up slowly more often."""
    return sum(len(group) for group in values) ** 0.5


def _with_value(
    text: str, item: Property, area: Area, negated: bool, out_of_range: bool, rng: random.Random
) -> tuple[str, object]:
    """`text` with its number filled in, and the value that it means in `area`."""
    schema = item.value_schema(area)
    low, high = schema["minimum"], schema["maximum"]
    if "{percent}" in text:
        word = rng.choice(list(SHARES))
        base = max(low, 0)
        exact = base + SHARES[word] / 100 * (high - base)
        value: float = round(exact, 1) if item.type == "Float" else int(exact + 0.5)
        spoken = word + rng.choice((" percent", "%", " per cent")) if word.isdigit() else word
        return text.replace("{percent}", spoken), value
    if out_of_range:
        value = rng.choice((high + rng.randint(1, 40), high + rng.randint(1, 9), low - rng.randint(1, 9)))
        value = float(value) if item.type == "Float" else int(value)
        return text.replace("{value}", _number(value, item, text, rng)), value
    if item.name == "EV_CHARGE_PERCENT_LIMIT":
        value = float(rng.randint(2, 20) * 5 if rng.random() < 0.6 else rng.randint(10, 100))
    elif item.type == "Float":
        value = rng.randint(int(low * 2), int(high * 2)) / 2
        if rng.random() < 0.4:
            value = min(max(float(round(value)), low), high)
    elif negated:
        value = -rng.randint(1, int(-low))
        return text.replace("{value}", str(-value)), value
    else:
        value = rng.randint(max(int(low), 1 if low < 0 or high < 10 else 0), int(high))
        if low < 0 and rng.random() < 0.12 and " to {value}" in text:
            value = rng.randint(int(low), -1)
    return text.replace("{value}", _number(value, item, text, rng)), value


def _number(value: float, item: Property, text: str, rng: random.Random) -> str:
    """A value as it is said, with its unit now and then."""
    plain = f"{value:g}"
    alone = not any(f"{{value}} {unit}" in text for unit in ("degree", "percent", "celsius", "fahrenheit"))
    if item.unit == "degree Celsius" and alone:
        fahrenheit = round(value * 1.8 + 32)
        if round((fahrenheit - 32) / 1.8 * 2) / 2 == value and rng.random() < 0.12:
            return f"{fahrenheit}" + rng.choice((" fahrenheit", " degrees fahrenheit", "°F", " F"))
        return plain + rng.choices(("", " degrees", " celsius", "°C", "°"), (50, 30, 5, 5, 5))[0]
    if item.unit == "percent" and alone:
        return plain + rng.choices(("", " percent", "%"), (20, 50, 30))[0]
    return plain.replace("-", rng.choice(("-", "minus ")))


def _written(text: str, rng: random.Random) -> str:
    """The text as it is heard, without punctuation, or as someone types it: with a capital and a stop, or without."""
    way = rng.random()
    if way < 0.3:
        return re.sub(r"[,.!?;:]+(?=\s)| -(?= )", "", text)
    if way < 0.5:
        return text
    return text[0].upper() + text[1:] + rng.choice((".", ".", "!", "?", ""))
