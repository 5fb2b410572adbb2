"""The real `serve.py` as a process, asked by OpenAI's own client."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import openai
import pytest
from conftest import ENVIRONMENT, ROOT, script

from toolgen import checkpoints
from toolgen.serving import openai_api

ASKED = {"model": "small", "messages": [{"role": "user", "content": "open the window"}]}
SLOW = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}  # 64 tokens of the small model's


@pytest.fixture(scope="module")
def serving(small_copy, catalog_path, tmp_path_factory):
    """The process, and its address."""
    folder = tmp_path_factory.mktemp("serve") / "small"
    checkpoints.save(folder, small_copy(), catalog_path)
    command = [sys.executable, "scripts/serve.py", "--model", folder, "--port", "0", "--batch", "1", "--queue", "1"]
    environment = ENVIRONMENT | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=-1, stderr=-1)
    line = process.stdout.readline()
    assert line.startswith("serve: small at http://127.0.0.1:"), line + process.stderr.read()
    yield process, line.split()[3].strip(",")
    process.kill()
    process.communicate()


@pytest.fixture
def client(serving):
    with openai.OpenAI(base_url=serving[1], api_key="none", max_retries=0) as found:
        yield found


def function(name: str) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


def test_calls(client):
    found = client.chat.completions.create(**ASKED, tools=[function("setBooleanProperty")], tool_choice="required")
    (choice,) = found.choices
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert {call.function.name for call in choice.message.tool_calls} == {"setBooleanProperty"}
    assert all("propertyName" in json.loads(call.function.arguments) for call in choice.message.tool_calls)
    assert found.usage.prompt_tokens > 1 and found.usage.completion_tokens > 1


def test_the_results_of_an_agents_tools_end_its_loop(client):
    messages = list(ASKED["messages"])
    message = client.chat.completions.create(model="small", messages=messages).choices[0].message
    messages.append(message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "21.5"} for call in message.tool_calls]
    (choice,) = client.chat.completions.create(model="small", messages=messages).choices
    assert choice.finish_reason == "stop" and choice.message.content.startswith("21.5")


def test_no_call(client):
    (choice,) = client.chat.completions.create(**ASKED, tools=[function("setStringProperty")]).choices
    assert choice.finish_reason == "stop" and choice.message.content == openai_api.NO_CALL
    assert choice.message.tool_calls is None


def test_a_stream(client):
    whole = client.chat.completions.create(**ASKED).choices[0].message.tool_calls
    with client.chat.completions.stream(**ASKED) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert [call.function.name for call in streamed.message.tool_calls] == [call.function.name for call in whole]
    arguments = [call.function.arguments for call in streamed.message.tool_calls]
    assert arguments == [call.function.arguments for call in whole]


def test_models(client):
    assert [model.id for model in client.models.list()] == ["small"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"tools": [function("book_a_table")]}, openai.BadRequestError), ({"model": "other"}, openai.NotFoundError)],
)
def test_a_clients_mistake_is_the_clients_exception(client, fields, error):
    with pytest.raises(error, match="book_a_table|other"):
        client.chat.completions.create(**ASKED | fields)


def test_a_crowd_is_answered_or_told_to_come_again(client):
    together = threading.Barrier(16)

    def ask(_: int) -> str:
        together.wait()
        try:
            return client.chat.completions.create(**SLOW).choices[0].finish_reason
        except openai.RateLimitError as refused:
            assert refused.response.headers["retry-after"] == "1"
            return refused.code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {"tool_calls", "queue_full"}


def test_a_client_that_waits_as_it_is_told_is_answered(client):
    patient = client.with_options(max_retries=20)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: patient.chat.completions.create(**ASKED), range(8)))
    assert {answer.choices[0].finish_reason for answer in answers} == {"tool_calls"}


def test_what_is_no_http_leaves_it_running(serving, client):
    port = int(serving[1].split(":")[2].split("/")[0])
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(b"\x16\x03\x01\x00\xff hello\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert client.models.list().data


def test_a_model_that_is_not_there(tmp_path):
    done = script(ROOT, "serve", "--model", str(tmp_path / "none"), "--port", "0")
    assert done.returncode == 1 and "make train" in done.stderr and len(done.stderr.splitlines()) == 1


def test_running_requests_are_answered_before_it_stops(serving):
    """Stands last: it ends the server."""
    process, url = serving
    port, body = int(url.split(":")[2].split("/")[0]), json.dumps(SLOW).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(head.encode())
        assert b"100 Continue" in connection.recv(1000)  # so the server has it
        os.kill(process.pid, signal.SIGTERM)
        with pytest.raises(ConnectionRefusedError):  # until it takes no more
            while True:
                socket.create_connection(("127.0.0.1", port)).close()
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b'"tool_calls"' in answer
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (0, "", "")
