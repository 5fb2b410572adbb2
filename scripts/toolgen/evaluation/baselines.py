"""What can be had without training a network: rankings of tools by word overlap, by a linear classifier, and by an
embedding model made by others.

Each function here learns from texts and returns a function of queries. A ranking names every label once, best first;
ties, and queries without a known word, follow the order in which labels first occur. Nothing is random but by `seed`.
"""

from collections.abc import Callable

import bm25s
import numpy as np
from bm25s.stopwords import STOPWORDS_EN
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

Ranker = Callable[[list[str]], list[list[str]]]
Scorer = Callable[[str], np.ndarray]  # a query to the score of every document
Vectors = dict[str, np.ndarray]  # texts, queries among them, and their vectors of length 1

WORD = r"(?u)\b(?:\w\w+|\d)\b"  # single digits too: "fan 2" is not "fan 3"
STOP_WORDS = sorted(set(STOPWORDS_EN) - {"no", "not", "on"})  # "on" is as telling as "off", which is not among them


def bm25(documents: list[str], labels: list[str] | list[list[str]]) -> Ranker:
    """Rank labels by BM25 (Lucene's variant, k1 = 1.5, b = 0.75; Kamphuis et al. 2020).

    `documents` are descriptions of tools or training queries; `labels` gives each its label, or its list of labels.
    A label scores as its best document. Raises ValueError where the lengths differ or no document has a word.
    """
    return _by_best_document(_bm25_scores, documents, labels)


def embedding(vectors: Vectors, documents: list[str], labels: list[str] | list[list[str]]) -> Ranker:
    """The same by the cosine of vectors. Raises KeyError for a text, or later a query, that has none."""
    return _by_best_document(lambda texts: _cosines(vectors, texts), documents, labels)


def nearest_query(train_queries: list[str], train_calls: list[list[dict]]) -> Callable[[list[str]], list[list[dict]]]:
    """Answer each query with the calls of the training query nearest by BM25, the first of equals.

    A query that shares no word with any gets no calls. Raises ValueError where the lengths differ or no training
    query has a word.
    """
    _same_length(train_queries, train_calls)
    scores = _bm25_scores(train_queries)

    def answer(queries: list[str]) -> list[list[dict]]:
        return [train_calls[row.argmax()] if row.any() else [] for row in map(scores, queries)]

    return answer


def nearest_embedding(
    vectors: Vectors, train_queries: list[str], train_calls: list[list[dict]]
) -> Callable[[list[str]], list[list[dict]]]:
    """The same by the cosine of vectors; some query is always nearest."""
    _same_length(train_queries, train_calls)
    scores = _cosines(vectors, train_queries)
    return lambda queries: [train_calls[scores(query).argmax()] for query in queries]


def tfidf_margins(
    train_queries: list[str], train_labels: list[str] | list[list[str]], seed: int
) -> tuple[list[str], Callable[[list[str]], np.ndarray]]:
    """The labels, and how far queries lie on the side of each [queries, labels]: linear support vector machines, one
    against the rest, over tf-idf.

    The terms are words and pairs of words, and 2 to 4 characters within a word. A query with several labels is one
    training row for each. Raises ValueError where the lengths differ or no training query has a word.
    """
    names, queries_of, labels_of = _by_label(train_queries, train_labels)
    if len(names) == 1:
        return names, lambda queries: np.zeros((len(queries), 1))  # scikit-learn declines to learn one class
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=WORD, sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32),
    )
    model = make_pipeline(features, LinearSVC(random_state=seed))
    model.fit([train_queries[i] for i in queries_of], labels_of)

    def margins(queries: list[str]) -> np.ndarray:
        if not queries:
            return np.empty((0, len(names)))  # scikit-learn declines to predict nothing
        scores = model.decision_function(queries)
        return np.stack([-scores, scores], axis=1) if len(names) == 2 else scores  # of two, one machine tells both

    return names, margins


def _by_best_document(
    scorer: Callable[[list[str]], Scorer], documents: list[str], labels: list[str] | list[list[str]]
) -> Ranker:
    names, documents_of, labels_of = _by_label(documents, labels)
    scores = scorer(documents)
    starts = np.searchsorted(labels_of, np.arange(len(names)))

    def rank(queries: list[str]) -> list[list[str]]:
        return [_ranking(names, np.maximum.reduceat(row[documents_of], starts)) for row in map(scores, queries)]

    return rank


def _cosines(vectors: Vectors, documents: list[str]) -> Scorer:
    stacked = np.stack([vectors[text] for text in documents])
    return lambda query: stacked @ vectors[query]


def _bm25_scores(documents: list[str]) -> Scorer:
    """Scores of 0.0 where a document shares no word with the query."""
    if not any(words := _words(documents)):
        raise ValueError("no document has a word, so nothing can be found")
    index = bm25s.BM25()
    index.index(words, show_progress=False)

    def scores(query: str) -> np.ndarray:
        return index.get_scores_from_ids(index.get_tokens_ids(_words([query])[0]))

    return scores


def _words(texts: list[str]) -> list[list[str]]:
    return bm25s.tokenize(texts, token_pattern=WORD, stopwords=STOP_WORDS, return_ids=False, show_progress=False)


def _by_label(texts: list[str], labels: list[str] | list[list[str]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The labels in order of first occurrence, and each (text, label) as two arrays of indices, sorted by label."""
    _same_length(texts, labels)
    pairs = [
        (i, label) for i, own in enumerate(labels) for label in ([own] if isinstance(own, str) else dict.fromkeys(own))
    ]
    if not pairs:
        raise ValueError("no text has a label, so there is nothing to rank")
    names = {label: index for index, label in enumerate(dict.fromkeys(label for _, label in pairs))}
    labels_of, texts_of = np.array(sorted((names[label], i) for i, label in pairs)).T
    return list(names), texts_of, labels_of


def _ranking(names: list[str], scores: np.ndarray) -> list[str]:
    return [names[i] for i in np.argsort(-scores, kind="stable")]


def _same_length(texts: list, answers: list) -> None:
    if len(texts) != len(answers):
        raise ValueError(f"{len(texts)} texts against {len(answers)} answers: each text needs one")
