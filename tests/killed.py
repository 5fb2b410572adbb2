"""Run a script that dies at a given moment: `killed.py "write 3" scripts/generate.py`.

write n: half of the n-th write to the ledger is on the disk. fsync n, fsynced n: before and after the n-th fsync.
rename n, renamed n: before and after the n-th rename.
"""

import os
import pathlib
import runpy
import signal
import sys
from collections import Counter

moment, number = sys.argv[1].split()
seen: Counter[str] = Counter()
write, fsync, replace = os.write, os.fsync, pathlib.Path.replace


def reached(kind: str) -> bool:
    seen[kind] += 1
    return kind == moment and seen[kind] == int(number)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_write(file: int, data: bytes) -> int:
    if len(data) > 100 and reached("write"):
        write(file, data[: len(data) // 2])
        die()
    return write(file, data)


def dying_fsync(file: int) -> None:
    if reached("fsync"):
        die()
    fsync(file)
    if reached("fsynced"):
        die()


def dying_replace(self: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    if reached("rename"):
        die()
    found = replace(self, target)
    if reached("renamed"):
        die()
    return found


os.write, os.fsync, pathlib.Path.replace = dying_write, dying_fsync, dying_replace
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
