"""The ledger: every answer that was ever paid for, appended before anyone reads it.

One JSON object a line, `key` first. It is neither a dependency nor an output of the pipeline, and nothing cleans it.
"""

import fcntl
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from ..console import Mistake
from ..records import BadRecord


def key(*parts: Any) -> str:
    """The name of a question: a hash of all that its answer depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Ledger:
    """A file of records by key, of which memory holds keys and places alone. For one process, and all its threads."""

    def __init__(self, path: str | Path):
        """Open `path`, made where it is missing, and cut off what a kill left of its last line.

        Raises Mistake where another process has it open, BadRecord for a broken line before the last.
        """
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read_places()
        except BlockingIOError:
            os.close(self._file)
            raise Mistake(f"{self.path} is in use by another `generate`: wait until it ends, or stop it") from None
        except BadRecord:
            os.close(self._file)
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> dict:
        """The record of `key`. Raises KeyError."""
        start, length = self._places[key]
        return json.loads(os.pread(self._file, length, start))

    def append(self, key: str, record: dict) -> None:
        """Add a record; it is on the disk when this returns. Raises OSError, with the file as it was before."""
        # ASCII with escapes: a teacher's text may hold half of a surrogate pair, which UTF-8 cannot.
        line = json.dumps({"key": key, **record}).encode() + b"\n"
        with self._lock:
            start = self._end
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._file, line[written:])
            except OSError:
                os.ftruncate(self._file, start)
                raise
            self._end += len(line)
        os.fsync(self._file)  # outside the lock, so that threads wait for the disk together
        self._places[key] = (start, len(line))

    def _read_places(self) -> None:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                name, whole = _key_of(line), line.endswith(b"\n")
                if name is None and whole:
                    raise BadRecord(f"{self.path}:{number}: not a record; delete the line, and it is asked again")
                if name is None:
                    os.ftruncate(self._file, self._end)
                    break
                self._places[name] = (self._end, len(line))
                self._end += len(line)
        if self._end and os.pread(self._file, 1, self._end - 1) != b"\n":  # all but its newline was written
            self._end += os.write(self._file, b"\n")


def _key_of(line: bytes) -> str | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = record.get("key") if isinstance(record, dict) else None
    return name if isinstance(name, str) else None
