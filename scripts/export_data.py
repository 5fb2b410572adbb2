"""Write the dataset in another project's form, into a folder of yours.

    python scripts/export_data.py --format cartool [--to exports/cartool]
    python scripts/export_data.py --format jsonl --from data/imported [--to exports/jsonl]

reads   data/refined/dataset.jsonl, or what an import wrote into the folder that --from names
writes  <folder>/dataset.json    cartool: [{"query", "answers": [{"name", "arguments"}]}]
        <folder>/dataset.jsonl   cartool: {"metadata", "tools", "messages"}
        an import                the files of its format, as the head of its module in scripts/toolgen/formats/ says

CarTool-Instruct refuses a query without a call, so these are left out and counted. Its developer message holds the
whole catalog: so does this one where the dataset was refined with refine.catalog_in_rows: true.
"""

import argparse
from pathlib import Path

from toolgen import console, dataset, records
from toolgen.formats import imported
from toolgen.formats.names import FORMATS

DATASET = "data/refined/dataset.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--from", dest="source", type=Path, metavar="folder", help="an import; default: the dataset")
    parser.add_argument("--to", type=Path, metavar="folder", help="default: exports/<format>")
    arguments = parser.parse_args()
    folder = arguments.to or Path("exports") / arguments.format
    if arguments.source is not None:
        export_import(arguments.source, arguments.format, folder)
    elif arguments.format == "cartool":
        export_dataset(folder)
    else:
        raise console.Mistake(f"{arguments.format} is for imported data: name it by --from (make: FROM=data/imported)")


def export_import(source: Path, name: str, folder: Path) -> None:
    found = imported.read(source)
    if folder.resolve() == source.resolve():
        raise console.Mistake(f"{folder} holds the import; export into a folder of its own")
    for note in FORMATS[name].write(found, folder) or ():
        print(f"  {note}")
    print(f"export_data: {len(found.functions):,} tools, {len(found.examples):,} examples -> {folder}")


def export_dataset(folder: Path) -> None:
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
