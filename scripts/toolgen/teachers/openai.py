"""Any server that speaks OpenAI's chat protocol: OpenAI, vLLM, llama.cpp, Ollama, Gemini's compatible endpoint."""

import json

import openai

from .answers import Answer, Ask, GiveUp, TryAgain, failure, retry_after, token_count, without_key

UNREACHED = ("ConnectError", "ConnectTimeout")  # httpx's names for a request that never left


def connect(
    model: str, schema: dict, temperature: float | None, max_tokens: int, base_url: str | None, timeout: float,
    key: str | None,
) -> Ask:  # fmt: skip
    """A function that asks `model` for JSON in the form of `schema`; safe to call from several threads.

    `base_url` None is OpenAI's own server. `key` None is for servers that need none. `timeout` is in seconds.
    """
    client = openai.OpenAI(api_key=key or "none", base_url=base_url, timeout=timeout, max_retries=0)
    # OpenAI's newer models take the one name of this limit, most other servers the other.
    limit = {"max_tokens" if base_url else "max_completion_tokens": max_tokens}
    warmth = {} if temperature is None else {"temperature": temperature}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}

    def ask(prompt: str) -> Answer:
        try:
            raw = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": prompt}], response_format=form, **limit, **warmth
            )
            body = json.loads(raw.content)
        except openai.APIStatusError as error:
            message = error.body.get("message") if isinstance(error.body, dict) else None
            wait = retry_after(error.response.headers)
            raise failure(error.status_code, str(message or error.message), wait, key, "OPENAI_API_KEY") from None
        except openai.APIConnectionError as error:  # timeouts among them
            cause = type(error.__cause__ or error).__name__
            if cause in ("UnsupportedProtocol", "InvalidURL"):
                raise GiveUp("generate.requests.base_url is not an address") from None
            raise TryAgain(f"no answer ({cause})", lost=cause not in UNREACHED) from None
        except (ValueError, RecursionError):
            raise TryAgain("an unreadable answer (not JSON)", lost=True) from None
        return _answer(body, prompt, key)

    return ask


def _answer(body: object, prompt: str, key: str | None) -> Answer:
    """The answer in the body of a 200. Raises TryAgain where there is none."""
    try:
        choice = body["choices"][0]
        text = choice["message"]["content"] or ""  # null where the model refused
        usage = body.get("usage") or {}
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except (LookupError, TypeError, AttributeError):
        raise TryAgain("an unreadable answer (no choices)", lost=True) from None
    if not isinstance(text, str):
        raise TryAgain("an unreadable answer (content is not a text)", lost=True)
    text = without_key(text, key)
    return Answer(text, token_count(counts[0], prompt), token_count(counts[1], text), str(choice.get("finish_reason")))
