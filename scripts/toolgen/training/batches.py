"""Conversations -> the tensors of a training step, padded or packed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from ..conversations import VERBATIM, Conversation, encode_completion, encode_prompt
from ..padding import inputs

POOL = 50  # batches of rows among which those of like length are found

Encoded = tuple[list[int], list[int]]  # token ids of a prompt and its completion


class BadTraining(ValueError):
    """Training cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Noise:
    """What is done to prompts so that they are not learned by heart."""

    split_words: float = 0.0
    word_dropout: float = 0.0


class Encoder:
    """Conversations -> token ids of prompt and completion, with noise in the prompt.

    Each conversation is read once and remembered: a step of a small model is not to wait for its tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int, noise: Noise = Noise()):  # noqa: B008
        self.tokenizer, self.max_length, self.noise = tokenizer, max_length, noise
        self._read: dict[Conversation, Encoded] = {}
        self._halves: dict[int, list[list[int]]] = {}  # token -> every way to cut it in two

    def __call__(self, conversation: Conversation, rng: random.Random) -> Encoded:
        (*prompt, mark), completion = self.plain(conversation)
        if self.noise.split_words or self.noise.word_dropout:
            prompt = self._noisy(prompt, completion, rng)[: max(self.max_length - len(completion), 2) - 1]
        return [*prompt, mark], completion

    def plain(self, conversation: Conversation) -> Encoded:
        """Prompt and completion without noise."""
        if conversation not in self._read:
            completion = encode_completion(conversation, self.tokenizer)
            room = max(self.max_length - len(completion), 2)
            prompt = encode_prompt(conversation.text, conversation.mark, self.tokenizer, room)
            self._read[conversation] = prompt, completion
        return self._read[conversation]

    def _noisy(self, prompt: list[int], completion: list[int], rng: random.Random) -> list[int]:
        """Now and then a token in two halves (what BPE dropout does, by a generator that can be seeded) or unknown.

        Where arguments are copied from the query, what is copied stays.
        """
        split, dropped, unknown = self.noise.split_words, self.noise.word_dropout, self.tokenizer.unk_token_id
        copied = set(completion) if self.tokenizer.init_kwargs.get(VERBATIM) else ()
        found: list[int] = []
        for token in prompt:
            draw = rng.random()
            if token in copied:
                found.append(token)
            elif draw < split and (ways := self._ways_to_cut(token)):
                found += ways[int(draw / split * len(ways))]
            elif draw >= 1 - dropped and unknown is not None:
                found.append(unknown)
            else:
                found.append(token)
        return found

    def _ways_to_cut(self, token: int) -> list[list[int]]:
        if token not in self._halves:
            text, model = self.tokenizer.convert_ids_to_tokens(token), self.tokenizer.backend_tokenizer.model
            cuts = range(2, len(text) - 1) if len(text) >= 4 and not text[1:].isdigit() else ()
            self._halves[token] = [
                [part.id for half in (text[:cut], text[cut:]) for part in model.tokenize(half)] for cut in cuts
            ]
        return self._halves[token]


class Rows(torch.utils.data.Dataset):
    """Encoded conversations, with other noise in each epoch. It is drawn from the seed and the epoch alone: a run that
    goes on draws what the one before it drew, and each row has noise of its own on however many devices."""

    def __init__(self, conversations: list[Conversation], encode: Encoder, seed: int):
        self.conversations, self.encode, self.seed = conversations, encode, seed
        self.epoch, self.encoded = None, []

    def set_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            rng = random.Random(f"{self.seed} noise {epoch}")
            self.epoch = epoch
            self.encoded = [self.encode(conversation, rng) for conversation in self.conversations]

    def __len__(self) -> int:
        return len(self.conversations)

    def __getitem__(self, index: int) -> Encoded:
        return self.encoded[index]


class OfLikeLength(torch.utils.data.Sampler):
    """Indices of rows, shuffled, so that a batch holds rows of about one length: padding is rare. What is left when
    batches are full comes last."""

    def __init__(self, rows: Rows, batch_size: int):
        self.rows, self.batch_size = rows, batch_size

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        rng, size = random.Random(f"{self.rows.seed} order {self.rows.epoch}"), self.batch_size
        order = rng.sample(range(len(self)), len(self))
        batches: list[list[int]] = []
        for start in range(0, len(self), POOL * size):
            pool = sorted(order[start : start + POOL * size], key=lambda i: sum(map(len, self.rows[i])))
            batches += (pool[begin : begin + size] for begin in range(0, len(pool), size))
        rng.shuffle(batches)
        batches.sort(key=len, reverse=True)  # in place, of equals the first
        return (index for batch in batches for index in batch)


def padded(rows: list[Encoded], pad: int) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask, position_ids [rows, length], and labels, kept [tokens]: the completions, and where
    in all rows end to end they are predicted."""
    batch = inputs([prompt + completion for prompt, completion in rows], pad)
    length = batch["input_ids"].shape[1]
    kept = [i * length - len(completion) - 1 + n for i, (_, completion) in enumerate(rows, 1)
            for n in range(len(completion))]  # fmt: skip
    return batch | {"labels": _labels(rows), "kept": torch.tensor(kept)}


def packed(rows: list[Encoded], pad: int | None = None) -> dict[str, torch.Tensor]:
    """input_ids, position_ids [1, tokens] of all rows end to end, and labels, kept [tokens]: the completions, and where
    in all rows end to end they are predicted.

    No token sees one of another row: positions that begin anew, without an attention mask and without a cache, make
    transformers bound attention to the rows.
    """
    ids: list[int] = []
    positions: list[int] = []
    kept: list[int] = []
    for prompt, completion in rows:
        kept += range(len(ids) + len(prompt) - 1, len(ids) + len(prompt) + len(completion) - 1)
        positions += range(len(prompt) + len(completion))
        ids += prompt + completion
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "labels": _labels(rows),
        "kept": torch.tensor(kept),
    }


def _labels(rows: list[Encoded]) -> torch.Tensor:
    return torch.tensor([token for _, completion in rows for token in completion])


def check(conversations: list[Conversation], encode: Encoder) -> None:
    """Raises BadTraining for a row that cannot be trained on."""
    vocabulary = encode.tokenizer.get_vocab()
    for conversation in conversations:
        unknown = [token for token, _ in conversation.completion if token and token not in vocabulary]
        if unknown:
            raise BadTraining(f"{unknown[0]} is no tool token of this model, but is the answer to "
                              f"{conversation.text[:60]!r}: run `dvc repro` from tool_memorization on")  # fmt: skip
        _, completion = encode.plain(conversation)
        if len(completion) >= encode.max_length:
            raise BadTraining(
                f"a completion of {len(completion)} tokens does not fit max_length {encode.max_length}, raise it: "
                f"{conversation.text[:60]!r}"
            )
