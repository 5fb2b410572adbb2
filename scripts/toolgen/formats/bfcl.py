"""BFCL, the Berkeley Function Calling Leaderboard: evaluation rows with every right answer, and functions.

A file, or a folder in which lie, however deep, as JSON Lines:
    questions            {"id", "question": [[{"role", "content"}]], "function": [{"name", "description",
                         "parameters"}]}
    possible_answer/     a file of the same name, {"id", "ground_truth": [{function: {argument: [alternatives]}}]};
                         the alternative "" says that the argument may be left out
    multi_turn_func_doc/ functions alone
A query whose id speaks of irrelevance has no right call. Rows of several turns, rows that are judged by what code does,
and rows without a ground truth are left out. A row brings its own functions, so one that another row defines otherwise
gets a number behind its name.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from .. import records
from . import parameters, turns
from .imported import Imported
from .reading import bad, items, lines

MOST = 64  # right answers that are kept of a row
QUESTIONS, ANSWERS, FUNCTIONS = "BFCL_imported.json", "possible_answer", "multi_turn_func_doc"
LEFT_OUT = object()  # the value of an argument that is not given
TYPES = {  # of Python, Java and JavaScript, where `parameters` does not know them
    "hashmap": "object", "map": "object", "arraylist": "array", "set": "array", "queue": "array", "stack": "array",
    "long": "integer", "short": "integer", "byte": "integer", "bigint": "integer", "char": "string",
}  # fmt: skip


class _Functions:
    """The functions of all rows, each under one name; `notes` speak of those that had to be renamed."""

    def __init__(self) -> None:
        self.known: dict[str, dict] = {}
        self.renamed: Counter = Counter()
        self.ignored: Counter = Counter()
        self.cut: list[str] = []

    def add(self, record: dict, place: str) -> str:
        """The name under which a row's function is known."""
        if isinstance(record.get("parameters"), dict):
            record = record | {"parameters": _renamed_types(record["parameters"])}
        function = parameters.tool(record, place, self.ignored, self.cut)
        name = function["name"]
        number = 1
        while self.known.setdefault(function["name"], function) != function:
            number += 1
            function = function | {"name": f"{name} ({number})"}
        self.renamed[name] = max(self.renamed[name], number)
        return function["name"]


def read(source: Path) -> Imported:
    """Raises BadRecord with file and line."""
    functions, examples, left_out = _Functions(), [], Counter()
    for path in _files(source):
        truths = _ground_truths(path)
        for place, row in lines(path):
            if "question" in row:
                example = _example(row, place, truths, functions, left_out)
                examples += [example] if example else []
            elif "name" in row and "parameters" in row:
                functions.add(row, place)
            else:
                raise bad(place, "a question with its functions, or a function with its parameters", list(row))
    if not functions.known:
        raise bad(str(source), "questions with their functions, *.json", [])
    notes = [f"{count:,} {what} left out" for what, count in left_out.items()] + functions.cut
    renamed = [f"{name} ({number - 1})" for name, number in functions.renamed.items() if number > 1]
    if renamed:
        notes.append(f"functions of one name and other definitions, numbered from (2) on: {len(renamed):,} names")
    return Imported(list(functions.known.values()), examples, notes)


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = [path for path in sorted(source.rglob("*.json*")) if path.parent.name != ANSWERS]
    return sorted(found, key=lambda path: path.parent.name != FUNCTIONS)


def _ground_truths(questions: Path) -> dict[str, tuple[str, Any]]:
    """Id -> place and ground truth, of the file that belongs to a file of questions; none where there is none."""
    path = questions.parent / ANSWERS / questions.name
    if not path.is_file():
        return {}
    found = {}
    for place, row in lines(path):
        if not isinstance(row.get("id"), str) or "ground_truth" not in row:
            raise bad(place, "an id and its ground_truth", list(row))
        found[row["id"]] = (place, row["ground_truth"])
    return found


def _example(row: dict, place: str, truths: dict, functions: _Functions, left_out: Counter) -> dict | None:
    """A row as an evaluation example; None where it is left out, and counted."""
    name, listed = row.get("id"), row.get("function")
    if not isinstance(name, str):
        raise bad(place, "an id, a text", name)
    conversation = _conversation(row["question"], place)
    if conversation is None or listed is None:
        left_out["rows of several turns or without functions"] += 1
        return None
    history, query = conversation
    own: dict[str, str] = {}
    for at, record in items([listed] if isinstance(listed, dict) else listed, f"{place}: function"):
        own.setdefault(str(record.get("name")), functions.add(record, at))
    history = turns.history(history, place, left_out)
    example = {"query": query, "split": "eval", **({"history": history} if history else {})}
    at, truth = truths.get(name, (place, None))
    if truth is None and truths and "irrelevance" not in name:
        raise bad(place, f"an id that {ANSWERS} has", name)
    if truth == [] or truth is None and "irrelevance" in name:
        return example | {"answers": [], "source": name}
    if truth is None or isinstance(truth, list) and any(isinstance(call, str) for call in truth):
        left_out["rows without a ground truth of calls"] += 1
        return None
    calls = [_alternatives(call, own, at) for call in _list(truth, "ground_truth, a list of calls", at)]
    if prod(len(alternatives) for _, given in calls for alternatives in given.values()) > MOST:
        left_out[f"rows with right answers beyond the first {MOST}, which are"] += 1
    return example | {"accept": _accept(calls), "source": name}


def _conversation(question: Any, place: str) -> tuple[list[dict], str] | None:
    """Earlier messages and the query; None for a question of several turns."""
    if isinstance(question, str):  # BFCL's first version
        question = [{"role": "user", "content": question}]
    if _list(question, "a question, a list of turns", place) and isinstance(question[0], list):
        if len(question) > 1:
            return None
        question = question[0]
    messages = [message for _, message in items(question, f"{place}: question")]
    last = messages[-1] if messages else {}
    if last.get("role") != "user" or not isinstance(last.get("content"), str) or not last["content"].strip():
        raise bad(place, "a question that ends with a user's message", question)
    return messages[:-1], last["content"]


def _alternatives(call: Any, own: dict[str, str], place: str) -> tuple[str, dict[str, list]]:
    """A function's name and, for each argument, every value that is right, LEFT_OUT among them.

    Where no alternative stands, the data mean an empty list.
    """
    if not isinstance(call, dict) or len(call) != 1 or next(iter(call)) not in own:
        raise bad(place, "a call {name: arguments} of one of the row's functions", call)
    name, given = next(iter(call.items()))
    if not isinstance(given, dict) or not all(isinstance(values, list) for values in given.values()):
        raise bad(place, f"arguments of {name}, each with a list of alternatives", given)
    return own[name], {argument: _unique(_expanded(values or [[]])) for argument, values in sorted(given.items())}


def _expanded(values: list) -> Iterator[Any]:
    """Alternatives one by one: an object holds alternatives itself, and so do the objects of a list."""
    for value in values:
        if value == "":
            yield LEFT_OUT
        elif isinstance(value, dict):
            yield from islice(_objects(value), MOST + 1)
        elif isinstance(value, list):
            elements = ([*islice(_objects(one), MOST + 1)] if isinstance(one, dict) else [one] for one in value)
            yield from ([*chosen] for chosen in islice(product(*elements), MOST + 1))
        else:
            yield value


def _objects(value: dict) -> Iterator[dict]:
    listed = (given if isinstance(given, list) and given else [given] for given in value.values())
    options = [_unique(LEFT_OUT if one == "" else one for one in given) for given in listed]
    return (_given(value, chosen) for chosen in product(*options))


def _unique(values: Any) -> list:
    """Values in their order, each once; 1, 1.0 and true are three."""
    return list({"" if value is LEFT_OUT else records.dumps(value): value for value in values}.values())


def _given(names: Any, values: Any) -> dict:
    return {name: value for name, value in zip(names, values, strict=True) if value is not LEFT_OUT}


def _accept(calls: list[tuple[str, dict[str, list]]]) -> list[list[dict]]:
    """The first MOST combinations of the alternatives of all calls."""
    arguments = [
        [{"name": name, "arguments": _given(given, chosen)} for chosen in islice(product(*given.values()), MOST)]
        for name, given in calls
    ]
    return [list(chosen) for chosen in islice(product(*arguments), MOST)]


def _renamed_types(schema: dict) -> dict:
    """A schema without the types that JSON Schema has no name for, and without BFCL's own keyword `optional`."""
    found = {key: value for key, value in schema.items() if key != "optional"}
    if isinstance(schema.get("type"), str):
        found["type"] = TYPES.get(schema["type"].lower(), schema["type"].lower())
        if found["type"] not in parameters.TYPES:
            found["type"] = "any"
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {
            name: _renamed_types(inner) if isinstance(inner, dict) else inner
            for name, inner in schema["properties"].items()
        }
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            found[keyword] = _renamed_types(schema[keyword])
    return found


def _list(value: Any, expected: str, place: str) -> list:
    if not isinstance(value, list):
        raise bad(place, expected, value)
    return value


def write(imported: Imported, folder: Path) -> list[str]:
    """Write questions, possible answers and functions; returns notes on what they cannot hold."""
    functions = {function["name"]: function for function in imported.functions}
    questions, truths = [], {}
    for number, example in enumerate(imported.examples, 1):
        name, truth = example.get("source", f"imported_{number}"), _ground_truth(example)
        if truth is None or example.get("split") != "eval" or name in truths:
            continue
        truths[name] = truth
        used = dict.fromkeys(called for call in truth for called in call)
        messages = [*example.get("history", []), {"role": "user", "content": example["query"]}]
        questions.append({"id": name, "question": [messages], "function": [functions[one] for one in used]})
    records.write_jsonl(folder / FUNCTIONS / "functions.json", imported.functions)
    records.write_jsonl(folder / QUESTIONS, questions)
    answers = ({"id": name, "ground_truth": truth} for name, truth in truths.items())
    records.write_jsonl(folder / ANSWERS / QUESTIONS, answers)
    lost = len(imported.examples) - len(questions)
    wanted = "eval, with a source of their own and with answers that are alternatives argument by argument"
    return [f"{lost:,} examples left out: here all are {wanted}"] if lost else []


def _ground_truth(example: dict) -> list[dict] | None:
    """The right answers as alternatives for each argument; None where they are not that."""
    accept = example.get("accept") or ([example["answers"]] if "answers" in example else [])
    if len({len(calls) for calls in accept}) != 1:
        return None
    truth = [_merged(calls) for calls in zip(*accept, strict=True)]
    own = {call["name"]: call["name"] for calls in accept for call in calls}
    same = _accept([_alternatives(call, own, "") for call in truth])
    return truth if records.dumps(same) == records.dumps(_sorted(accept)) else None


def _sorted(accept: list[list[dict]]) -> list[list[dict]]:
    return [[call | {"arguments": dict(sorted(call["arguments"].items()))} for call in calls] for calls in accept]


def _merged(calls: tuple[dict, ...]) -> dict:
    """One call out of those that are right in its place: for each argument the values it takes."""
    names = dict.fromkeys(name for call in calls for name in call["arguments"])
    values = {name: _unique(call["arguments"].get(name, LEFT_OUT) for call in calls) for name in names}
    return {calls[0]["name"]: {name: [_wrapped(value) for value in values[name]] for name in names}}


def _wrapped(value: Any) -> Any:
    """A value as an alternative."""
    if value is LEFT_OUT:
        return ""
    if isinstance(value, dict):
        return {name: [one] for name, one in value.items()}
    return [_wrapped(one) if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value
