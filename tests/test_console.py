import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = "from toolgen import console; console.finish(lambda: print('a line'))"


def test_a_reader_that_has_had_enough_sees_no_traceback():
    """Standard output is a pipe that nobody reads any more, as behind `head`."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT / "scripts", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 0
