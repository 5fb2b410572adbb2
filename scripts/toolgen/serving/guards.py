"""What stands before every application that this project serves, on one's own machine or in one's own network.

A web page that someone has open in a browser must not reach it: by a cross-site post, which has another Origin, or by
DNS rebinding, whose Host is a name. Bodies, the rate of one client and the time of a request have their limits.
"""

import asyncio
import ipaddress
import math
import re
import time
from collections import OrderedDict

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import errors

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?")
MAX_CLIENTS = 10_000  # whose rate is remembered
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"


class Guards:
    """ASGI middleware, meant to be the outermost: `Guards(Starlette(...), host="127.0.0.1")`.

    host        the name or address that the server was started for
    rate        requests a second that one client address may make; `burst` of them may come at once
    max_body    bytes of a request's body, which is read whole before the application sees the request
    seconds     for a request, from its head to the end of its answer
    policy      the Content-Security-Policy of answers that set none themselves

    It refuses with OpenAI's error object: 400 for a foreign Host, 403 for a foreign Origin, 408 for a body that comes
    too slowly, 413 for one too large, 429 (with Retry-After) above the rate, 504 for an answer that takes too long. An
    answer that has begun is cut off instead.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        rate: float = 100.0,
        burst: int = 200,
        max_body: int = 2**20,
        seconds: float = 60.0,
        policy: str = NOTHING,
    ):
        self.app, self.host, self.max_body, self.seconds = app, host, max_body, seconds
        self.rate = Rate(rate, burst)
        self.headers = SECURITY_HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, unread, started = None, True, False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        async def replayed() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, guarded_send)
            return
        try:
            async with asyncio.timeout(self.seconds) as limit:
                body = await self._body(receive)
                await (_too_large(self.max_body) if body is None else self.app)(scope, replayed, guarded_send)
        except TimeoutError:
            if not limit.expired():
                raise
            if not started:
                slow = errors.response(408, "the request came too slowly", headers={"Connection": "close"})
                late = errors.response(504, f"there was no answer within {self.seconds:g} seconds")
                await (slow if body is None else late)(scope, receive, guarded_send)

    def _refused(self, scope: Scope) -> Response | None:
        """What is wrong with the head of a request, as an answer; None where nothing is."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not is_trusted(host, self.host):
            return errors.response(400, "the Host header names no address of this server", code="untrusted_host")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return errors.response(403, "web pages of other sites may not ask here", code="cross_origin")
        wait = self.rate.wait(scope["client"][0] if scope.get("client") else "", time.monotonic())
        if wait:
            after = {"Retry-After": str(math.ceil(wait))}
            return errors.response(429, "too many requests at once", code="rate_limit_exceeded", headers=after)
        length = headers.get("content-length", "0")
        return _too_large(self.max_body) if not length.isdecimal() or int(length) > self.max_body else None

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None where it is too large, or the client has gone."""
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body:
                return None
            more = message.get("more_body", False)
        return b"".join(parts)


def is_trusted(host: str, own: str) -> bool:
    """Whether a Host header, in lower case, is the server's own: `own`, localhost, or an address in digits.

    Any other name may be one that somebody else's DNS points here.
    """
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]")
    if name in ("localhost", own.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Rate:
    """A bucket of tokens for each client: a request takes one, `rate` come back each second, it holds `burst`."""

    def __init__(self, rate: float, burst: int):
        self.rate, self.burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> tokens, when

    def wait(self, client: str, now: float) -> float:
        """Seconds until `client` may ask; 0.0 where it may ask at `now` (in seconds), and has been counted."""
        tokens, then = self._buckets.pop(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - then) * self.rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self.rate


def _too_large(limit: int) -> Response:
    return errors.response(413, f"the request is larger than {limit:,} bytes", code="request_too_large")
