"""What refine costs in time and memory, and what its near-duplicate search saves.

    python bench/refine.py [--sizes 10000 100000 1000000] [--pairs 200000] [--recall 5000]

Every size is the real scripts/refine.py in a process and a folder of its own, on replies of the offline teacher.
Prints time and peak memory, and the growth exponents between the sizes. Then, in seconds of the processor and on the
rows of the smallest size: the near-duplicate search, against rapidfuzz over all pairs, against MinHash-LSH
(datasketch), and against rouge-score's LCS over all pairs, as CarTool-Instruct has it, which is extrapolated from a
random sample of --pairs pairs. At the end the share of what an exhaustive comparison of --recall rows drops that the
search drops as well. On a machine that is busy with other work only the seconds of the processor mean something.

About 50 minutes and 40 GB of disk for a million; a few minutes for `--sizes 10000 100000`.
"""

import argparse
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from datasketch import MinHash, MinHashLSH  # noqa: E402
from rapidfuzz import process  # noqa: E402
from rapidfuzz.distance import Indel  # noqa: E402
from rouge_score import rouge_scorer  # noqa: E402

from toolgen import catalog, records  # noqa: E402
from toolgen.duplicates import NearDuplicates  # noqa: E402
from toolgen.refining import verification  # noqa: E402

Row = tuple[list[str], str]  # words, group
# A process counts as its own the memory of the one that started it: a small one stands between.
MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=-3, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--recall", type=int, default=5_000)
    arguments = parser.parse_args()
    sizes = sorted(arguments.sizes)
    with tempfile.TemporaryDirectory() as folder:
        rows = described(folder, max(sizes[0], arguments.recall))
    threshold = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["refine"]["rouge_threshold"]

    before = None
    for size in sizes:
        clock, processor, megabytes = refined(size)
        print(f"{size:>9,} replies: {clock:8.1f} s, {processor:8.1f} s of processor, peak memory {megabytes:6,.0f} MB",
              end="")  # fmt: skip
        if before:
            by_clock, by_processor = (math.log(now / then) / math.log(size / before[0])
                                      for now, then in ((clock, before[1]), (processor, before[2])))  # fmt: skip
            print(f", growth exponents {by_clock:.2f} and {by_processor:.2f}", end="")
        print(flush=True)
        before = (size, clock, processor)

    few = rows[: sizes[0]]
    search, dropped = timed(lambda: indexed(few, threshold))
    pairwise, _ = timed(lambda: rapidfuzz_over_all_pairs(few, threshold))
    hashed, dropped_hashed = timed(lambda: minhash_lsh(few, threshold))
    slow = rouge_seconds_per_pair(few, arguments.pairs) * len(few) * (len(few) - 1) / 2
    print(f"near-duplicates among {len(few):,} rows: {search:.2f} s, {len(dropped):,} dropped")
    print(f"  rapidfuzz over all pairs: {pairwise:.1f} s, {pairwise / search:,.0f} times as long (measured)")
    print(f"  rouge-score over all pairs: {slow:,.0f} s, {slow / search:,.0f} times as long (extrapolated from "
          f"{arguments.pairs:,} random pairs)")  # fmt: skip
    print(f"  MinHash-LSH: {hashed:.1f} s, {hashed / search:.1f} times as long, recall "
          f"{recall(dropped, dropped_hashed):.4f} of what the search drops")  # fmt: skip
    some = rows[: arguments.recall]
    print(f"recall against the exhaustive comparison on {len(some):,} rows: "
          f"{recall(exhaustive(some, threshold), indexed(some, threshold)):.4f}")  # fmt: skip


def refined(size: int) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, with Python's start, and the peak resident memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        generate(folder, size)
        command = [sys.executable, "-c", MEASURE, sys.executable, ROOT / "scripts/refine.py"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=-3, text=True, check=True)
        return tuple(map(float, done.stdout.split()))


def generate(folder: str, size: int) -> None:
    """Lay out a project in `folder` and let the offline teacher write `size` replies."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["generate"] |= {"teacher": "offline", "num_samples": size}
    (Path(folder) / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (Path(folder) / "data").mkdir()
    for name in ("profiles", "data/catalog.json", "data/phrases", "data/prompts", "data/spoken_car.jsonl"):
        (Path(folder) / name).symlink_to(ROOT / name)
    subprocess.run([sys.executable, ROOT / "scripts/generate.py"], cwd=folder, stdout=-3, stderr=-3, check=True)


def described(folder: str, count: int) -> list[Row]:
    """Words and group of the first `count` replies that pass the checks, as `refine` compares them."""
    generate(folder, count + count // 20)
    tools = catalog.load(ROOT / "data/catalog.json")
    rules = verification.Rules(tools, frozenset(), heldout_phrasing=0.0, seed=0, dedupe="calls")
    replies = records.read_jsonl(Path(folder) / "data/generated/replies.jsonl")
    examples = (row for reply in replies if "reason" not in (row := verification.verified(reply, rules)))
    return [(example["words"], example["group"]) for example in examples][:count]


def timed(work: Callable[[], set[int]]) -> tuple[float, set[int]]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def indexed(rows: list[Row], threshold: float) -> set[int]:
    """The rows that `refine` drops."""
    fresh = NearDuplicates(threshold)
    return {i for i, (words, group) in enumerate(rows) if not fresh.is_new(words, group)}


def exhaustive(rows: list[Row], threshold: float) -> set[int]:
    """The rows that are dropped when each is compared with every row kept before it."""

    def is_near(one: Row, other: Row) -> bool:
        return one[1] == other[1] and Indel.normalized_similarity(one[0], other[0]) > threshold + 1e-9

    kept: list[Row] = []
    dropped = set()
    for i, row in enumerate(rows):
        if any(is_near(row, other) for other in kept):
            dropped.add(i)
        else:
            kept.append(row)
    return dropped


def rapidfuzz_over_all_pairs(rows: list[Row], threshold: float) -> set[int]:
    """Every row with all before it, whatever their calls: the comparisons alone, all in rapidfuzz."""
    texts = [words for words, _ in rows]
    found = set()
    for i, words in enumerate(texts):
        near = process.extract(words, texts[:i], scorer=Indel.normalized_similarity, score_cutoff=threshold + 1e-4)
        if near:
            found.add(i)
    return found


def minhash_lsh(rows: list[Row], threshold: float, num_perm: int = 128) -> set[int]:
    """Candidates by MinHash over words and group, confirmed by the same LCS."""
    lowest_jaccard = threshold / (2 - threshold)  # of two rows with this share of words in common
    index = MinHashLSH(threshold=0.9 * lowest_jaccard, num_perm=num_perm, weights=(0.1, 0.9))
    kept: dict[int, list[str]] = {}
    dropped = set()
    for i, (words, group) in enumerate(rows):
        hashed = MinHash(num_perm=num_perm)
        hashed.update_batch([f"{group}|{word}|{words[:j].count(word)}".encode() for j, word in enumerate(words)])
        near = [kept[number] for number in index.query(hashed)]
        if process.extractOne(words, near, scorer=Indel.normalized_similarity, score_cutoff=threshold + 1e-4):
            dropped.add(i)
        else:
            index.insert(i, hashed, check_duplication=False)
            kept[i] = words
    return dropped


def rouge_seconds_per_pair(rows: list[Row], count: int) -> float:
    rng = random.Random(0)
    pairs = [(rng.choice(rows)[0], rng.choice(rows)[0]) for _ in range(count)]
    started = time.process_time()
    for one, other in pairs:
        rouge_scorer._score_lcs(one, other)
    return (time.process_time() - started) / count


def recall(wanted: Iterable[int], found: set[int]) -> float:
    wanted = set(wanted)
    return len(wanted & found) / len(wanted) if wanted else 1.0


if __name__ == "__main__":
    main()
