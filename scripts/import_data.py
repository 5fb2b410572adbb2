"""Bring tools and examples of another project into the form that the pipeline reads.

    python scripts/import_data.py --format jsonl --from <file or folder> [--to data/imported]

reads   what the format wants; the head of its module in scripts/toolgen/formats/ says what that is
writes  <folder>/catalog.json     the tools
        <folder>/examples.jsonl   what is asked of them, and what is known of the answer

Both go to DVC. Prints what was found and how to go on. An earlier import into the same folder is overwritten.
"""

import argparse
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

from toolgen import console, records
from toolgen.formats import imported
from toolgen.formats.names import FORMATS

OURS = (imported.CATALOG, imported.EXAMPLES, f"{imported.CATALOG}.dvc", f"{imported.EXAMPLES}.dvc", ".gitignore")
TAKEN = ("data/generated", "data/refined", "data/prepared", "data/ledger", "metrics", "models", "plots")
MOST_NOTES = 20
KINDS = {"answers": "with answers", "accept": "with several right answers", "steps": "trajectories",
         "relevant_tools": "of which only the tools are known"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--from", dest="source", type=Path, metavar="path", required=True, help="a file or folder")
    parser.add_argument("--to", type=Path, metavar="folder", default=Path("data/imported"))
    arguments = parser.parse_args()
    check_folder(arguments.to)
    if not arguments.source.exists():
        raise console.Mistake(f"there is no {arguments.source} to import from")
    found = FORMATS[arguments.format].read(arguments.source)
    imported.write(found, arguments.to)
    paths = [arguments.to / name for name in (imported.CATALOG, imported.EXAMPLES)]
    add_to_dvc(paths)
    for note in found.notes[:MOST_NOTES]:
        print(f"  {note}")
    if len(found.notes) > MOST_NOTES:
        print(f"  and {len(found.notes) - MOST_NOTES:,} notes more")
    print(f"import_data: {told(found)} -> {arguments.to}")
    print(f"go on with: {going_on(found, *paths)}")


def check_folder(folder: Path) -> None:
    """Raises Mistake unless the folder is new, empty, or holds an earlier import alone, and is no stage's."""
    for taken in map(Path, TAKEN):
        if folder.resolve().is_relative_to(taken.resolve()):
            raise console.Mistake(f"{folder}: {taken} belongs to the pipeline; import into a folder of its own")
    if folder.exists() and not folder.is_dir():
        raise console.Mistake(f"{folder} is a file; import into a folder")
    others = sorted(path.name for path in folder.glob("*") if path.name not in OURS)
    if others:
        raise console.Mistake(f"{folder} holds more than an import ({others[0]}); import into a folder of its own")


def add_to_dvc(paths: list[Path]) -> None:
    """Put the files under DVC's control; where it refuses, say so and go on, since the files are there."""
    try:
        done = subprocess.run([sys.executable, "-m", "dvc", "add", "-q", *map(str, paths)], capture_output=True,
                              text=True, encoding="utf-8")  # fmt: skip
    except OSError as error:
        raise console.Mistake(f"DVC cannot be started: {error}") from None
    if done.returncode != 0:
        reasons = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        print(f"not under DVC's control: {reasons[0] if reasons else 'dvc add failed'}", file=sys.stderr)


def told(found: imported.Imported) -> str:
    """What an import holds, in words."""
    splits = Counter(example.get("split", "to be divided by refine") for example in found.examples)
    kinds = Counter(next(kind for kind in KINDS if kind in example) for example in found.examples)
    parts = [f"{len(found.catalog().tools):,} tools", f"{len(found.examples):,} examples"]
    parts += [f"{splits[split]:,} {split}" for split in sorted(splits)]
    parts += [f"{kinds[kind]:,} {name}" for kind, name in KINDS.items() if kinds[kind]]
    history = sum("history" in example for example in found.examples)
    return ", ".join(parts + ([f"{history:,} with history"] if history else []))


def going_on(found: imported.Imported, catalog: Path, examples: Path) -> str:
    """The command for what comes next. Without examples a teacher has to write them; the offline one knows cars."""
    start = f"dvc exp run -S catalog={shlex.quote(str(catalog))}"
    if found.examples:
        return f"{start} -S generate.teacher=imported -S generate.source={shlex.quote(str(examples))}"
    if found.properties:
        return f"{start}   # there are no examples: the offline teacher writes them"
    return f"{start} -S generate.teacher=openai   # there are no examples: a teacher has to write them"


if __name__ == "__main__":
    console.finish(main, (records.BadRecord,))
