"""Conversations -> the tensors of a training step, padded or packed."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from ..conversations import VERBATIM, Conversation, encode_completion, encode_prompt
from ..padding import inputs, left_padded

IGNORED = -100


class BadTraining(ValueError):
    """Training cannot start or go on; the message says why."""


@dataclass(frozen=True)
class Noise:
    """What is done to prompts so that they are not learned by heart."""

    split_words: float = 0.0
    word_dropout: float = 0.0


class Encoder:
    """Conversations -> token ids of prompt and completion, with noise in the prompt by torch's generator.

    Each conversation is read once and remembered: a step of a small model is not to wait for its tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int, noise: Noise = Noise()):  # noqa: B008
        self.tokenizer, self.max_length, self.noise = tokenizer, max_length, noise
        self._read: dict[Conversation, tuple[list[int], list[int]]] = {}
        self._halves: dict[int, list[list[int]]] = {}  # token -> every way to cut it in two

    def __call__(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        (*prompt, mark), completion = self.plain(conversation)
        if self.noise.split_words or self.noise.word_dropout:
            prompt = self._noisy(prompt, completion)[: max(self.max_length - len(completion), 2) - 1]
        return [*prompt, mark], completion

    def plain(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        """Prompt and completion without noise."""
        if conversation not in self._read:
            completion = encode_completion(conversation, self.tokenizer)
            room = max(self.max_length - len(completion), 2)
            prompt = encode_prompt(conversation.text, conversation.mark, self.tokenizer, room)
            self._read[conversation] = prompt, completion
        return self._read[conversation]

    def _noisy(self, prompt: list[int], completion: list[int]) -> list[int]:
        """Now and then a token in two halves (what BPE dropout does, by a generator that can be seeded) or unknown.

        Where arguments are copied from the query, what is copied stays.
        """
        split, dropped, unknown = self.noise.split_words, self.noise.word_dropout, self.tokenizer.unk_token_id
        copied = set(completion) if self.tokenizer.init_kwargs.get(VERBATIM) else ()
        found: list[int] = []
        for token, draw in zip(prompt, torch.rand(len(prompt)).tolist(), strict=True):
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


def padded(encode: Encoder, conversations: list[Conversation]) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask, position_ids [rows, length], and labels [rows, longest completion].

    Padding on the left puts every completion at the end of its row, so the logits of prompts are never computed.
    """
    prompts, completions = zip(*map(encode, conversations), strict=True)
    rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    labels = left_padded(list(completions), IGNORED)
    return inputs(rows, encode.tokenizer.pad_token_id) | {"labels": labels}


def packed(encode: Encoder, conversations: list[Conversation]) -> dict[str, torch.Tensor]:
    """input_ids, position_ids [1, tokens] of all rows end to end; labels, logits_to_keep [tokens of completions].

    No token sees one of another row: positions that begin anew, without an attention mask and without a cache, make
    transformers bound attention to the rows. `logits_to_keep` is where the tokens of `labels` are predicted.
    """
    ids: list[int] = []
    positions: list[int] = []
    labels: list[int] = []
    kept: list[int] = []
    for prompt, completion in map(encode, conversations):
        kept += range(len(ids) + len(prompt) - 1, len(ids) + len(prompt) + len(completion) - 1)
        labels += completion
        positions += range(len(prompt) + len(completion))
        ids += prompt + completion
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "labels": torch.tensor(labels),
        "logits_to_keep": torch.tensor(kept),
    }


def lengths(conversations: list[Conversation], encode: Encoder) -> Iterator[int]:
    """The number of tokens of each row. Raises BadTraining for one that cannot be trained on."""
    vocabulary = encode.tokenizer.get_vocab()
    for conversation in conversations:
        unknown = [token for token, _ in conversation.completion if token and token not in vocabulary]
        if unknown:
            raise BadTraining(f"{unknown[0]} is no tool token of this model, but is the answer to "
                              f"{conversation.text[:60]!r}: run `dvc repro` from tool_memorization on")  # fmt: skip
        prompt, completion = encode.plain(conversation)
        if len(completion) >= encode.max_length:
            raise BadTraining(
                f"a completion of {len(completion)} tokens does not fit max_length {encode.max_length}, raise it: "
                f"{conversation.text[:60]!r}"
            )
        yield len(prompt) + len(completion)
