"""The page that `make up` shows: it has answered by then."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.commands import UserError
from operations.access import page


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """A page that answers with one status after the other, then with the last; a reset for 0."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = left.pop(0) if len(left) > 1 else left[0]
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/productpage"
        server.shutdown()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "POLL_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("statuses", "found"), [((200,), 200), ((0, 0, 200), 200), ((503, 404, 200), 200), ((401,), 401)]
)
def test_a_page_is_waited_for_until_it_answers(statuses: tuple[int, ...], found: int) -> None:
    with answering(*statuses) as url:
        assert page.await_answer(url) == found


def test_a_page_that_goes_on_failing_is_told_with_its_status() -> None:
    with answering(503) as url:
        assert page.await_answer(url, settled=0.1) == 503


def test_a_page_that_nothing_answers_for_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UserError, match=rf"http://127\.0\.0\.1:{port}/ does not answer: .*refused.* `make shell"):
        page.await_answer(f"http://127.0.0.1:{port}/", seconds=0.1)


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(200) as url:
        assert page.await_answer(url) == 200
