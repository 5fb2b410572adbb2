"""Print the scores as a table.

reads   metrics/evaluate.json, metrics/timing/evaluate.json where it is there
"""

from pathlib import Path

from toolgen import console, records

METRICS, TIMING = Path("metrics/evaluate.json"), Path("metrics/timing/evaluate.json")
SLICES = {
    "seen_phrasing": "seen phrasing",
    "heldout_phrasing": "held-out phrasing",
    "heldout_combination": "held-out combination",
    "spoken_dev": "spoken, dev half",
    "spoken_test": "spoken, test half",
    "spoken": "spoken, all",
}


def main() -> None:
    if not METRICS.is_file():
        raise console.Mistake(f"there is no {METRICS}: run `make evaluate` first")
    scores = records.read_json(METRICS)
    print("| rows | n | exact match | in order | tools right | unconstrained | nearest query |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, title in SLICES.items():
        if name in scores["calls"]:
            print(call_line(name, title, scores))
    abstention = scores["calls"].get("spoken", {}).get("abstention")
    if abstention:
        print(f"\nOf the spoken requests that need no call {share(abstention['recall'])} are left alone; "
              f"{share(abstention['refused_share'])} of the others are refused.")  # fmt: skip
    kinds = scores["calls"].get("spoken", {}).get("exact_match_by_kind", {})
    if kinds:
        print("Spoken, by kind: " + ", ".join(f"{kind} {share(score['value'])}" for kind, score in kinds.items()) + ".")
    print("\n| retrieval, spoken | NDCG@1 | NDCG@3 | NDCG@5 | MRR | recall@5 |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, by_slice in scores["retrieval"].items():
        if "spoken" in by_slice:
            row = by_slice["spoken"]
            cells = [row[key] for key in ("ndcg_at_1", "ndcg_at_3", "ndcg_at_5", "mrr", "recall_at_5")]
            print(f"| {name} | {' | '.join(map(share, cells))} |")
    kept = ", ".join(f"{share(score['accuracy'])} after {name}" for name, score in scores["memorization"].items())
    print(f"\nDescriptions answered with their tool token: {kept}.")
    if TIMING.is_file():
        timing = records.read_json(TIMING)["ms_per_query_single"]
        print(f"One query on one thread: {timing['median']} ms (median), {timing['p95']} ms (95th percentile).")


def call_line(name: str, title: str, scores: dict) -> str:
    score = scores["calls"][name]
    exact = score["exact_match"]
    cells = [
        f"{share(exact['value'])} ({share(exact['low'])} to {share(exact['high'])})",
        share(score["exact_match_ordered"]["value"]),
        share(score["tool_accuracy"]["value"]),
        share(scores["calls_unconstrained"][name]["exact_match"]["value"]),
        share(scores["calls_nearest_query"][name]["exact_match"]["value"]),
    ]
    return f"| {title} | {exact['n']} | {' | '.join(cells)} |"


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


if __name__ == "__main__":
    console.run(main, __doc__, (records.BadRecord,))
