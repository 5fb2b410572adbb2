"""Write the dataset in another project's form, into a folder of yours.

    python scripts/export_data.py --format cartool [--to exports/cartool]

reads   data/refined/dataset.jsonl
writes  <folder>/dataset.json    cartool: [{"query", "answers": [{"name", "arguments"}]}]
        <folder>/dataset.jsonl   cartool: {"metadata", "tools", "messages"}

CarTool-Instruct refuses a query without a call, so these are left out and counted. Its developer message holds the
whole catalog: so does this one where the dataset was refined with refine.catalog_in_rows: true.
"""

import argparse
from pathlib import Path

from toolgen import console, dataset, records

DATASET = "data/refined/dataset.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("cartool",), required=True)
    parser.add_argument("--to", type=Path, metavar="folder", help="default: exports/<format>")
    arguments = parser.parse_args()
    folder = arguments.to or Path("exports") / arguments.format
    written = left_out = 0
    with (
        records.written_whole(folder / "dataset.json") as queries,
        records.written_whole(folder / "dataset.jsonl") as rows,
    ):
        for row in records.read_jsonl(DATASET):
            query, calls = dataset.query_and_calls(row)
            if not calls:
                left_out += 1
                continue
            queries.write(("[\n" if written == 0 else ",\n") + records.dumps({"query": query, "answers": calls}))
            rows.write(records.dumps({key: row[key] for key in ("metadata", "tools", "messages")}) + "\n")
            written += 1
        queries.write("[]\n" if written == 0 else "\n]\n")
    print(f"export_data: {written:,} rows -> {folder}, {left_out:,} without a call left out")


if __name__ == "__main__":
    console.finish(main, (records.BadRecord,))
