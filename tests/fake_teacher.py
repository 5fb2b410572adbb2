"""A teacher on 127.0.0.1 that speaks Gemini's and OpenAI's protocols, and misbehaves as it is told to.

Its answers depend on the prompt alone. Faults come in an order that is drawn from a seed. It counts, for each prompt,
the requests and the complete 200 answers that it sent.

    python tests/fake_teacher.py data/catalog.json 0.2      serve with 0.2 seconds of latency, print the port
"""

import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from toolgen import catalog  # noqa: E402

FAULTS = ("429", "429 after", "429 date", "500", "503", "reset", "cut", "garbage", "html")
WORDS = ("amber birch cedar delta ember fjord grove hazel inlet jetty knoll lunar maple north ocean pearl quill ridge "
         "stone thorn umber vapor wheat xenon yacht zebra").split()  # fmt: skip


class FakeTeacher(ThreadingHTTPServer):
    """`faults` is the share of requests that meet one; `answer` makes the text for a prompt."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tools: catalog.Catalog, latency: float = 0.0, faults: float = 0.0, seed: int = 0, answer=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tools, self.latency, self.faults = tools, latency, faults
        self.answer = answer or self.well_written
        self.rng, self.lock = random.Random(seed), threading.Lock()
        self.requests, self.answered, self.met = Counter(), Counter(), Counter()
        self.count = 0
        self.heads: list[dict] = []  # the headers of the last requests
        self.script: list[str] = []  # faults to come, before any that are drawn
        self.on_request = lambda count: None  # called with the number of requests so far
        self.most_at_once = self.at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "FakeTeacher":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or was killed, is part of the game."""

    def next_fault(self) -> str | None:
        with self.lock:
            if self.script:
                return self.script.pop(0)
            return self.rng.choice(FAULTS) if self.rng.random() < self.faults else None

    def well_written(self, prompt: str) -> str:
        """What a diligent model would write for one of data/prompts: all that is asked for, in words without sense."""
        if "# The items" in prompt:
            numbers = re.findall(r'^\{"number": (\d+)', prompt.partition("# The items")[2], re.MULTILINE)
            verdicts = [{"number": int(n), "fits": int(n) % 3 > 0, "why": "because"} for n in numbers]
            return json.dumps({"verdicts": verdicts})
        rng = random.Random(prompt)
        lines = re.findall(r"^\d+\. (.+)$", prompt.partition("# Your task")[2], re.MULTILINE)
        return json.dumps({"queries": [self.item(line, rng) for line in lines]})

    def item(self, line: str, rng: random.Random) -> dict:
        answers = []
        for part in line.split(", and "):
            verb, _, rest = part.partition(" ")
            name, _, place = rest.partition(" at: ")
            item = self.tools.property_names.get(name)
            tool = item and self.tools.by_name.get(f"{name}&&{ {'read': 'get', 'write': 'set'}.get(verb) }")
            if tool:
                for area_id in item.places[place] if place else (item.areas[0].id,):
                    written = {"value": some_value(item.value_schema(item.area(area_id)))} if tool.writes else {}
                    arguments = {"propertyName": name, "areaId": area_id, **written}
                    answers.append({"name": tool.function, "arguments": arguments})
            elif verb == "call" and name in self.tools.by_name:
                answers.append({"name": name, "arguments": {}})
        return {"query": " ".join(rng.choices(WORDS, k=9)), "answers": answers}


def some_value(schema: dict) -> object:
    if "enum" in schema:
        return schema["enum"][-1]
    value = {"boolean": True, "string": "x", "array": []}.get(schema["type"])
    return schema.get("maximum", 1) if value is None else value


class Handler(BaseHTTPRequestHandler):
    server: FakeTeacher
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        gemini = "contents" in body
        prompt = body["contents"][0]["parts"][0]["text"] if gemini else body["messages"][0]["content"]
        server, sha = self.server, hashlib.sha1(prompt.encode()).hexdigest()
        with server.lock:
            server.requests[sha] += 1
            server.heads = [*server.heads[-99:], dict(self.headers)]
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            server.count += 1
            count = server.count
        server.on_request(count)
        time.sleep(server.latency)
        with server.lock:
            server.at_once -= 1
        fault = server.next_fault()
        if fault:
            with server.lock:
                server.met[fault] += 1
            self.misbehave(fault)
            return
        text = server.answer(prompt)
        self.send(200, in_gemini(text, prompt) if gemini else in_openai(text, prompt))
        with server.lock:
            server.answered[sha] += 1

    def misbehave(self, fault: str) -> None:
        status = fault.partition(" ")[0]
        if status.isdigit():
            after = {"after": "0.05", "date": formatdate(time.time(), usegmt=True), "long": "0.5", "day": "86400"}
            wait = after.get(fault.partition(" ")[2])
            key = self.headers.get("x-goog-api-key") or self.headers.get("authorization")
            error = {"error": {"code": int(status), "message": f"fault {status} for {key}", "status": "FAULT"}}
            self.send(int(status), error, {"Retry-After": wait} if wait else {})
        elif fault == "garbage":
            self.send(200, "\x00{]not json at all")
        elif fault == "html":
            self.send(200, "<html>welcome to the proxy</html>", {"Content-Type": "text/html"})
        elif fault == "silence":
            time.sleep(3)
        elif fault == "cut":
            self.send(200, '{"candidates": [{"content"', {"Content-Length": "100000"})
            self.close_connection = True
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        else:
            raise AssertionError(fault)

    def send(self, status: int, body: dict | str, headers: dict[str, str] | None = None) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogatepass")
        every = {"Content-Type": "application/json", "Content-Length": str(len(data))} | (headers or {})
        self.send_response(status)
        for name, value in every.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def in_gemini(text: str, prompt: str) -> dict:
    counts = {"promptTokenCount": len(prompt) // 4, "candidatesTokenCount": len(text) // 4}
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": counts | {"totalTokenCount": sum(counts.values())},
    }


def in_openai(text: str, prompt: str) -> dict:
    counts = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "fake", "choices": [choice],
        "usage": counts | {"total_tokens": sum(counts.values())},
    }  # fmt: skip


if __name__ == "__main__":
    with FakeTeacher(catalog.load(sys.argv[1]), float(sys.argv[2])) as teacher:
        print(teacher.server_address[1], flush=True)
        sys.stdin.read()
