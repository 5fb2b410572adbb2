"""An embedding model made by others, through sentence-transformers, which is needed for nothing else."""

import numpy as np


class NoEmbeddings(ValueError):
    """The embedding model cannot be had; the message says what to do."""


def vectors(name: str, texts: list[str]) -> dict[str, np.ndarray]:
    """The vector of each text, of length 1, by a sentence-transformers model given by id or folder.

    Only safetensors are loaded, and never remote code. Raises NoEmbeddings.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise NoEmbeddings("evaluate.embedding_model needs a package that is not installed: "
                           "pip install sentence-transformers, or set it to null") from None  # fmt: skip
    try:
        model = SentenceTransformer(name, trust_remote_code=False, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise NoEmbeddings(f"cannot load evaluate.embedding_model {name!r} ({reason}): set it to the id or folder of a "
                           "sentence-transformers model, or to null") from None  # fmt: skip
    distinct = list(dict.fromkeys(texts))
    found = model.encode(distinct, normalize_embeddings=True, show_progress_bar=len(distinct) > 1000)
    return dict(zip(distinct, found, strict=True))
