"""What the model is measured against, learnt from the same catalog and the same training queries."""

from .. import turns
from ..catalog import Catalog
from ..conversations import calls_of
from ..numbers import normalise
from . import baselines, embeddings

MOST_CLASSES = 2000  # tools; a classifier has a machine for each


def rankings(
    queries: list[str], training: list[dict], tools: Catalog, embedding_model: str | None, seed: int
) -> dict[str, list[list[str]]]:
    """Tools ranked for each query by each peer, from the rows of retrieval_training.json.

    Raises NoEmbeddings where an embedding model is named and cannot be had.
    """
    plain = [normalise(query) for query in queries]
    descriptions, names = descriptions_of(tools), [[tool.name] for tool in tools.tools]
    asked = [row for row in training if row["relevant_tool_tokens"]]
    texts = [normalise(turns.asked(row)) for row in asked]
    labels = [[tools.by_token[token].name for token in row["relevant_tool_tokens"]] for row in asked]
    rankers = {"bm25": baselines.bm25(descriptions, names)}
    if asked:
        rankers |= {
            "bm25_training_queries": baselines.bm25(descriptions + texts, names + labels),
            "nearest_query": baselines.bm25(texts, labels),
        }
        if len(tools.tools) <= MOST_CLASSES:
            rankers["tfidf_classifier"] = baselines.tfidf_classifier(texts, labels, seed)
    if embedding_model is not None:
        vectors = embeddings.vectors(embedding_model, [*descriptions, *texts, *plain])
        rankers |= {
            "embedding": baselines.embedding(vectors, descriptions, names),
            "embedding_training_queries": baselines.embedding(vectors, descriptions + texts, names + labels),
        }
    return {name: rank(plain) for name, rank in rankers.items()}


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
