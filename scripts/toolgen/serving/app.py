"""The routes of `make serve`: /v1/chat/completions, /v1/models and /health, for one engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Future

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .. import records
from . import errors, openai_api
from .engine import RETRY_AFTER, Answer, Engine, Full, Stopped, TooLong

UNASKED = Answer([], 0, 0)


def create(engine: Engine, model: str) -> Starlette:
    """The application; `model` is the name that clients ask for."""

    async def chat(request: Request) -> Response:
        asked = openai_api.read(await request.body(), model, engine.decoder.catalog)
        reply = openai_api.Reply(asked, model)
        if asked.stream:
            return events(engine, asked, reply)
        if asked.said is None:
            answer = await asyncio.wrap_future(submitted(engine, asked))
            reply.add(answer.calls)
        else:
            answer = UNASKED
        return JSONResponse(reply.completion(answer))

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [described]})

    async def one_model(request: Request) -> Response:
        named = request.path_params["name"]
        if named != model:
            message = f"there is no model {named[:80]!r} here, only {model!r}"
            raise errors.BadRequest(message, "model", "model_not_found", 404)
        return JSONResponse(described)

    async def health(request: Request) -> Response:
        if not engine.running:
            raise Stopped("the model takes no more queries")
        return JSONResponse({"status": "ok", "model": model})

    described = {"id": model, "object": "model", "created": 0, "owned_by": "toolgen"}
    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{name}", one_model),
        Route("/health", health),
    ]
    handlers = {errors.BadRequest: bad_request, Full: full, Stopped: stopped, HTTPException: http_error, 500: broken}
    return Starlette(routes=routes, exception_handlers=handlers)


def submitted(engine: Engine, asked: openai_api.Request, **options: object) -> "Future[Answer]":
    try:
        return engine.submit(asked.query, asked.required, **options)
    except TooLong as error:
        raise errors.BadRequest(str(error), "messages", "context_length_exceeded") from None


def events(engine: Engine, asked: openai_api.Request, reply: openai_api.Reply) -> Response:
    """The answer as server-sent events, each call as soon as the model has written it."""
    loop, news = asyncio.get_running_loop(), asyncio.Queue()

    def tell(new: object) -> None:
        with contextlib.suppress(RuntimeError):  # a second Ctrl-C has closed the loop: nobody listens
            loop.call_soon_threadsafe(news.put_nowait, new)

    if asked.said is None:
        future = submitted(engine, asked, on_calls=tell)
    else:
        future = Future()
        future.set_result(UNASKED)
    future.add_done_callback(tell)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(written(reply, news, future), media_type="text/event-stream", headers=headers)


async def written(reply: openai_api.Reply, news: asyncio.Queue, future: "Future[Answer]") -> AsyncIterator[str]:
    """The chunks of an answer, from the lists of calls that the engine tells, and at last its future."""
    try:
        yield event(reply.first_chunk())
        while (new := await news.get()) is not future:
            for chunk in reply.chunks(new):
                yield event(chunk)
        for chunk in reply.last_chunks(future.result()):
            yield event(chunk)
        yield "data: [DONE]\n\n"
    except Stopped as error:
        yield event(errors.body(503, str(error)))
    finally:
        future.cancel()  # the client may be gone


def event(data: dict) -> str:
    return f"data: {records.dumps(data)}\n\n"


async def bad_request(request: Request, error: errors.BadRequest) -> Response:
    return errors.response(error.status, str(error), error.param, error.code)


async def full(request: Request, error: Full) -> Response:
    return errors.response(
        429, f"{error}: ask again later", code="queue_full", headers={"Retry-After": str(RETRY_AFTER)}
    )


async def stopped(request: Request, error: Stopped) -> Response:
    return errors.response(503, str(error), code="stopped")


async def http_error(request: Request, error: HTTPException) -> Response:
    return errors.response(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


async def broken(request: Request, error: Exception) -> Response:
    return errors.response(500, "the server met a mistake of its own; its log says more")
