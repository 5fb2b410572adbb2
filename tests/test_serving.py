"""Serving, in one process: the engine's batches, the guards, and what OpenAI's clients may ask."""

import asyncio
import json
import threading

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from toolgen import catalog, checkpoints, checks, console
from toolgen.decoding import MAX_PROMPT, Decoder
from toolgen.serving import app, guards, openai_api, server
from toolgen.serving.engine import Answer, Engine, Full, Stopped, TooLong
from toolgen.serving.errors import BadRequest
from toolgen.serving.guards import Guards

QUERIES = ["open the window", "hello", "lock all the doors", "21 degrees please", "", "warm the back " * 9]
NEVER = "setStringProperty"  # an accessor of the catalog that serves no property of the car
LOCAL = "http://127.0.0.1:8000"


# Answers as they are written.


def joined(pieces, count: int) -> list[list[dict]]:
    calls: list[list[dict]] = [[] for _ in range(count)]
    for piece in pieces:
        calls[piece.row] += piece.calls
    return calls


def test_a_stream_says_what_the_whole_answer_says(small):
    decoder = Decoder(small)
    pieces = list(decoder.stream([decoder.prompt(query) for query in QUERIES]))
    assert joined(pieces, len(QUERIES)) == [decoder.calls([query], 1)[0] for query in QUERIES]
    assert sorted(piece.row for piece in pieces if piece.over) == list(range(len(QUERIES)))
    counts = {piece.row: piece.generated_tokens for piece in pieces if piece.over}
    assert [counts[row] for row in range(len(QUERIES))] == [decoder.cost(query).generated_tokens for query in QUERIES]


def test_an_answer_begins_with_the_tool_that_is_required(small):
    decoder = Decoder(small, no_call_threshold=-1000.0)  # of itself it would call nothing
    prompts = [decoder.prompt(query) for query in QUERIES]
    assert not any(joined(decoder.stream(prompts), len(prompts)))
    tools = list(decoder.grammar.start.next)
    opening = [tools[3 * row : 3 * row + 3] for row in range(len(prompts) - 1)] + [[]]
    for ids, calls in zip(opening, joined(decoder.stream(prompts, opening), len(prompts)), strict=True):
        assert bool(calls) == bool(ids)
        assert not calls or small.catalog.tool_of(calls[0]) in [decoder.grammar.tools[index] for index in ids]
        for call in calls:
            checks.check_call(call, small.catalog)


def test_ordinary_tools_are_streamed_too():
    size = {"type": "object", "properties": {"size": {"enum": ["small", "large"]}}, "required": ["size"]}
    tools = catalog.build([{"name": "brew", "parameters": size}, {"name": "now"}], [])
    shape = checkpoints.Shape(vocab_size=400, hidden_size=16, intermediate_size=16, num_layers=1, num_heads=1)
    model, tokenizer = checkpoints.from_scratch(['brew {"size":"large"}'], tools, shape, seed=0)
    checkpoints.add_tool_tokens(model, tokenizer, tools)
    decoder = Decoder(checkpoints.Checkpoint(model, tokenizer, tools, checkpoints.Info("agent_tuning", "none")))
    decoder.max_tokens = 20  # the limit cuts some calls
    prompts = [decoder.prompt(query) for query in QUERIES]
    opening = [list(decoder.grammar.tools)] * len(prompts)
    assert joined(decoder.stream(prompts), len(prompts)) == [decoder.calls([query], 1)[0] for query in QUERIES]
    assert all(call in ({"name": "now", "arguments": {}}, {"name": "brew", "arguments": {"size": "small"}},
                        {"name": "brew", "arguments": {"size": "large"}})
               for calls in joined(decoder.stream(prompts, opening), len(prompts)) for call in calls)  # fmt: skip


# The engine.


class Counting(Decoder):
    """A decoder that remembers how many prompts it got at once."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sizes = []

    def stream(self, prompts, opening=()):
        self.sizes.append(len(prompts))
        return super().stream(prompts, opening)


@pytest.fixture
def held(small):
    """A function that makes an engine whose thread is held up by a first query, which it returns with the release."""
    engines = []

    def make(**options) -> tuple[Engine, object, threading.Event]:
        engine, reached, released = Engine(Counting(small), **options), threading.Event(), threading.Event()
        engines.append((engine, released))

        def hold(calls: list[dict]) -> None:
            reached.set()
            released.wait()

        future = engine.submit("open the window", ["setIntProperty"], hold)
        assert reached.wait(30)
        return engine, future, released

    yield make
    for engine, released in engines:
        released.set()
        engine.stop()


def test_queries_that_wait_are_answered_together_and_as_alone(held, small):
    engine, first, released = held(max_batch_size=4)
    futures = [engine.submit(query) for query in QUERIES]
    released.set()
    answers = [future.result(30) for future in futures]
    assert engine.decoder.sizes == [1, 4, 2]
    alone = Decoder(small)
    assert [answer.calls for answer in answers] == [alone.calls([query], 1)[0] for query in QUERIES]
    costs = [alone.cost(query) for query in QUERIES]
    assert [answer.prompt_tokens for answer in answers] == [cost.prompt_tokens for cost in costs]
    assert [answer.generated_tokens for answer in answers] == [cost.generated_tokens for cost in costs]
    assert first.result(30).calls[0]["name"] == "setIntProperty"


def test_a_full_queue_refuses_at_once(held):
    engine, _, released = held(max_waiting=2)
    waiting = [engine.submit("hello"), engine.submit("hello")]
    with pytest.raises(Full, match="2 queries wait already"):
        engine.submit("hello")
    released.set()
    assert all(future.result(30).calls for future in waiting)


def test_a_query_that_is_given_up_costs_nothing(held):
    engine, _, released = held(max_batch_size=1)
    given_up, kept = engine.submit("hello"), engine.submit("open the window")
    assert given_up.cancel()
    released.set()
    kept.result(30)
    assert engine.decoder.sizes == [1, 1]


def test_a_stopped_engine_has_answered_those_that_waited(held):
    engine, first, released = held()
    waiting = engine.submit("hello")
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    while engine.running:
        pass
    with pytest.raises(Stopped):
        engine.submit("hello")
    released.set()
    stopping.join(30)
    assert first.done() and waiting.result(0).calls


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_model_that_has_failed(held):
    engine, first, released = held(max_batch_size=1)
    waiting = [engine.submit("hello"), engine.submit("hello")]
    engine.decoder.max_tokens = None
    released.set()
    for future in waiting:
        with pytest.raises(Stopped, match="failed"):
            future.result(30)
    with pytest.raises(Stopped):
        engine.submit("hello")


def test_a_query_is_refused_rather_than_cut(held):
    engine, _, _ = held()
    assert len(engine.decoder.prompt("x " * 100)) < MAX_PROMPT
    engine.submit("x " * 100)
    for query in ("window " * 300, "x" * 1_000_000):
        with pytest.raises(TooLong):
            engine.submit(query)


# What a request asks, and how it is answered.


@pytest.fixture(scope="module")
def tools(catalog_path):
    return catalog.load(catalog_path)


def asked(query: str = "open my window", **fields) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": query}]} | fields


def read(tools, body: dict) -> openai_api.Request:
    return openai_api.read(json.dumps(body).encode(), "m", tools)


def function(name: str) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


def said(role: str, content: object) -> dict:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("fields", "complaint", "param"),
    [
        ({"model": None}, "must provide a model", "model"),
        ({"model": 5}, "model must be a text", "model"),
        ({"model": "gpt-4o"}, "there is no model 'gpt-4o' here, only 'm'", "model"),
        ({"messages": None}, "messages must be a list", "messages"),
        ({"messages": ["open"]}, "messages must be a list", "messages"),
        ({"messages": [{"content": "open"}]}, "each with a role", "messages"),
        ({"messages": [said("system", "be kind")]}, "nothing that a user said", "messages"),
        ({"messages": [said("user", None)]}, "must be a text", "messages[0].content"),
        ({"messages": [said("user", "a"), said("user", [{"type": "image_url"}])]}, "text", "messages[1].content"),
        ({"messages": [said("user", "\ud800")]}, "surrogate", "messages[0].content"),
        ({"tools": []}, "leave it out for the whole catalog", "tools"),
        ({"tools": {}}, "must be a list", "tools"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0] is not", "tools"),
        ({"tools": [function(NEVER), function("book"), function("pay")]}, "'book'", "tools[1].function.name"),
        ({"tool_choice": "never"}, "none, auto, required", "tool_choice"),
        ({"tool_choice": function("book")}, "'book', which is not among", "tool_choice"),
        ({"tools": [function(NEVER)], "tool_choice": function("setIntProperty")}, "not among", "tool_choice"),
        ({"stream": "yes"}, "stream must be true or false", "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "stream_options.include_usage"),
        ({"n": 2}, "n is not supported", "n"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported", "response_format"),
        ({"functions": [{"name": "x"}]}, "functions is not supported", "functions"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(tools, fields, complaint, param):
    with pytest.raises(BadRequest) as refused:
        read(tools, asked() | fields)
    assert complaint in str(refused.value) and "\n" not in str(refused.value)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'"x"'])
def test_a_body_that_is_no_object(tools, body):
    with pytest.raises(BadRequest, match="the body is not"):
        openai_api.read(body, "m", tools)


def test_the_last_message_of_a_user_is_the_query(tools):
    parts = [{"type": "text", "text": "open"}, {"type": "text", "text": "my window"}]
    messages = [said("system", "be kind"), said("user", "hi"), said("assistant", None), said("user", parts)]
    found = read(tools, asked(messages=messages, temperature=0.7, max_tokens=9, seed=None, user="me", unheard_of=1))
    assert (found.query, found.said, found.required) == ("open my window", None, frozenset())
    assert found.functions == tools.function_names


def test_results_of_tools_end_the_turn(tools):
    messages = asked()["messages"] + [said("assistant", None), said("tool", "21.5"), said("tool", "ok")]
    assert read(tools, asked(messages=messages)).said == "21.5\nok"
    assert read(tools, asked(messages=messages[:2] + [said("tool", "")])).said == openai_api.DONE
    assert read(tools, asked(messages=[*messages, said("user", "and the trunk")])).said is None


def test_tool_choice(tools):
    both = [function("setIntProperty"), function("getIntProperty")]
    assert read(tools, asked(tools=both)).functions == {"setIntProperty", "getIntProperty"}
    assert read(tools, asked(tools=both, tool_choice="none")).said == openai_api.NO_CALL
    assert read(tools, asked(tools=both, tool_choice="required")).required == {"setIntProperty", "getIntProperty"}
    named = read(tools, asked(tools=both, tool_choice=function("getIntProperty")))
    assert named.required == named.functions == {"getIntProperty"}


CALLS = [
    {"name": name, "arguments": {"propertyName": "WINDOW_POS", "areaId": 16}}
    for name in ("getIntProperty", "setIntProperty", "getIntProperty")
]


def test_calls_of_other_functions_are_not_returned(tools):
    reply = openai_api.Reply(read(tools, asked(tools=[function("getIntProperty")])), "m")
    reply.add(CALLS)
    found = reply.completion(Answer(CALLS, 5, 7))
    (choice,) = found["choices"]
    calls = choice["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["getIntProperty", "getIntProperty"]
    assert json.loads(calls[0]["function"]["arguments"]) == CALLS[0]["arguments"]
    assert len({call["id"] for call in calls}) == 2
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    assert found["usage"] == {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def test_one_call_where_parallel_ones_are_not_wanted(tools):
    reply = openai_api.Reply(read(tools, asked(parallel_tool_calls=False)), "m")
    assert [len(reply.add([call])) for call in CALLS] == [1, 0, 0]
    assert len(openai_api.Reply(reply.request, "m").add(CALLS)) == 1


def test_no_call_is_a_sentence(tools):
    reply = openai_api.Reply(read(tools, asked()), "m")
    (choice,) = reply.completion(Answer([], 5, 1))["choices"]
    assert choice["finish_reason"] == "stop" and "tool_calls" not in choice["message"]
    assert choice["message"]["content"] == openai_api.NO_CALL


# The application behind its guards.


@pytest.fixture(scope="module")
def client(small_copy):
    engine = Engine(Decoder(small_copy()))
    yield TestClient(Guards(app.create(engine, "m")), base_url=LOCAL, raise_server_exceptions=False)
    engine.stop()


def events(text: str) -> list:
    *chunks, end = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert end == "[DONE]"
    return [json.loads(chunk) for chunk in chunks]


@pytest.mark.parametrize("query", QUERIES)
def test_a_stream_of_chunks_is_the_completion(client, query):
    whole = client.post("/v1/chat/completions", json=asked(query)).json()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    streamed = client.post("/v1/chat/completions", json=asked(query, **options))
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *chunks, last = events(streamed.text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [call["index"] for call in calls] == list(range(len(calls)))
    wanted = [call["function"] for call in whole["choices"][0]["message"]["tool_calls"]]
    assert [call["function"] for call in calls] == wanted
    assert deltas[0]["role"] == "assistant" and len({chunk["id"] for chunk in [*chunks, last]}) == 1
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert last["choices"] == [] and last["usage"] == whole["usage"]


@pytest.mark.parametrize(
    "fields",
    [{"tools": [function(NEVER)]}, {"tool_choice": "none"}, {"messages": asked()["messages"] + [said("tool", "ok")]}],
)
def test_no_call_streamed_and_whole(client, fields):
    (choice,) = client.post("/v1/chat/completions", json=asked(**fields)).json()["choices"]
    chunks = events(client.post("/v1/chat/completions", json=asked(stream=True, **fields)).text)
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert "".join(filter(None, contents)) == choice["message"]["content"]
    assert choice["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_models_and_health(client):
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["m"]
    assert client.get("/v1/models/m").json()["id"] == "m"
    assert client.get("/health").json() == {"status": "ok", "model": "m"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/chat/completions", asked(model="other"), 404, "model_not_found"),
        ("POST", "/v1/chat/completions", asked("window " * 900), 400, "context_length_exceeded"),
        ("POST", "/v1/chat/completions", asked("x" * 2**20), 413, "request_too_large"),
        ("POST", "/v1/chat/completions", asked(n=3), 400, "unsupported_parameter"),
        ("GET", "/v1/chat/completions", None, 405, None),
        ("GET", "/v1/models/other", None, 404, "model_not_found"),
        ("GET", "/v1/embeddings", None, 404, None),
    ],
)
def test_errors_have_openais_form(client, method, path, body, status, code):
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["code"] == code
    assert error["type"] == "invalid_request_error" and "\n" not in error["message"]


def test_a_full_queue_is_told_to_the_client(held):
    engine, _, _ = held(max_waiting=1)
    engine.submit("hello")
    client = TestClient(app.create(engine, "m"))
    for fields in ({}, {"stream": True}):
        answer = client.post("/v1/chat/completions", json=asked(**fields))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json()["error"]["code"] == "queue_full"


def test_a_stopped_engine_is_told_to_the_client(small):
    engine = Engine(Decoder(small))
    engine.stop()
    client = TestClient(app.create(engine, "m"))
    assert client.post("/v1/chat/completions", json=asked()).status_code == 503
    assert client.get("/health").status_code == 503


# The guards.


async def echo(request):
    return PlainTextResponse(await request.body(), headers={"X-Frame-Options": "SAMEORIGIN"})


def guarded(**options) -> TestClient:
    return TestClient(Guards(Starlette(routes=[Route("/", echo, methods=["GET", "POST"])]), **options), base_url=LOCAL)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200), ("localhost", 200), ("LOCALHOST:80", 200), ("[::1]:8000", 200), ("192.168.1.7", 200),
        ("car.lan:8000", 200), ("evil.example", 400), ("127.0.0.1.evil.example", 400), ("localhost.evil.example", 400),
        ("", 400), ("127.0.0.1@evil.example", 400), ("evil.example#127.0.0.1", 400), ("127.0.0.1:x", 400),
    ],
)  # fmt: skip
def test_no_name_of_somebody_elses_is_answered(host, status):
    assert guarded(host="car.lan").get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200), (LOCAL, 200), ("HTTP://127.0.0.1:8000", 200), ("https://127.0.0.1:8000", 200), ("null", 403),
        ("http://127.0.0.1:9000", 403), ("http://127.0.0.1", 403), ("https://evil.example", 403), ("", 403),
        (f"{LOCAL}.evil.example", 403),
    ],
)  # fmt: skip
def test_no_page_of_another_site_is_answered(origin, status):
    assert guarded().post("/", headers={} if origin is None else {"Origin": origin}).status_code == status


def test_a_body_has_its_limit():
    client = guarded(max_body=10)
    assert client.post("/", content=b"0123456789").text == "0123456789"
    assert client.post("/", content=b"01234567890").status_code == 413
    in_parts = iter([b"0123", b"4567", b"89"])
    assert client.post("/", content=in_parts).text == "0123456789"
    assert client.post("/", content=iter([b"0123"] * 3)).status_code == 413


def test_answers_carry_security_headers_and_may_set_their_own():
    for answer in (guarded().get("/"), guarded().get("/", headers={"Host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == guards.NOTHING
    assert guarded().get("/").headers.get_list("x-frame-options") == ["SAMEORIGIN"]


def test_a_client_has_its_rate():
    client = guarded(rate=0.001, burst=2)
    answers = [client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 0


def test_tokens_come_back_with_time():
    rate = guards.Rate(rate=2.0, burst=2)
    assert [rate.wait("a", 10.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert rate.wait("b", 10.0) == 0.0
    assert rate.wait("a", 10.25) == 0.25
    assert [rate.wait("a", 10.5) for _ in range(2)] == [0.0, 0.5]
    assert [rate.wait("a", 1000.0) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_the_clients_that_are_remembered_are_bounded():
    rate = guards.Rate(rate=1.0, burst=1)
    for number in range(guards.MAX_CLIENTS + 5):
        rate.wait(str(number), 0.0)
    assert len(rate._buckets) == guards.MAX_CLIENTS


def run(application, receive) -> list[dict]:
    """The messages that an application sends for one POST whose body comes from `receive`."""
    sent = []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")]}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent


async def nothing() -> dict:
    await asyncio.Event().wait()


async def empty() -> dict:
    return {"type": "http.request", "body": b""}


async def silent(scope, receive, send) -> None:
    await nothing()


async def begun(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await nothing()


@pytest.mark.parametrize(
    ("application", "receive", "status"), [(silent, nothing, 408), (silent, empty, 504), (begun, empty, 200)]
)
def test_a_request_has_its_time(application, receive, status):
    assert run(Guards(application, seconds=0.01), receive)[0]["status"] == status


def test_a_port_in_use_is_told_in_one_line():
    with server.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert server.address(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(console.Mistake, match=rf"port {port} of 127.0.0.1 \(Address already in use\)"):
            server.listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "complaint"),
    [("no host", 0, "cannot listen"), ("192.0.2.1", 0, "cannot listen"), ("127.0.0.1", 70_000, "70000 is no port")],
)
def test_an_address_that_cannot_be_had(host, port, complaint):
    with pytest.raises(console.Mistake, match=complaint):
        server.listen(host, port)
