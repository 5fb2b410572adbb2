"""JSON Lines in and out: one record a line, UTF-8, stable order, written beside and renamed."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


class BadRecord(ValueError):
    """A record that cannot be used; the message names its file and line."""


@contextmanager
def written_whole(path: str | Path) -> Iterator[IO[str]]:
    """Open `path` for text so that a kill leaves the old file or the new one, never half of either."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def finite(text: str) -> float:
    """A number for `json`'s parse_float and parse_constant, which by themselves take NaN, Infinity and 1e999."""
    number = float(text)
    if not abs(number) < float("inf"):
        raise ValueError(f"{text[:40]} is not a finite number")
    return number


def dumps(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(", ", ": "))


def write_jsonl(path: str | Path, records: Iterable[Any]) -> int:
    """Write one record a line; return how many."""
    count = 0
    with written_whole(path) as file:
        for record in records:
            file.write(dumps(record) + "\n")
            count += 1
    return count


def write_json(path: str | Path, value: Any) -> None:
    with written_whole(path) as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_jsonl(path: str | Path) -> Iterator[dict]:
    """Yield the objects of a JSON Lines file; see `numbered`."""
    return (record for _, record in numbered(path))


def numbered(path: str | Path) -> Iterator[tuple[int, dict]]:
    """Yield the objects of a JSON Lines file, each with the number of its line; blank lines are skipped.

    Raises BadRecord for a missing file, and with `file:line` for a line that is not UTF-8 or not a JSON object.
    """
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise BadRecord(f"{path}:{number}: not UTF-8") from None
            except json.JSONDecodeError as error:
                raise BadRecord(f"{path}:{number}: not JSON ({error.msg})") from None
            if not isinstance(record, dict):
                raise BadRecord(f"{path}:{number}: expected an object, found {type(record).__name__}")
            yield number, record


def _opened(path: str | Path) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except (FileNotFoundError, IsADirectoryError):
        raise BadRecord(f"there is no file {path}: run `dvc repro`, or the stage that writes it") from None


def read_json(path: str | Path) -> Any:
    """Read one JSON document; raises BadRecord where it is missing, not JSON or not UTF-8."""
    try:
        with _opened(path) as file:
            return json.loads(file.read().decode("utf-8"))
    except UnicodeDecodeError:
        raise BadRecord(f"{path}: not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadRecord(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
