"""What a paid teacher's server gives back: an answer, a fault that may pass, or one that will not."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Answer:
    """One complete answer. `finish` is the server's word for why it ended, such as `stop` or `length`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str


Ask = Callable[[str], Answer]  # raises TryAgain or GiveUp, and nothing else that a server can cause


class TryAgain(Exception):
    """A fault that may pass. `retry_after` is the wait in seconds that the server asked for, if it did; `lost` says
    that the answer may have been written, and paid for, all the same."""

    def __init__(self, fault: str, retry_after: float | None = None, lost: bool = False):
        super().__init__(fault)
        self.retry_after, self.lost = retry_after, lost


class GiveUp(Exception):
    """A fault that another try would meet again, such as a wrong key or an unknown model."""


def failure(status: int, message: str, wait: float | None, key: str | None, variable: str) -> TryAgain | GiveUp:
    """The exception for an HTTP error status; its text is safe to show."""
    if status in (401, 403):  # these messages like to quote the key in part
        return GiveUp(f"the server refused the key ({status}): check {variable}")
    said = f"{status} {shown(message, key)}".strip()
    if status in (408, 425, 429) or status >= 500:
        return TryAgain(said, wait)
    return GiveUp(f"the server refused the request: {said}")


def shown(message: str, key: str | None) -> str:
    """A server's message in one line, at most 200 characters, without the key."""
    return " ".join(without_key(message, key).split())[:200]


def without_key(text: str, key: str | None) -> str:
    return text.replace(key, "[key]") if key else text


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a Retry-After header: a number or a date (RFC 9110, 10.2.3). None for anything else."""
    text = (headers.get("retry-after") or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def token_count(counted: object, text: str) -> int:
    """The server's count of tokens, or about that many where it gives none: four characters a token."""
    return counted if type(counted) is int and counted >= 0 else len(text) // 4
