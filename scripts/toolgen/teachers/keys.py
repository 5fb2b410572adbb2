"""Where a teacher's key comes from: the environment, or `secrets/access_token.toml`. It is never written anywhere."""

import os
import tomllib
from pathlib import Path

from ..console import Mistake

VARIABLES = {"gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "openai": ("OPENAI_API_KEY",)}
SECRETS = Path("secrets/access_token.toml")


def find(service: str) -> str | None:
    """The key of `service`, or None. Raises Mistake, without the key, for one that cannot be sent."""
    for variable in VARIABLES[service]:
        if key := os.environ.get(variable, "").strip():
            return _checked(key, variable)
    try:
        document = tomllib.loads(SECRETS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):  # a decoder's message may quote the line, and the key with it
        raise Mistake(f"{SECRETS} cannot be read as TOML") from None
    table = document
    for name in ("ai_services", service):
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise Mistake(f"{SECRETS}: {name} is not a table")
    key = table.get("api_key", "")
    if not isinstance(key, str):
        raise Mistake(f"{SECRETS}: [ai_services.{service}] api_key is not a text")
    return _checked(key.strip(), str(SECRETS)) or None


def missing(service: str) -> Mistake:
    """The one line for a key that is needed and not there."""
    variables = " or ".join(VARIABLES[service])
    local = ", generate.requests.base_url to a server that needs no key" if service == "openai" else ""
    return Mistake(f"the teacher {service} needs a key: set {variables}{local}, or generate.teacher to offline")


def _checked(key: str, where: str) -> str:
    if not all("!" <= character <= "~" for character in key):
        raise Mistake(f"{where} holds blanks or characters that no key has")
    return key
