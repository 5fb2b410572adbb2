"""The model and the linear classifier over tf-idf as one ranking: what two readers of a query know between them."""

import numpy as np

from . import metrics

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # of the classifier; 0 is the model alone
LEAST = 1e-9  # a probability whose logarithm is taken is no less


def weight(probabilities: np.ndarray, margins: np.ndarray, relevant: list[set[int]]) -> float:
    """The weight that ranks queries best whose relevant tools (columns) are known; those that want none do not count.

    By NDCG@1, then NDCG@5, then the smaller one. `probabilities` and `margins` are [queries, tools]. Raises ValueError
    without queries.
    """
    if not any(relevant):
        raise ValueError("no queries to weigh the classifier by")

    def quality(candidate: float) -> tuple[float, float]:
        ranked = order(probabilities, margins, candidate).tolist()
        pairs = [pair for pair in zip(ranked, relevant, strict=True) if pair[1]]
        return tuple(sum(metrics.ndcg_at_k(*pair, k) for pair in pairs) for k in (1, 5))

    return max(WEIGHTS, key=quality)  # of equals the first


def order(probabilities: np.ndarray, margins: np.ndarray, weight: float) -> np.ndarray:
    """Columns by log P + weight x margin, best first, of equals the first [queries, tools]."""
    return best_first(np.log(np.maximum(probabilities, LEAST)) + weight * margins)


def best_first(scores: np.ndarray) -> np.ndarray:
    """The columns of each row, the highest score first, of equals the first."""
    return np.argsort(-scores, axis=1, kind="stable")
