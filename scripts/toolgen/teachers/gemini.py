"""Gemini, on google-generativeai, whose support has ended: every use of it is in this module.

The SDK has no asynchronous REST transport, so it is called from threads; gRPC would not survive many proxies.
"""

import warnings
from typing import Any

from .answers import Answer, Ask, GiveUp, TryAgain, failure, retry_after, shown, token_count, without_key

with warnings.catch_warnings():  # the SDK says at every start that it is out of support; the README says it once
    warnings.simplefilter("ignore", FutureWarning)
    import google.generativeai as genai
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.protobuf.json_format import ParseError

# What the SDK raises over a body that is no answer: its own parser, and its error formatter over JSON of another shape.
UNREADABLE = (ParseError, ValueError, AttributeError, TypeError, RecursionError)

UNREACHED = ("ConnectTimeout", "NewConnectionError", "NameResolutionError")  # names for a request that never left


def connect(
    model: str, schema: dict, temperature: float | None, max_tokens: int, base_url: str | None, timeout: float, key: str
) -> Ask:
    """A function that asks `model` for JSON in the form of `schema`; safe to call from several threads.

    `base_url` needs its scheme; None is Google's own server. `timeout` is in seconds.
    """
    options = {"api_endpoint": base_url} if base_url else None
    genai.configure(api_key=key, transport="rest", client_options=options)
    asked = genai.GenerativeModel(
        model,
        generation_config={
            "response_mime_type": "application/json",
            "response_schema": dialect(schema),
            "max_output_tokens": max_tokens,
            **({} if temperature is None else {"temperature": temperature}),
        },
    )

    def ask(prompt: str) -> Answer:
        try:
            # Without `retry: None` the SDK retries a 503 by itself, for longer than its own timeout.
            response = asked.generate_content(prompt, request_options={"timeout": timeout, "retry": None})
        except GoogleAPICallError as error:
            wait = retry_after(getattr(error.response, "headers", {}))
            message = error.message.rpartition(": ")[2] if error.message else ""
            raise failure(error.code or 500, message, _asked_delay(error) if wait is None else wait, key,
                          "GEMINI_API_KEY") from None  # fmt: skip
        except requests.exceptions.InvalidURL:
            raise GiveUp("generate.requests.base_url is not an address") from None
        except requests.exceptions.RequestException as error:  # a slow server surfaces as requests' own ReadTimeout
            unreached = any(name in repr(error) for name in UNREACHED)
            raise TryAgain(f"no answer ({type(error).__name__})", lost=not unreached) from None
        except GoogleAuthError as error:
            raise TryAgain(shown(str(error), key)) from None
        except UNREADABLE as error:
            raise TryAgain(f"an unreadable answer ({type(error).__name__})", lost=True) from None
        return _answer(response, prompt, key)

    return ask


def dialect(schema: Any) -> Any:
    """A JSON Schema in the part of it that Gemini takes: no `additionalProperties`, and text where types differ."""
    if isinstance(schema, list):
        return [dialect(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        return {"type": "string"}
    return {key: dialect(value) for key, value in schema.items() if key != "additionalProperties"}


def _answer(response: genai.types.GenerateContentResponse, prompt: str, key: str) -> Answer:
    candidates = response.candidates
    parts = candidates[0].content.parts if candidates else []  # none where the prompt was blocked
    text = without_key("".join(part.text for part in parts), key)
    usage = response.usage_metadata
    # The total counts thoughts too, which are billed as output and stand in no other field.
    prompt_tokens = token_count(usage.prompt_token_count or None, prompt)
    written = usage.total_token_count - usage.prompt_token_count
    finish = candidates[0].finish_reason.name if candidates else response.prompt_feedback.block_reason.name
    return Answer(text, prompt_tokens, token_count(written or None, text), finish.lower())


def _asked_delay(error: GoogleAPICallError) -> float | None:
    """The wait in seconds that the body of an error asks for (google.rpc.RetryInfo), for want of a header."""
    for detail in error.details or ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return retry_after({"retry-after": delay[:-1]})
    return None
