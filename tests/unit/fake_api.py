"""A fake API server on 127.0.0.1, and a kubeconfig that leads to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.unit.fake_forward import forward


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: Message
    body: Any


@dataclass
class FakeApi:
    """What is answered by method and path, last answer first; anything else is not found. And what was asked for."""

    port: int
    kubeconfig: Path
    answers: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    ports: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What answers behind a forwarded port, by its path; who forwards another is refused."""
    forwarded: list[bytes] = field(default_factory=list)

    def answer(self, path: str, content: Any, status: int = 200, method: str = "GET") -> None:
        self.answers[method, path] = status, content if isinstance(content, str) else json.dumps(content)

    def accepted(self, path: str) -> str:
        return next(request.headers["Accept"] for request in self.requests if request.path == path)

    @property
    def where(self) -> str:
        return f"the API server http://127.0.0.1:{self.port} of context there in {self.kubeconfig}"


@contextmanager
def serving(folder: Path) -> Iterator[FakeApi]:
    """A server, and a kubeconfig with the contexts ``there``, and ``gone``, where nothing answers; none is current."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            content = json.loads(body) if body else None
            api.requests.append(Request(method=self.command, path=self.path, headers=self.headers, body=content))
            if self.path in api.ports and self.headers["Authorization"] == "Bearer secret":
                forward(self, int(self.path.rpartition("=")[2]), *api.ports[self.path], api.forwarded)
                return
            status, answer = api.answers.get((self.command, self.path), (404, '{"message": "not found"}'))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode(errors="surrogateescape"))

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 the server's names

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        api = FakeApi(http.server_port, folder / "kubeconfig")
        ports = {"there": http.server_port, "gone": 1}
        document = {
            "clusters": [{"name": c, "cluster": {"server": f"http://127.0.0.1:{port}"}} for c, port in ports.items()],
            "users": [{"name": "me", "user": {"token": "secret"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in ports],
            "current-context": "",
        }
        api.kubeconfig.write_text(yaml.safe_dump(document))
        threading.Thread(target=http.serve_forever, args=(0.01,)).start()
        try:
            yield api
        finally:
            http.shutdown()
