"""Try a model on a page of one's own machine: requests become calls, and a simulated car shows what they do.

    python scripts/demo.py [--model models/agent_tuning] [--port 8001]

reads   the model's folder
serves  the page at the printed address, for this machine alone

Every browser has a car of its own, until the demo ends. Ctrl-C or SIGTERM stops it.
"""

import argparse
import os
from pathlib import Path

# OpenMP reads it when torch is loaded. Threads that spin between passes of the model leave no core for the requests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from toolgen import checkpoints, console, records  # noqa: E402
from toolgen.decoding import Decoder  # noqa: E402
from toolgen.serving import server  # noqa: E402
from toolgen.serving.demo import app  # noqa: E402
from toolgen.serving.engine import Engine  # noqa: E402

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/agent_tuning"), metavar="folder")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any free one")
    arguments = parser.parse_args()

    listening = server.listen(HOST, arguments.port)
    checkpoint = checkpoints.load(arguments.model)
    checkpoints.to_device(checkpoint)
    engine = Engine(Decoder(checkpoint))
    print(f"demo: {arguments.model.resolve().name} at {server.address(listening)}, Ctrl-C stops it", flush=True)
    try:
        server.run(app.create(engine), listening)
    finally:
        engine.stop()


if __name__ == "__main__":
    console.finish(main, (records.BadRecord, checkpoints.BadCheckpoint))
