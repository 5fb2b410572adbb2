"""Answer queries with calls.

    python scripts/predict.py --input q.jsonl --output calls.jsonl [--model models/agent_tuning]
    Q="set my side to 21" python scripts/predict.py

reads   rows {"query"}, or one query from the environment variable Q
writes  rows {"query", "calls": [{"name", "arguments"}]} in the same order; a request that no call answers gets []

A few milliseconds a query on one core, after some seconds of loading.
"""

import argparse
import os
from pathlib import Path

from tqdm import tqdm

from toolgen import checkpoints, console, records
from toolgen.decoding import Decoder

BATCH_SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, metavar="q.jsonl")
    parser.add_argument("--output", type=Path, metavar="calls.jsonl")
    parser.add_argument("--model", type=Path, default=Path("models/agent_tuning"))
    arguments = parser.parse_args()
    if (arguments.input is None) != (arguments.output is None):
        raise console.Mistake("--input and --output go together")
    if arguments.input is None and not os.environ.get("Q"):  # make exports an empty Q to every target
        raise console.Mistake('nothing to answer: give --input and --output, or make predict Q="open my window"')

    queries = [os.environ["Q"]] if arguments.input is None else read_queries(arguments.input)
    decoder = Decoder(checkpoints.load(arguments.model))
    answers = []
    starts = range(0, len(queries), BATCH_SIZE)
    for start in tqdm(starts, desc="predict", unit="batch", disable=len(starts) < 2, mininterval=1):
        answers += decoder.calls(queries[start : start + BATCH_SIZE], BATCH_SIZE)
    if arguments.input is None:
        print("\n".join(records.dumps(call) for call in answers[0]) or "no call")
        return
    rows = ({"query": query, "calls": calls} for query, calls in zip(queries, answers, strict=True))
    count = records.write_jsonl(arguments.output, rows)
    print(f"predict: {count:,} queries -> {arguments.output}")


def read_queries(path: Path) -> list[str]:
    """The queries of a JSON Lines file. Raises BadRecord for a row without one."""
    if not path.is_file():
        raise console.Mistake(f"there is no file {path}")
    queries = []
    for number, row in enumerate(records.read_jsonl(path), 1):
        if not isinstance(row.get("query"), str):
            raise records.BadRecord(f'{path}: row {number} has no text under "query"')
        queries.append(row["query"])
    return queries


if __name__ == "__main__":
    console.finish(main, (records.BadRecord, checkpoints.BadCheckpoint))
