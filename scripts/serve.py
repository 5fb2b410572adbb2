"""Serve a model behind OpenAI's chat protocol.

    python scripts/serve.py [--model models/agent_tuning] [--host 127.0.0.1] [--port 8000]

reads   the model's folder
serves  POST /v1/chat/completions, GET /v1/models, GET /health

A client's base_url is the address printed here; its model is the name of the folder. Ctrl-C or SIGTERM stops it, once
the requests that run are answered.
"""

import argparse
import os
from pathlib import Path

# OpenMP reads it when torch is loaded. Threads that spin between passes of the model leave no core for the requests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from toolgen import checkpoints, console, records  # noqa: E402
from toolgen.decoding import Decoder  # noqa: E402
from toolgen.serving import app, server  # noqa: E402
from toolgen.serving.engine import Engine  # noqa: E402
from toolgen.serving.guards import Guards  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/agent_tuning"), metavar="folder")
    parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1 is this machine alone, 0.0.0.0 the network")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    parser.add_argument("--batch", type=int, default=64, help="queries answered together (64)")
    parser.add_argument("--queue", type=int, default=256, help="queries that may wait, before others get 429 (256)")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second from one address (100)")
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.queue, arguments.rate) <= 0:
        raise console.Mistake("--batch, --queue and --rate must be above 0")

    listening = server.listen(arguments.host, arguments.port)
    checkpoint = checkpoints.load(arguments.model)
    checkpoints.to_device(checkpoint)
    engine = Engine(Decoder(checkpoint), arguments.batch, arguments.queue)
    name = arguments.model.resolve().name
    burst = max(1, round(2 * arguments.rate))
    guarded = Guards(app.create(engine, name), host=arguments.host, rate=arguments.rate, burst=burst)
    print(f"serve: {name} at {server.address(listening)}/v1, Ctrl-C stops it", flush=True)
    try:
        server.run(guarded, listening)
    finally:
        engine.stop()


if __name__ == "__main__":
    console.finish(main, (records.BadRecord, checkpoints.BadCheckpoint))
