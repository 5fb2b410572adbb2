"""A server of this machine that speaks as much of the Hugging Face Hub's HTTP API as an upload takes."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_of_this_test_alone"


class FakeHub:
    """`repositories` {(type, id): {"visibility", "files": {path: bytes}}}; large files go through git LFS, as there."""

    def __init__(self):
        self.repositories: dict[tuple[str, str], dict] = {}
        self._large: dict[str, bytes] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self._answered(hub.whoami() if self.path == "/api/whoami-v2" else None)

            def do_POST(self):
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    self._answered({"error": "Invalid token"}, 401)
                    return
                body = self._body()
                if self.path == "/api/repos/create":
                    self._answered(hub.create(json.loads(body)))
                elif self.path == "/api/validate-yaml":
                    self._answered(hub.validated(json.loads(body)["content"]))
                elif "/preupload/" in self.path:
                    self._answered(hub.preupload(json.loads(body)))
                elif self.path.endswith("/info/lfs/objects/batch"):
                    self._answered(hub.batch(json.loads(body)))
                else:
                    self._answered(hub.commit(self.path, [json.loads(line) for line in body.splitlines()]))

            def do_PUT(self):
                content = self._body()
                hub._large[hashlib.sha256(content).hexdigest()] = content
                self._answered({})

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers["Content-Length"]))

            def _answered(self, answer: dict | None, status: int = 200) -> None:
                content = json.dumps(answer if answer is not None else {"error": "not found"}).encode()
                self.send_response(404 if answer is None else status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def whoami(self) -> dict:
        return {"type": "user", "name": "me"}

    def create(self, wanted: dict) -> dict:
        kind, name = wanted.get("type") or "model", wanted["name"]
        owner = wanted.get("organization") or "me"
        full = name if "/" in name else f"{owner}/{name}"
        self.repositories.setdefault((kind, full), {"visibility": wanted["visibility"], "files": {}})
        return {"url": f"{self.url}/{'datasets/' if kind == 'dataset' else ''}{full}"}

    def validated(self, card: str) -> dict:
        header = yaml.safe_load(card.split("---")[1])
        return {"errors": [] if "license" in header else [{"message": "no license"}], "warnings": []}

    def preupload(self, wanted: dict) -> dict:
        return {"files": [
            {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
             "shouldIgnore": False} for file in wanted["files"]
        ]}  # fmt: skip

    def batch(self, wanted: dict) -> dict:
        return {"transfer": "basic", "objects": [
            {**item, "actions": {"upload": {"href": f"{self.url}/large/{item['oid']}"}}} for item in wanted["objects"]
        ]}  # fmt: skip

    def commit(self, path: str, lines: list[dict]) -> dict:
        _, _, kinds, owner, name, *_ = path.split("/")
        files = self.repositories[kinds.removesuffix("s"), f"{owner}/{name}"]["files"]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self._large[value["oid"]]
        return {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/{owner}/{name}/commit/{'0' * 40}"}
