"""The stand-ins of Bookinfo's four programs, each on a port of the host's loopback, answer what upstream's answer."""

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from embedded.node.parts import Parts
from tests.embedded.kube import eventually
from tests.embedded.node.ports import held_port

PATIENCE = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


@contextmanager
def started(binary: Path, service: str, **variables: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A program, and its port, on which it answers; killed in the end where it still runs."""
    with (
        held_port() as port,
        subprocess.Popen([binary, service, str(port)], env=variables, stdout=subprocess.DEVNULL) as running,
    ):

        def healthy() -> bool:
            try:
                return ask(port, "/health").status == 200
            except OSError:
                return False

        try:
            eventually(healthy, PATIENCE)
            yield port, running
        finally:
            running.kill()


@contextmanager
def serving(binary: Path, service: str, **variables: str) -> Iterator[int]:
    with started(binary, service, **{"FAREWELL": "0s", **variables}) as (port, running):
        yield port
        running.terminate()
        assert running.wait(PATIENCE) == 0


class Recorder:
    """A service in the place of another, which remembers the headers it got and answers as it is told."""

    def __init__(self) -> None:
        self.status, self.content, self.headers = 200, {}, list[dict[str, str]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps(outer.content).encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    status: int
    content: object
    headers: list[dict[str, str]]

    @property
    def port(self) -> str:
        return str(self.server.server_port)


@pytest.fixture
def binary(parts: Parts) -> Path:
    return parts.node / "bookinfo"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    stand_in = Recorder()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


def reviews_variables(ratings: str, color: str = "") -> dict[str, str]:
    stars = {"ENABLE_RATINGS": "true", "STAR_COLOR": color} if color else {}
    return {"RATINGS_HOSTNAME": "127.0.0.1", "RATINGS_SERVICE_PORT": ratings, "HOSTNAME": "pod-1", **stars}


@pytest.fixture
def page(binary: Path) -> Iterator[int]:
    """The page of a whole Bookinfo with reviews v3."""
    with ExitStack() as stack:
        ratings = stack.enter_context(serving(binary, "ratings"))
        reviews = stack.enter_context(serving(binary, "reviews", **reviews_variables(str(ratings), "red")))
        details = stack.enter_context(serving(binary, "details"))
        places = {"REVIEWS": reviews, "DETAILS": details, "RATINGS": ratings}
        variables = {f"{name}_SERVICE_PORT": str(port) for name, port in places.items()}
        hosts = {f"{name}_HOSTNAME": "127.0.0.1" for name in places}
        yield stack.enter_context(serving(binary, "productpage", **variables, **hosts))


def test_details_tells_the_book(binary: Path) -> None:
    with serving(binary, "details") as port:
        assert ask(port, "/details/0").json == {
            "id": 0,
            "author": "William Shakespeare",
            "year": 1595,
            "type": "paperback",
            "pages": 200,
            "publisher": "PublisherA",
            "language": "English",
            "ISBN-10": "1234567890",
            "ISBN-13": "123-1234567890",
        }
        assert ask(port, "/details/x").status == 400
        assert ask(port, "/health").json == {"status": "Details is healthy"}


def test_ratings_are_given_and_remembered(binary: Path) -> None:
    with serving(binary, "ratings") as port:
        assert ask(port, "/ratings/0").json == {"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
        assert ask(port, "/ratings/1", "POST", '{"Reviewer1": 1}').json == {"id": 1, "ratings": {"Reviewer1": 1}}
        assert ask(port, "/ratings/1").json["ratings"] == {"Reviewer1": 1}
        assert ask(port, "/ratings/x").status == 400
        assert ask(port, "/ratings/1", "POST", "no JSON").json == {"error": "please provide valid ratings JSON"}


def test_who_is_told_to_end_answers_for_a_little_longer(binary: Path) -> None:
    with started(binary, "details", FAREWELL="1h") as (port, running):
        running.terminate()
        assert [ask(port, "/details/0").status for _ in range(20)] == [200] * 20


def test_reviews_without_ratings_have_no_stars(binary: Path) -> None:
    with serving(binary, "reviews", **reviews_variables("9")) as port:
        answer = ask(port, "/reviews/0").json
    assert (answer["id"], answer["podname"], answer["clustername"]) == ("0", "pod-1", "null")
    assert [each["reviewer"] for each in answer["reviews"]] == ["Reviewer1", "Reviewer2"]
    assert not [each for each in answer["reviews"] if "rating" in each]


@pytest.mark.parametrize("color", ["black", "red"])
def test_reviews_have_stars_of_their_versions_colour(binary: Path, recorder: Recorder, color: str) -> None:
    recorder.content = {"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
    with serving(binary, "reviews", **reviews_variables(recorder.port, color)) as port:
        answer = ask(port, "/reviews/0").json
    assert [each["rating"] for each in answer["reviews"]] == [
        {"stars": 5, "color": color},
        {"stars": 4, "color": color},
    ]


def test_reviews_say_so_where_ratings_fail(binary: Path, recorder: Recorder) -> None:
    recorder.status = 555
    with serving(binary, "reviews", **reviews_variables(recorder.port, "black")) as port:
        answer = ask(port, "/reviews/0").json
    assert [each["rating"] for each in answer["reviews"]] == [{"error": "Ratings service is currently unavailable"}] * 2


HANDED_ON = {
    "end-user": "jason",
    "x-request-id": "1",
    "x-b3-traceid": "2",
    "x-b3-sampled": "1",
    "traceparent": "00-3-4-01",
    "user-agent": "someone",
    "authorization": "Bearer token",
    "cookie": "a=b",
}


def test_reviews_hand_on_user_and_trace_and_nothing_else(binary: Path, recorder: Recorder) -> None:
    with serving(binary, "reviews", **reviews_variables(recorder.port, "black")) as port:
        ask(port, "/reviews/0", **HANDED_ON, x_other="1")
    (headers,) = recorder.headers
    assert {name: headers.get(name) for name in HANDED_ON} == HANDED_ON
    assert "x-other" not in headers


def test_the_page_has_its_title_the_book_and_stars(page: int) -> None:
    answer = ask(page, "/productpage?u=normal")
    assert answer.status == 200
    assert "<title>Simple Bookstore App</title>" in answer.body
    assert "The Comedy of Errors" in answer.body
    assert "PublisherA" in answer.body
    assert answer.body.count("glyphicon-star") == 5 + 4
    assert answer.body.count("text-red-500") == 2
    assert "Reviews served by: pod-1" in answer.body
    assert ask(page, "/static/tailwind/tailwind.css").status == 200


def test_the_pages_parts_are_had_as_json(page: int) -> None:
    (book,) = ask(page, "/api/v1/products").json
    assert book["title"] == "The Comedy of Errors"
    assert ask(page, "/api/v1/products/0").json["author"] == "William Shakespeare"
    assert ask(page, "/api/v1/products/0/reviews").json["reviews"][0]["rating"]["stars"] == 5
    assert ask(page, "/api/v1/products/0/ratings").json["ratings"] == {"Reviewer1": 5, "Reviewer2": 4}
    assert 'destination_app="reviews",response_code="200"' in ask(page, "/metrics").body


def test_who_logs_in_is_named_on_the_page_until_logging_out(page: int) -> None:
    form = urlencode({"username": "jason", "passwd": ""})
    came = ask(page, "/login", "POST", form, Content_Type="application/x-www-form-urlencoded", Referer="/productpage")
    assert (came.status, came.headers["Location"]) == (302, "/productpage")
    cookie = came.headers["Set-Cookie"].partition(";")[0]
    assert "jason" in ask(page, "/productpage", Cookie=cookie).body
    forged = re.sub(r"=[^.]*\.", "=YW5u.", cookie)
    assert "ann" not in re.findall(r'class="user">(\w+)', ask(page, "/productpage", Cookie=forged).body)
    gone = ask(page, "/logout", Cookie=cookie, Referer="/productpage")
    assert gone.headers["Set-Cookie"].startswith("session=;")


def test_the_page_hands_on_who_has_logged_in_and_not_who_a_header_names(binary: Path, recorder: Recorder) -> None:
    places = {
        f"{name}_{what}": value
        for name in ("REVIEWS", "DETAILS")
        for what, value in (("HOSTNAME", "127.0.0.1"), ("SERVICE_PORT", recorder.port))
    }
    with serving(binary, "productpage", **places) as port:
        form = urlencode({"username": "jason"})
        came = ask(port, "/login", "POST", form, Content_Type="application/x-www-form-urlencoded")
        cookie = came.headers["Set-Cookie"].partition(";")[0]
        ask(port, "/api/v1/products/0", **{**HANDED_ON, "end-user": "ann"})
        ask(port, "/api/v1/products/0", Cookie=cookie)
    assert "end-user" not in recorder.headers[0]
    assert recorder.headers[0]["x-request-id"] == "1"
    assert recorder.headers[1]["end-user"] == "jason"


def test_a_page_whose_reviews_fail_asks_twice_and_says_so(binary: Path, recorder: Recorder) -> None:
    recorder.status = 503
    places = {
        f"{name}_{what}": value
        for name in ("REVIEWS", "DETAILS")
        for what, value in (("HOSTNAME", "127.0.0.1"), ("SERVICE_PORT", recorder.port))
    }
    with serving(binary, "productpage", **places) as port:
        answer = ask(port, "/productpage")
    assert answer.status == 200
    assert "Error fetching product reviews" in answer.body
    assert "Sorry, product reviews are currently unavailable for this book." in answer.body
    assert "Error fetching product details" in answer.body
    assert len(recorder.headers) == 1 + 2


def test_the_client_tells_status_time_and_body(binary: Path, recorder: Recorder) -> None:
    recorder.content, recorder.status = {"a": "<b>"}, 418
    url = f"http://127.0.0.1:{recorder.port}/"
    got = subprocess.run([binary, "get", "-n=2", "-H=end-user=jason", url], capture_output=True, text=True, check=True)
    first, second = map(json.loads, got.stdout.splitlines())
    assert (first["status"], first["body"]) == (418, '{"a": "<b>"}')
    assert first["seconds"] < PATIENCE
    assert second["status"] == 418
    assert recorder.headers[0]["end-user"] == "jason"
    with held_port() as port:
        url = f"http://127.0.0.1:{port}/"
        refused = subprocess.run([binary, "get", url], capture_output=True, text=True, check=True)
    assert json.loads(refused.stdout)["status"] == 0
    assert "refused" in json.loads(refused.stdout)["error"]
