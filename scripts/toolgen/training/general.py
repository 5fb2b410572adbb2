"""General chat against forgetting: rows to be replayed beside a stage's own, and what the model has kept of it.

A file of rows {"messages": [{"role", "content"}, …]}. Training on tools alone costs a base model much of what it could
do before; replaying general data beside the tools keeps it (ToolGen, https://arxiv.org/abs/2410.03439).
"""

import math
import random
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from ..checkpoints import Checkpoint
from ..conversations import Conversation, encode_completion
from ..records import BadRecord, numbered
from .batches import Encoder
from .logits import mean_loss

HELD_OUT = 10  # every tenth row is never replayed: the perplexity is measured on these


def read(path: str | Path, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[Conversation]:
    """The first answer of each row's assistant, to what stands before it; an answer beyond max_length is left out.

    Laid out by the tokenizer's chat template where it has one. Raises BadRecord with file and line.
    """
    found = []
    for number, row in numbered(path):
        messages = row.get("messages")
        if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
            raise BadRecord(f'{path}:{number}: expected {{"messages": [{{"role", "content"}}, …]}}')
        roles = [message["role"] for message in messages]
        if "assistant" not in roles[1:]:
            raise BadRecord(f"{path}:{number}: no message of the assistant behind another one")
        end = roles.index("assistant", 1)
        answer = Conversation(_laid_out(messages[:end], tokenizer), "", (("", (messages[end]["content"],)),))
        if len(encode_completion(answer, tokenizer)) < max_length:
            found.append(answer)
    return found


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _laid_out(messages: list[dict], tokenizer: PreTrainedTokenizerBase) -> str:
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    text = "".join(f"{message['content']}\n" for message in messages)
    return (tokenizer.bos_token or "") + text


def replayed(rows: list[Conversation], general: list[Conversation], share: float, seed: int) -> list[Conversation]:
    """`rows` and as many of `general` that these are `share` of the whole; none of those that are held out."""
    pool = [row for number, row in enumerate(general) if number % HELD_OUT]
    if not pool or not share:
        return rows
    rng = random.Random(seed)
    return rows + [rng.choice(pool) for _ in range(round(len(rows) * share / (1 - share)))]


def perplexity(checkpoint: Checkpoint, general: list[Conversation], max_length: int, batch_size: int = 8) -> float:
    """exp of the mean negative log-likelihood of the held-out answers' tokens, over at most 200 rows."""
    encode = Encoder(checkpoint.tokenizer, max_length)
    return round(math.exp(mean_loss(checkpoint.model, encode, general[::HELD_OUT][:200], batch_size)), 4)
