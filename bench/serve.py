"""What `make serve` answers: requests per second and latency at 1, 8 and 64 clients, batched and one query at a time.

Two real servers of models/agent_tuning, or of a model of its shape with random weights where there is none, one of them
with batches of one query. Clients in this process ask, wait for the answer, and ask again, on connections of their own;
the servers take turns, and the ratio is of turns next to each other. Server and clients share the cores with whatever
else runs there, so the processor time of the server is told beside the clock's.

    python bench/serve.py       about three minutes, on Linux
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENTS, TURNS, SECONDS = (1, 8, 64), 4, 5.0
QUERIES = [
    "set my side to 21",
    "shut all the windows, it's loud in here",
    "could you warm the passenger's seat a little",
    "lock the car",
    "fan to four and point the air at my feet",
    "open the trunk",
    "who wrote the anthem of Norway",
    "turn the reading light behind me off and put the sunroof back",
    "how far can we still go",
    "it is freezing back there",
    "defrost the rear windshield",
    "charge no further than eighty percent",
]


def main() -> None:
    with ExitStack() as stack:
        folder = ROOT / "models/agent_tuning"
        if not folder.is_dir():
            folder = stack.enter_context(untrained())
            print("models/agent_tuning is not there: random weights of its shape, whose answers are longer")
        servers = {kind: stack.enter_context(server(folder, batch)) for kind, batch in (("batched", 64), ("single", 1))}
        for clients in CLIENTS:
            for _, port in servers.values():
                asyncio.run(crowd(port, folder.name, clients, 1.0))  # warms up
            turns, used = [], dict.fromkeys(servers, 0.0)
            for _ in range(TURNS):
                turns.append({})
                for kind, (pid, port) in servers.items():
                    before = processor_seconds(pid)
                    turns[-1][kind] = asyncio.run(crowd(port, folder.name, clients, SECONDS))
                    used[kind] += processor_seconds(pid) - before
            for kind in servers:
                latencies = [latency for turn in turns for latency in turn[kind]]
                spent = f"{1000 * used[kind] / len(latencies):.1f} ms of the processor each"
                print(f"{clients} clients, {kind}: {summary(latencies)}; {spent}")
            ratios = [len(turn["batched"]) / len(turn["single"]) for turn in turns]
            print(f"{clients} clients, batched over single: {statistics.median(ratios):.2f} times as many"
                  f" ({min(ratios):.2f} to {max(ratios):.2f} in {TURNS} turns)", flush=True)  # fmt: skip


def summary(latencies: list[float]) -> str:
    """Requests per second of all turns, and percentiles of latencies in seconds."""
    cuts = statistics.quantiles(latencies, n=100)
    shown = ", ".join(f"p{which} {1000 * cuts[which - 1]:.1f}" for which in (50, 95, 99))
    return f"{len(latencies) / (TURNS * SECONDS):.0f} requests/s, ms {shown}"


async def crowd(port: int, model: str, clients: int, seconds: float) -> list[float]:
    """The latencies, in seconds, of all requests that `clients` clients finish in `seconds`."""
    numbers, end = count(), time.perf_counter() + seconds
    found = await asyncio.gather(*(client(port, model, numbers, end) for _ in range(clients)))
    return [latency for each in found for latency in each]


async def client(port: int, model: str, numbers: Iterator[int], end: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    while (started := time.perf_counter()) < end:
        query = QUERIES[next(numbers) % len(QUERIES)]
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": query}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert answered.startswith(b"http/1.1 200"), answered
        await reader.readexactly(int(answered.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        latencies.append(time.perf_counter() - started)
    writer.close()
    return latencies


def processor_seconds(pid: int) -> float:
    """What a running process has used, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(folder: Path, batch: int) -> Iterator[tuple[int, int]]:
    """A real server in a process of its own; the process's id and its port."""
    command = [sys.executable, ROOT / "scripts/serve.py", "--model", folder, "--port", "0", "--batch", str(batch)]
    process = subprocess.Popen([*command, "--rate", "1e9"], stdout=-1, text=True)
    try:
        yield process.pid, int(process.stdout.readline().split("/v1")[0].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


@contextmanager
def untrained() -> Iterator[Path]:
    sys.path.insert(0, str(ROOT / "scripts"))
    from toolgen import catalog, checkpoints

    tools = catalog.load(ROOT / "data/catalog.json")
    shape = checkpoints.Shape(4000, hidden_size=128, intermediate_size=512, num_layers=4, num_heads=4)
    model, tokenizer = checkpoints.from_scratch(QUERIES, tools, shape, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    info = checkpoints.Info("agent_tuning", checkpoints.FROM_SCRATCH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random_weights"
        checkpoints.save(path, checkpoints.Checkpoint(model, tokenizer, tools, info), ROOT / "data/catalog.json")
        yield path


if __name__ == "__main__":
    main()
