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
    "spoken_noisy": "spoken, all, with slips",
    "own_split": "held out by the source",
}
PEERS = {  # columns of exact match beside the model's own
    "calls_unconstrained": "unconstrained",
    "calls_nearest_query": "nearest query",
    "calls_nearest_embedding": "nearest embedding",
    "calls_prompt_method": "prompt method",
}


def main() -> None:
    if not METRICS.is_file():
        raise console.Mistake(f"there is no {METRICS}: run `make evaluate` first")
    scores = records.read_json(METRICS)
    if "calls" in scores:
        print_calls(scores)
    if "trajectories" in scores:
        print_trajectories(scores["trajectories"])
    print_retrieval(scores["retrieval"])
    kept = ", ".join(f"{share(score['accuracy'])} after {name}" for name, score in scores["memorization"].items())
    print(f"\nDescriptions answered with their tool token: {kept}.")
    timing = records.read_json(TIMING) if TIMING.is_file() else {}
    if "prompt_method" in timing:
        print_costs(timing)


def print_calls(scores: dict) -> None:
    peers = {key: title for key, title in PEERS.items() if key in scores}
    titles = ["rows", "n", "exact match", "tools right", "soft", "end state", *peers.values()]
    print(f"| {' | '.join(titles)} |\n|---|{'--:|' * (len(titles) - 1)}")
    for name, title in SLICES.items():
        if name in scores["calls"]:
            score = scores["calls"][name]
            cells = [with_interval(score["exact_match"])]
            cells += [share(score[key]) for key in ("tool_accuracy", "soft_accuracy", "end_state")]
            cells += [share(scores[key].get(name, {}).get("exact_match")) for key in peers]
            print(f"| {title} | {score['exact_match']['n']} | {' | '.join(cells)} |")
    spoken = scores["calls"].get("spoken")
    if spoken:
        abstention = spoken["abstention"]
        print(f"\nOf the spoken requests that need no call {share(abstention['recall'])} are left alone; "
              f"{share(abstention['refused'])} of the others are refused.")  # fmt: skip
        kinds = spoken["exact_match_by_kind"]
        print("Spoken, by kind: " + ", ".join(f"{kind} {share(score)}" for kind, score in kinds.items()) + ".")
        free = scores["calls_unconstrained"]["spoken"]
        for title, score in (("constrained", spoken), ("unconstrained", free)):
            print(f"Spoken, {title}: {share(score['invalid_calls'])} answers with invalid calls, "
                  f"{share(score['hallucinated_tools'])} with tools that do not exist.")  # fmt: skip


def print_trajectories(by_slice: dict) -> None:
    titles = ["trajectories", "turns", "next tool", "next call", "finishes", "goes on", "whole"]
    print(f"\n| {' | '.join(titles)} |\n|---|{'--:|' * (len(titles) - 1)}")
    for name, row in by_slice.items():
        keys = ("next_tool_accuracy", "next_call_exact_match", "finish", "goes_on", "trajectory_exact_match")
        cells = [share(row[key]) for key in keys]
        print(f"| {SLICES.get(name, name)} | {row['next_tool_accuracy']['n']} | {' | '.join(cells)} |")


def print_retrieval(retrieval: dict) -> None:
    asked = next((name for name in ("spoken", "own_split", *SLICES) if name in retrieval["agent_tuning"]), "validation")
    titles = [f"retrieval, {asked.replace('_', ' ')}", "NDCG@1", "NDCG@3", "NDCG@5", "MRR", "recall@5"]
    print(f"\n| {' | '.join(titles)} |\n|---|{'--:|' * (len(titles) - 1)}")
    for name, by_slice in retrieval.items():
        if asked in by_slice:
            row = by_slice[asked]
            cells = [share(row[key]) for key in ("ndcg_at_3", "ndcg_at_5", "mrr", "recall_at_5")]
            print(f"| {name} | {with_interval(row['ndcg_at_1'])} | {' | '.join(cells)} |")


def print_costs(timing: dict) -> None:
    own, theirs, times = timing, timing["prompt_method"], timing["prompt_method_takes_times"]
    print("\n| one query, one thread | prompt tokens | written | ms to first token | ms | 95th percentile |")
    print("|---|--:|--:|--:|--:|--:|")
    for title, cost in (("tool tokens", own), ("catalog in the prompt", theirs)):
        whole = cost["ms_per_query_single"]
        print(f"| {title} | {cost['prompt_tokens']:.1f} | {cost['generated_tokens']:.1f} | "
              f"{cost['ms_to_first_token']['median']:.1f} | {whole['median']:.1f} | {whole['p95']:.1f} |")  # fmt: skip
    print(f"\nThe catalog in the prompt takes {times['prompt_tokens']:.0f} times the prompt tokens and "
          f"{times['ms_per_query_single']:.0f} times as long, {times['ms_per_query_catalog_cached']:.0f} times where "
          "it was read beforehand.")  # fmt: skip


def with_interval(score: dict) -> str:
    if score["value"] is None:
        return "-"
    return f"{share(score)} ({100 * score['low']:.1f} to {100 * score['high']:.1f})"


def share(score: dict | None) -> str:
    return "-" if score is None or score["value"] is None else f"{100 * score['value']:.1f}%"


if __name__ == "__main__":
    console.run(main, __doc__, (records.BadRecord,))
