"""An embedding model as a peer: a tiny one that the test makes, in the form that sentence-transformers loads."""

import sys

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from toolgen import catalog
from toolgen.evaluation import baselines, embeddings, peers

WORDS = "[PAD] [UNK] open close the window my seat heat warm up set fan to on off read write".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A Bert of one layer with random weights, and mean pooling."""
    folder = tmp_path_factory.mktemp("embedding")
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    shape = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=32, max_position_embeddings=64)  # fmt: skip
    BertModel(shape).save_pretrained(folder / "bert")
    fast.save_pretrained(folder / "bert")
    bert = modules.Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[bert, modules.Pooling(16)], device="cpu").save(str(folder / "whole"))
    return str(folder / "whole")


def test_vectors_are_of_length_one_and_one_for_each_text(folder):
    found = embeddings.vectors(folder, ["open the window", "fan off", "open the window"])
    assert list(found) == ["open the window", "fan off"]
    assert all(np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) for vector in found.values())


def test_an_embedding_model_ranks_and_copies_as_the_other_peers_do(folder, catalog_path):
    tools = catalog.load(catalog_path)
    open_, fan = tools.by_name["WINDOW_POS&&set"], tools.by_name["HVAC_FAN_SPEED&&set"]
    training = [
        {"query": "open my window", "relevant_tool_tokens": [open_.token]},
        {"query": "set the fan to 2", "relevant_tool_tokens": [fan.token]},
        {"query": "warm up", "relevant_tool_tokens": []},
    ]
    agent = [
        {"query": row["query"], "plan_sequence": [{"action": token, "action_input": {"areaId": 1, "value": 2}}
                                                  for token in row["relevant_tool_tokens"]]}
        for row in training
    ]  # fmt: skip
    queries = [row["query"] for row in training]
    rankings = peers.rankings(queries, training, tools, folder)
    assert [ranked[0] for ranked in rankings["embedding_training_queries"][:2]] == [open_.name, fan.name]
    for name in ("bm25", "bm25_training_queries", "embedding", "embedding_training_queries"):
        assert all(sorted(ranked) == sorted(tools.by_name) for ranked in rankings[name]), name
    assert all(len(ranked) == 2 for ranked in rankings["nearest_query"])
    margins = peers.margins(queries, training, tools, seed=0)
    assert [tools.tools[column].name for column in margins.argmax(1)[:2]] == [open_.name, fan.name]
    never = [column for column, tool in enumerate(tools.tools) if tool.name not in (open_.name, fan.name)]
    assert (margins[:, never].max(1) < margins.max(1)).all() and (margins[:, never] == margins.min()).all()
    copied = peers.copied_calls(queries, agent, tools, folder)
    assert copied["nearest_query"] == copied["nearest_embedding"]
    assert [len(calls) for calls in copied["nearest_embedding"]] == [1, 1, 0]
    assert set(peers.rankings(queries, training, tools, None)) == set(rankings) - {
        "embedding", "embedding_training_queries"}  # fmt: skip
    assert set(peers.copied_calls(queries, agent, tools, None)) == {"nearest_query"}


def test_cosines_by_hand():
    vectors = {"east": np.array([1.0, 0.0]), "north": np.array([0.0, 1.0]), "north-east": np.array([0.6, 0.8])}
    rank = baselines.embedding(vectors, ["east", "north"], ["e", "n"])
    assert rank(["north-east", "east"]) == [["n", "e"], ["e", "n"]]
    nearest = baselines.nearest_embedding(vectors, ["east", "north"], [[], [{"name": "go", "arguments": {}}]])
    assert nearest(["north-east", "east"]) == [[{"name": "go", "arguments": {}}], []]


def test_a_model_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(embeddings.NoEmbeddings, match="cannot load evaluate.embedding_model .*or to null") as refusal:
        embeddings.vectors(str(tmp_path / "nowhere"), ["fan"])
    assert "\n" not in str(refusal.value)


def test_the_package_is_not_needed_otherwise(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(embeddings.NoEmbeddings, match="pip install sentence-transformers"):
        embeddings.vectors("any", ["fan"])
