"""The page's server: a request goes through the engine, and its calls come back line by line while they are decoded.

    GET  /        the page, its style sheet, script and icon
    POST /ask     {"query"} -> lines of JSON, see `Demo.answered`
    POST /call    {"call": one call as JSON text} -> the same lines
    POST /reset   -> the state of a new car, see `outcome.state`
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ...car import Car
from ...catalog import Catalog
from ...conversations import encode_text
from ...evaluation import prompting
from ...records import finite
from .. import errors
from ..engine import RETRY_AFTER, Engine, Full, Stopped, TooLong
from ..guards import Guards
from . import outcome, page
from .sessions import Sessions

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")  # fmt: skip
RATE, BURST = 4.0, 40  # requests a second of one visitor; opening the page takes four
MAX_BODY = 16 * 1024  # bytes
ASSETS = {"/style.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
COOKIE = "car"


def create(engine: Engine) -> ASGIApp:
    demo = Demo(engine)
    routes = [
        Route("/", demo.home),
        *(Route(path, demo.asset) for path in ASSETS),
        *(Route(f"/{view.__name__}", view, methods=["POST"]) for view in (demo.ask, demo.call, demo.reset)),
    ]
    return Guards(Starlette(routes=routes), rate=RATE, burst=BURST, max_body=MAX_BODY, policy=POLICY)


class Demo:
    def __init__(self, engine: Engine):
        self.engine, self.catalog, self.tokenizer = engine, engine.decoder.catalog, engine.decoder.tokenizer
        self.weights = sum(weight.numel() for weight in engine.decoder.model.parameters())
        self.sessions = Sessions(self.catalog) if self.catalog.properties else None
        self.catalog_tokens = len(encode_text(prompting.instruction(self.catalog), self.tokenizer))
        self.assets = {path: (page.HERE / path[1:]).read_bytes() for path in ASSETS}

    async def home(self, request: Request) -> Response:
        key, car, _ = self.session(request)
        text = page.render(self.catalog, self.weights, outcome.state(car))
        return with_cookie(HTMLResponse(text), key)

    async def asset(self, request: Request) -> Response:
        path = request.url.path
        return Response(self.assets[path], media_type=ASSETS[path])

    async def ask(self, request: Request) -> Response:
        query = text_of(await request.body(), "query")
        if isinstance(query, Response):
            return query
        started, loop, arrived = time.perf_counter(), asyncio.get_running_loop(), asyncio.Queue()

        def on_calls(calls: list[dict]) -> None:  # on the engine's thread
            loop.call_soon_threadsafe(arrived.put_nowait, calls)

        try:
            future = self.engine.submit(query, on_calls=on_calls)
        except TooLong as error:
            return errors.response(400, str(error), param="query")
        except Full as error:
            return errors.response(429, str(error), headers={"Retry-After": str(RETRY_AFTER)})
        except Stopped as error:
            return errors.response(503, str(error))
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(arrived.put_nowait, None))
        return self.answered(request, lambda car: self.lines(query, car, arrived, future, started))

    async def call(self, request: Request) -> Response:
        text = text_of(await request.body(), "call")
        if isinstance(text, Response):
            return text
        try:
            call = json.loads(text, parse_constant=finite, parse_float=finite)
            json.dumps(call, ensure_ascii=False).encode("utf-8")  # as in `text_of`
        except (ValueError, RecursionError) as error:
            return errors.response(400, f"this is not JSON: {error}", param="call")
        if not (isinstance(call, dict) and set(call) == {"name", "arguments"}
                and isinstance(call["name"], str) and isinstance(call["arguments"], dict)):  # fmt: skip
            return errors.response(400, 'a call is {"name": "...", "arguments": {...}}', param="call")

        async def lines(car: Car | None) -> AsyncIterator[dict]:
            yield outcome.of_call(call, car, self.catalog)

        return self.answered(request, lines)

    async def reset(self, request: Request) -> Response:
        key, _, _ = self.session(request)
        return with_cookie(JSONResponse(outcome.state(self.sessions.reset(key) if self.sessions else None)), key)

    def session(self, request: Request) -> tuple[str, Car | None, bool]:
        """The key of the visitor's session, the car, and whether both are new; ("", None, False) without a car."""
        return self.sessions.car(request.cookies.get(COOKIE)) if self.sessions else ("", None, False)

    def answered(self, request: Request, lines: Callable[[Car | None], AsyncIterator[dict]]) -> Response:
        """What `lines` yields for the visitor's car, one JSON object a line: `outcome.of_call` with the time under
        "when", or {"cost"}. Where the server did not know the visitor, {"state"} of the new car comes before them.
        """
        key, car, is_new = self.session(request)

        async def body() -> AsyncIterator[str]:
            if is_new:
                yield json.dumps({"state": outcome.state(car)}) + "\n"
            async for line in lines(car):
                yield json.dumps(line) + "\n"

        return with_cookie(StreamingResponse(body(), media_type="application/x-ndjson"), key)

    async def lines(
        self, query: str, car: Car | None, arrived: asyncio.Queue, future: Future, started: float
    ) -> AsyncIterator[dict]:
        """The calls of a query as they arrive, up to None, and what they took; `started` is of time.perf_counter."""
        none = True
        while (calls := await arrived.get()) is not None:
            none, when = False, f"after {passed(started)}"
            for call in calls:
                yield outcome.of_call(call, car, self.catalog) | {"when": when}
        if future.exception() is not None:
            yield {"kind": "refused", "what": f"{future.exception()}."}
            return
        if none:
            yield {"kind": "none", "what": no_call(self.catalog), "when": f"after {passed(started)}"}
        own = future.result().prompt_tokens
        theirs = self.catalog_tokens + len(encode_text(query, self.tokenizer))
        yield {"cost": f"{own} tokens read; with the whole catalog in the prompt {theirs:,}, {theirs / own:,.0f} times "
                       f"as many. {passed(started)} in all."}  # fmt: skip


def with_cookie(response: Response, key: str) -> Response:
    if key:
        response.set_cookie(COOKIE, key, httponly=True, samesite="strict")
    return response


def text_of(body: bytes, name: str) -> str | Response:
    """The text under `name` in a JSON object, or the refusal of a body without one, or with one too long."""
    try:
        text = json.loads(body)[name].strip()
        text.encode("utf-8")  # half of a surrogate pair, which no tokenizer reads, ends here
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return errors.response(400, f'expected {{"{name}": "..."}}', param=name)
    if not 0 < len(text) <= page.LONGEST:
        message = f"expected 1 to {page.LONGEST:,} characters, not {len(text):,}"
        return errors.response(400, message, param=name)
    return text


def no_call(catalog: Catalog) -> str:
    if not catalog.properties:
        return "No call: no tool fits."
    return "No call. Small talk, what the car lacks, a value out of range, a thing for reading only: these get none."


def passed(started: float) -> str:
    """The time since `started`, a reading of time.perf_counter."""
    return f"{1000 * (time.perf_counter() - started):,.0f} ms"
