"""What a paid teacher costs in time and memory, measured against a server on 127.0.0.1 (tests/fake_teacher.py).

Prints samples per second at 200 ms of latency, one request at a time and 32, and the peak memory at zero latency for
1,000 and for 100,000 samples. Every run is the real scripts/generate.py in a folder of its own.

    python bench/generate.py [gemini|openai]      about three minutes
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
LATENCY = 0.2  # seconds


def main(teacher: str) -> None:
    one, _ = measured(teacher, LATENCY, concurrency=1, num_samples=1_000)
    many, _ = measured(teacher, LATENCY, concurrency=32, num_samples=20_000)
    print(f"{teacher}, {LATENCY * 1000:.0f} ms of latency: {one:,.1f} samples/s at concurrency 1, {many:,.1f} at 32: "
          f"{many / one:.1f} times as many")  # fmt: skip
    for num_samples in (1_000, 100_000):
        speed, memory = measured(teacher, 0.0, concurrency=16, num_samples=num_samples)
        print(f"{teacher}, {num_samples:,} samples: peak memory {memory:,.0f} MB, {speed:,.0f} samples/s")


def measured(teacher: str, latency: float, concurrency: int, num_samples: int) -> tuple[float, float]:
    """Samples per second, without Python's start, and the peak resident memory of `generate` in MB."""
    with tempfile.TemporaryDirectory() as folder, server(latency) as fake:
        url = f"http://127.0.0.1:{fake.stdout.readline().strip()}" + ("/v1" if teacher == "openai" else "")
        prepare(Path(folder), teacher, url, concurrency, num_samples)
        command = [sys.executable, ROOT / "scripts/generate.py"]
        run = subprocess.Popen(command, cwd=folder, env=os.environ | {"GEMINI_API_KEY": "none"}, stdout=-3, stderr=-3)
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        assert run.returncode == 0, run.returncode
        fake.stdin.close()
        timing = json.loads((Path(folder) / "metrics/timing/generate.json").read_text())
    return num_samples / timing["seconds"], used.ru_maxrss / 1024


def server(latency: float) -> subprocess.Popen:
    """A fake teacher in a process of its own; it prints its port, and ends with its input."""
    command = [sys.executable, ROOT / "tests/fake_teacher.py", ROOT / "data/catalog.json", str(latency)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def prepare(folder: Path, teacher: str, url: str, concurrency: int, num_samples: int) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["generate"] |= {"teacher": teacher, "num_samples": num_samples}
    params["generate"]["requests"] |= {"base_url": url, "concurrency": concurrency, "budget_tokens": None}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "profiles").symlink_to(ROOT / "profiles")
    (folder / "data").mkdir()
    for name in ("catalog.json", "prompts"):
        (folder / "data" / name).symlink_to(ROOT / "data" / name)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "openai")
