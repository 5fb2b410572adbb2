"""JSON of other projects, each record with its place: `file:line`, or file and number of the item, for messages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..records import BadRecord, dumps, finite


def bad(place: str, expected: str, found: Any) -> BadRecord:
    """The one form of a message about a file: where, what was expected, what stands there."""
    shown = json.dumps(found)
    return BadRecord(f"{place}: expected {expected}, found {shown[:80]}{'...' * (len(shown) > 80)}")


def lines(path: Path) -> Iterator[tuple[str, dict]]:
    """Yield the objects of a JSON Lines file with their places. Raises BadRecord.

    Blank lines, a byte order mark and CRLF are nothing to remark on.
    """
    for number, line in enumerate(_bytes(path).split(b"\n"), 1):
        place = f"{path}:{number}"
        text = _text(line, place)
        if text.strip():
            record = loads(text, place)
            if not isinstance(record, dict):
                raise bad(place, "an object", record)
            yield place, record


def document(path: Path) -> Any:
    """The one JSON value of a file. Raises BadRecord."""
    return loads(text(path), str(path))


def text(path: Path) -> str:
    """The whole of a file of text. Raises BadRecord."""
    return _text(_bytes(path), str(path))


def loads(text: str, place: str) -> Any:
    """The value of a JSON text. Raises BadRecord, also for what a file of ours cannot hold."""
    try:
        value = json.loads(text, parse_constant=finite, parse_float=finite)
        if "\\u" in text:
            dumps(value).encode("utf-8")  # half of a surrogate pair, which no UTF-8 file can hold, ends here
    except json.JSONDecodeError as error:
        line = f":{error.lineno}" if "\n" in text else ""
        raise BadRecord(f"{place}{line}: not JSON ({error.msg})") from None
    except UnicodeEncodeError:
        raise BadRecord(f"{place}: half of a surrogate pair, which is no text") from None
    except RecursionError:
        raise BadRecord(f"{place}: nested too deeply") from None
    except ValueError as error:
        raise BadRecord(f"{place}: not JSON ({error})") from None
    return value


def items(value: Any, place: str) -> Iterator[tuple[str, dict]]:
    """Yield the objects of a list with their places, counted from 1. Raises BadRecord."""
    if not isinstance(value, list):
        raise bad(place, "a list", value)
    for number, record in enumerate(value, 1):
        if not isinstance(record, dict):
            raise bad(f"{place}, item {number}", "an object", record)
        yield f"{place}, item {number}", record


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadRecord(f"there is no file {path}") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read ({error.strerror})") from None


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRecord(f"{place}: not UTF-8") from None
