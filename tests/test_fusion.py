"""The fused ranking against what each of its two parts says."""

import numpy as np
import pytest

from toolgen.evaluation import fusion

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.0, 0.0, 0.0]])
MARGINS = np.array([[-1.0, -1.0, -1.0], [-1.0, 0.5, -1.0], [-1.0, -0.5, 0.5]])


def test_without_weight_the_model_ranks_alone():
    assert fusion.order(PROBABILITIES, MARGINS, 0.0).tolist() == [[0, 1, 2], [0, 1, 2], [0, 1, 2]]


def test_with_weight_the_classifier_decides_what_the_model_is_unsure_of():
    assert fusion.order(PROBABILITIES, MARGINS, 1.0).tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0]]


@pytest.mark.parametrize(
    ("relevant", "weight"),
    [
        ([{0}, {0}, {0}], 0.0),  # the model is right by itself
        ([{0}, {1}, {2}], 0.25),  # the smallest that turns the second and the third
        ([{0}, {0}, {2}], 0.25),  # two of three are first either way; NDCG@5 is higher
    ],
)
def test_the_weight_is_the_one_that_ranks_known_queries_best(relevant, weight):
    assert fusion.weight(PROBABILITIES, MARGINS, relevant) == weight


def test_nothing_to_weigh_by_is_an_error():
    with pytest.raises(ValueError, match="no queries"):
        fusion.weight(np.empty((0, 3)), np.empty((0, 3)), [])
