"""OpenAI's tools and fine-tuning rows: a file, or a folder with any number of each.

*.json    [{"type": "function", "function": {"name", "description", "parameters"}}], also bare or under the key tools
*.jsonl   {"messages": [{"role", "content", "tool_calls"}], "tools": [...]}; train, validation and test name a split

Each user's message that is answered becomes an example, what stands before it its history; where all that answers it
has the weight 0, as in rows that train on their last turn alone, it is history only. Calls in one go are its answers,
calls in several are steps of a trajectory.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .. import records
from ..records import BadRecord, dumps
from . import reading, turns
from .imported import SPLIT_OF_FILE, Imported, check, merged, ordered, unread
from .parameters import tool
from .reading import bad
from .seen import add_arguments

UNSPLIT = "examples"
FILES = (*SPLIT_OF_FILE, UNSPLIT)


def read(source: Path) -> Imported:
    """Read tools and, where there are any, examples. Raises BadRecord with the place of what cannot be taken."""
    left_out, notes, cut, found, rows = Counter(), [], [], [], []
    for path in _files(source):
        if path.suffix == ".json":
            found += listed(reading.document(path), str(path))
        for place, row in reading.lines(path) if path.suffix == ".jsonl" else ():
            left_out.update(set(row) - {"messages", "tools", "functions"})
            rows.append((place, row, SPLIT_OF_FILE.get(path.stem)))
            found += listed(row.get("tools") or row.get("functions") or [], f"{place}: tools")
    imported = Imported(merged(_distinct(found, left_out, cut), notes), [], notes)
    known = imported.catalog()
    for place, row, split in rows:
        for example in _examples(row.get("messages"), place, left_out):
            example = ordered(example | ({"split": split} if split else {}))
            check(example, known, place)
            imported.examples.append(example)
    add_arguments(imported)
    notes += unread(left_out) + cut
    return imported


def write(imported: Imported, folder: Path) -> list[str]:
    """Write tools.json and a file of rows for each split; returns notes on what the form cannot hold."""
    records.write_json(folder / "tools.json", [{"type": "function", "function": each} for each in imported.functions])
    held = [example for example in imported.examples if "answers" in example or "steps" in example]
    splits = {name: [row for row in held if row.get("split") == SPLIT_OF_FILE.get(name)] for name in FILES}
    for name, examples in splits.items():
        (folder / f"{name}.jsonl").unlink(missing_ok=True)
        if examples:
            records.write_jsonl(folder / f"{name}.jsonl", ({"messages": messages(example)} for example in examples))
    missing = len(imported.examples) - len(held)
    return [f"{missing:,} examples without one right answer left out"] if missing else []


def listed(document: object, place: str) -> list[tuple[str, dict]]:
    """The records of a list of tools, which may stand under the key tools or functions, with their places."""
    if isinstance(document, dict):
        document = document.get("tools") or document.get("functions")
    return list(reading.items(document, place))


def messages(example: dict) -> list[dict]:
    """An example with answers or steps as a conversation that trains on its last turn alone."""
    said = [turn | ({"weight": 0} if turn["role"] == "assistant" else {}) for turn in example.get("history", [])]
    said.append({"role": "user", "content": example["query"]})
    for step in example.get("steps", []):
        said.append({"role": "assistant", "content": step["thought"] or None, "tool_calls": [step]})
        said.append({"role": "tool", "content": step["observation"]})
    if "steps" in example:
        said.append({"role": "assistant", "content": example["final_answer"]})
    elif example["answers"]:
        said.append({"role": "assistant", "content": None, "tool_calls": example["answers"]})
    else:
        said.append({"role": "assistant", "content": ""})
    return list(_numbered(said))


def _numbered(said: list[dict]) -> Iterator[dict]:
    """Messages whose calls have ids, which the messages of tools refer to in their order."""
    ids = (f"call_{number}" for number in itertools.count(1))
    waiting: list[str] = []
    for message in said:
        if "tool_calls" in message:
            made = [{"name": call["name"], "arguments": dumps(call["arguments"])} for call in message["tool_calls"]]
            wrapped = [{"id": next(ids), "type": "function", "function": function} for function in made]
            waiting = [call["id"] for call in wrapped]
            message = message | {"tool_calls": wrapped}
        elif message["role"] == "tool":
            message = message | {"tool_call_id": waiting.pop(0) if waiting else "call_0"}
        yield message


def _files(source: Path) -> list[Path]:
    if source.is_file() and source.suffix in (".json", ".jsonl"):
        return [source]
    found = [path for path in source.glob("*") if path.suffix in (".json", ".jsonl")]
    if not found:
        raise BadRecord(f"{source}: expected a .json or .jsonl file, or a folder with some, found none")
    return sorted(found, key=lambda path: (FILES.index(path.stem) if path.stem in FILES else len(FILES), path.name))


def _distinct(found: list[tuple[str, dict]], left_out: Counter, cut: list[str]) -> Iterator[tuple[str, dict]]:
    """The tools, each read once however many rows bring it along."""
    seen = set()
    for place, record in found:
        if (key := dumps(record)) not in seen:
            seen.add(key)
            yield place, tool(record, place, left_out, cut)


def _examples(said: object, place: str, left_out: Counter) -> Iterator[dict]:
    kept = [item for item in reading.items(said, f"{place}: messages") if item[1].get("role") not in turns.UNSPOKEN]
    spoken = [turns.turn(record, at) for at, record in kept]
    asked = [i for i, turn in enumerate(spoken) if turn["role"] == "user"]
    if not asked:
        raise bad(place, "a message of the user", said)
    for start, end in zip(asked, [*asked[1:], len(spoken)], strict=True):
        replies = range(start + 1, end)
        answering = [i for i in replies if spoken[i]["role"] == "assistant"]
        if not answering:
            left_out["user's messages that are not answered"] += 1
        elif any(kept[i][1].get("weight") != 0 for i in answering):
            example = {"query": spoken[start]["content"], **_answer([(kept[i][1], spoken[i]) for i in replies])}
            yield example | ({"history": spoken[:start]} if start else {})


def _answer(replies: list[tuple[dict, dict]]) -> dict:
    """What answers a user, records and turns: the calls made in one go, or the steps of several."""
    going = [turn["tool_calls"] for _, turn in replies if "tool_calls" in turn]
    if len(going) < 2:
        return {"answers": going[0] if going else []}
    steps: list[dict] = []
    waiting: dict[str, dict] = {}
    for record, turn in replies:
        if "tool_calls" in turn:
            new = [{"thought": "", **call, "observation": ""} for call in turn["tool_calls"]]
            new[0]["thought"] = turn["content"] or ""
            made = record["tool_calls"] if isinstance(record.get("tool_calls"), list) else [{}] * len(new)
            ids = [str(call.get("id", number)) for number, call in enumerate(made)]
            waiting = dict(zip(ids, new, strict=True))
            steps += new
        elif turn["role"] == "tool" and waiting:  # without an id that is known: in the order of the calls
            id_ = str(record.get("tool_call_id"))
            waiting.pop(id_ if id_ in waiting else next(iter(waiting)))["observation"] = turn["content"] or ""
    last = replies[-1][1]
    final = last["content"] if last["role"] == "assistant" and "tool_calls" not in last else None
    return {"steps": steps, "final_answer": final or ""}
