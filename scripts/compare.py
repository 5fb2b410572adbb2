"""Say which differences between two evaluations are real.

    python scripts/compare.py [A] [B]

A and B are revisions in git; A is the last commit but one and B is what lies in the working directory, unless named.

reads   metrics/predictions/ of both, data/prepared/evaluation.jsonl, params.yaml (catalog, evaluate)

Both must have been evaluated on the rows that lie in the working directory. Paired tests on the same rows: McNemar's
exact test for right or wrong, the bootstrap for shares; p is corrected for the number of tests (Holm). A few seconds.
"""

import argparse
import json
import subprocess
from pathlib import Path

from toolgen import catalog, console, params, records
from toolgen.evaluation import comparison

PREDICTIONS, ROWS = "metrics/predictions", "data/prepared/evaluation.jsonl"
WORKSPACE = "the working directory"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", nargs="?", metavar="A", default="HEAD~1", help="a revision; HEAD~1 unless named")
    parser.add_argument("b", nargs="?", metavar="B", help="a revision; the working directory unless named")
    arguments = parser.parse_args()
    options = params.read()
    tools = catalog.load(options.catalog)
    rows = list(records.read_jsonl(ROWS))
    names = list(dict.fromkeys(row["slice"] for row in rows))
    revisions = (arguments.a, arguments.b)
    sides = [predictions(revision) for revision in revisions]
    common = [name for name in names if all(name in side for side in sides)]
    if not common:
        raise console.Mistake("the two hold predictions of no slice in common: evaluate both on the same data")
    for revision, side in zip(revisions, sides, strict=True):
        for name in common:
            source = f"{revision or WORKSPACE}, {PREDICTIONS}/{name}.jsonl"
            comparison.check_rows([row for row in rows if row["slice"] == name], side[name], source)
    gold = [row for name in common for row in rows if row["slice"] == name]
    a, b = ([row for name in common for row in side[name]] for side in sides)
    found = comparison.differences(gold, a, b, tools, options.evaluate.seed)

    print(f"A is {arguments.a}, B is {arguments.b or WORKSPACE}.\n")
    print("| rows | n | measure | A | B | B - A | p | real |")
    print("|---|--:|---|--:|--:|--:|--:|---|")
    for each in found:
        verdict = "no" if not each.real else "better" if each.b > each.a else "worse"
        print(f"| {each.slice} | {each.n} | {each.measure} | {100 * each.a:.1f}% | {100 * each.b:.1f}% | "
              f"{100 * (each.b - each.a):+.1f} | {each.p:.4f} | {verdict} |")  # fmt: skip
    missing = [name for name in names if name not in common]
    if missing:
        print(f"\nNot compared, since only one of them holds predictions: {', '.join(missing)}.")


def predictions(revision: str | None) -> dict[str, list[dict]]:
    """The rows of every file under metrics/predictions/, by slice. Raises Mistake where there are none."""
    if revision is None:
        paths = sorted(Path(PREDICTIONS).glob("*.jsonl"))
        found = {path.stem: list(records.read_jsonl(path)) for path in paths}
    else:
        if git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
            raise console.Mistake(f"git knows no revision {revision!r} here: make compare A=<revision> B=<revision>")
        listed = git("ls-tree", "--full-tree", "--name-only", f"{revision}:./{PREDICTIONS}") or ""
        found = {
            Path(name).stem: parsed(git("show", f"{revision}:./{PREDICTIONS}/{name}"), f"{revision}:{name}")
            for name in listed.splitlines()
            if name.endswith(".jsonl")
        }
    if not found:
        raise console.Mistake(f"there are no predictions in {revision or WORKSPACE}: run `make evaluate`, and commit")
    return found


def parsed(text: str, source: str) -> list[dict]:
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except json.JSONDecodeError as error:
        raise records.BadRecord(f"{source}: not JSON Lines ({error.msg})") from None


def git(*words: str) -> str | None:
    """What git prints; None where it fails, which for these commands means that there is no such thing."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError:
        raise console.Mistake("compare needs git, which is not installed") from None
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    console.finish(main, (params.BadParams, records.BadRecord, comparison.OtherRows))
