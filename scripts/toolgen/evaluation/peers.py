"""What the model is measured against, learnt from the same catalog and the same training queries."""

import numpy as np

from .. import turns
from ..catalog import Catalog
from ..conversations import calls_of
from ..numbers import normalise
from . import baselines, embeddings

MOST_CLASSES = 2000  # tools; a classifier has a machine for each


def rankings(
    queries: list[str], training: list[dict], tools: Catalog, embedding_model: str | None
) -> dict[str, list[list[str]]]:
    """Tools ranked for each query by each peer but the classifier, from the rows of retrieval_training.json.

    Raises NoEmbeddings where an embedding model is named and cannot be had.
    """
    plain = [normalise(query) for query in queries]
    descriptions, names = descriptions_of(tools), [[tool.name] for tool in tools.tools]
    texts, labels = _labelled(training, tools)
    rankers = {"bm25": baselines.bm25(descriptions, names)}
    if texts:
        rankers |= {
            "bm25_training_queries": baselines.bm25(descriptions + texts, names + labels),
            "nearest_query": baselines.bm25(texts, labels),
        }
    if embedding_model is not None:
        vectors = embeddings.vectors(embedding_model, [*descriptions, *texts, *plain])
        rankers |= {
            "embedding": baselines.embedding(vectors, descriptions, names),
            "embedding_training_queries": baselines.embedding(vectors, descriptions + texts, names + labels),
        }
    return {name: rank(plain) for name, rank in rankers.items()}


def margins(queries: list[str], training: list[dict], tools: Catalog, seed: int) -> np.ndarray | None:
    """How far each query lies on the side of each tool [queries, tools] for a linear classifier over tf-idf.

    A tool that no training query asks for lies below all others. None without training queries, or for too many tools.
    """
    texts, labels = _labelled(training, tools)
    if not texts or len(tools.tools) > MOST_CLASSES:
        return None
    known, classifier = baselines.tfidf_margins(texts, labels, seed)
    found = classifier([normalise(query) for query in queries])
    every = np.full((len(queries), len(tools.tools)), found.min(initial=0.0) - 1.0)
    columns = {tool.name: column for column, tool in enumerate(tools.tools)}
    every[:, [columns[name] for name in known]] = found
    return every


def _labelled(training: list[dict], tools: Catalog) -> tuple[list[str], list[list[str]]]:
    """The training queries that want tools, and the names of those."""
    asked = [row for row in training if row["relevant_tool_tokens"]]
    names = [[tools.by_token[token].name for token in row["relevant_tool_tokens"]] for row in asked]
    return [normalise(turns.asked(row)) for row in asked], names


def copied_calls(
    queries: list[str], training: list[dict], tools: Catalog, embedding_model: str | None
) -> dict[str, list[list[dict]]]:
    """For each query the calls of the training query nearest to it, from the rows of agent_tuning.json."""
    plain = [normalise(query) for query in queries]
    if not training:
        return {}
    texts = [normalise(turns.asked(row)) for row in training]
    calls = [calls_of(row, tools) for row in training]
    answers = {"nearest_query": baselines.nearest_query(texts, calls)(plain)}
    if embedding_model is not None:
        vectors = embeddings.vectors(embedding_model, [*texts, *plain])
        answers["nearest_embedding"] = baselines.nearest_embedding(vectors, texts, calls)(plain)
    return answers


def descriptions_of(tools: Catalog) -> list[str]:
    """What is known of each tool without training, its name and its description, as plain words."""
    return [normalise(f"{tool.name} {tool.description}".replace("_", " ")) for tool in tools.tools]
