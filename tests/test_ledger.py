import errno
import json
import os
import subprocess
import sys
import threading

import pytest

from toolgen.console import Mistake
from toolgen.records import BadRecord
from toolgen.teachers.ledger import Ledger, key

RECORDS = {
    "a": {"text": "plain"}, "b": {"text": "täxt\nwith a line \u2028 break 🚗"}, "c": {"text": "\ud800 half a pair"}
}  # fmt: skip
HOLD = "import sys; sys.path.insert(0, sys.argv[1]); from toolgen.teachers.ledger import Ledger; " \
    "book = Ledger(sys.argv[2]); print('held', flush=True); sys.stdin.read()"  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger/teacher.jsonl"


@pytest.fixture
def filled(path):
    with Ledger(path) as book:
        for name, record in RECORDS.items():
            book.append(name, record)
    return path


def contents(path) -> dict:
    with Ledger(path) as book:
        return {name: book.get(name) for name in RECORDS if name in book}


def test_what_is_appended_is_there_after_reopening(filled):
    assert contents(filled) == {name: {"key": name, **record} for name, record in RECORDS.items()}
    assert filled.read_bytes().isascii()
    assert [json.loads(line)["key"] for line in filled.read_text().splitlines()] == list(RECORDS)


def test_an_unknown_key(filled):
    with Ledger(filled) as book:
        assert "d" not in book and len(book) == 3
        with pytest.raises(KeyError):
            book.get("d")


def test_a_last_line_torn_at_any_byte_is_repaired(filled):
    whole = filled.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(whole) + 1):
        filled.write_bytes(whole[:cut])
        complete = cut >= len(whole) - 1  # all of it but the newline is a record
        assert set(contents(filled)) == ({"a", "b", "c"} if complete else {"a", "b"}), cut
        assert filled.read_bytes() == (whole if complete else whole[:last])
        with Ledger(filled) as book:
            book.append("c", RECORDS["c"])
        assert contents(filled)["c"]["text"] == RECORDS["c"]["text"]


def test_zeros_that_a_power_cut_left_are_repaired(filled):
    whole = filled.read_bytes()
    filled.write_bytes(whole + b"\0" * 100)
    assert set(contents(filled)) == set(RECORDS)
    assert filled.read_bytes() == whole


@pytest.mark.parametrize("broken", (b"{\n", b"\xff\n", b"[]\n", b"{}\n", b'{"key": 1}\n', b"[" * 99_999 + b"\n", b"\n"))
def test_a_broken_line_before_the_last_is_named(filled, broken):
    filled.write_bytes(broken + filled.read_bytes())
    with pytest.raises(BadRecord, match=r"teacher\.jsonl:1: not a record"):
        Ledger(filled)
    filled.write_bytes(filled.read_bytes()[len(broken) :])
    assert set(contents(filled)) == set(RECORDS)  # and the failed opening holds no lock


def test_one_process_at_a_time(filled):
    scripts = os.path.join(os.path.dirname(__file__), "../scripts")
    other = subprocess.Popen([sys.executable, "-c", HOLD, scripts, str(filled)], stdin=-1, stdout=-1, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Mistake, match="in use by another"):
        Ledger(filled)
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert set(contents(filled)) == set(RECORDS)  # the lock does not outlive its process


def test_threads_share_it(path):
    with Ledger(path) as book:
        def work(number: int) -> None:
            for i in range(20):
                book.append(f"{number}/{i}", {"text": f"{number}" * 5000})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(book.get(f"{n}/{i}")["text"] == f"{n}" * 5000 for n in range(8) for i in range(20))
    with Ledger(path) as book:
        assert len(book) == 160


def test_a_full_disk_leaves_the_file_as_it_was(filled, monkeypatch):
    before, write = filled.read_bytes(), os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: len(data) // 2])

    with Ledger(filled) as book:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            book.append("d", {"text": "x" * 1000})
        assert filled.read_bytes() == before
        monkeypatch.undo()
        book.append("d", {"text": "y"})
        assert book.get("d")["text"] == "y"
    assert set(contents(filled)) == set(RECORDS)


def test_keys_tell_every_part():
    parts = ("gemini", "model", "prompt", {"temperature": 1.0}, 3)
    others = [("openai", *parts[1:]), ("gemini", "other", *parts[2:]), (*parts[:2], "Prompt", *parts[3:]),
              (*parts[:3], {"temperature": 0.5}, 3), (*parts[:4], 4), ("geminimodel", *parts[2:])]  # fmt: skip
    assert len({key(*each) for each in [parts, *others]}) == 7
    assert key(*parts) == key(*parts)
