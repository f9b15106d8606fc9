"""The tour: its texts in every language, its way there and back, and what makes a step fail."""

import json
import string
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from components.commands import UserError
from components.kube import Kube
from components.workloads.bookinfo import WORKLOADS
from operations.tour import walk as walking
from operations.tour import world
from operations.tour.steps import STEPS, answers, containers, said
from operations.tour.texts import Texts, default_language, languages
from operations.tour.walk import refuse, refuse_changed, run, walk
from operations.tour.world import NotHereError, World
from tests.unit.fake_api import FakeApi
from tests.unit.fake_tools import Tool

SETTINGS = {
    "namespace": "shop",
    "protect": "false",
    "scenario": "",
    "traffic": "{}",
    "security": "{}",
    "observability": "{}",
    "bookinfo": "true",
    "dataPlane": "sidecar",
}


# Texts


def shape(tree: Any) -> Any:
    """The keys of texts, and of each text its places."""
    if isinstance(tree, Mapping):
        return {key: shape(value) for key, value in tree.items()}
    return {place for _, place, _, _ in string.Formatter().parse(tree) if place}


def test_every_language_says_the_same_things_in_the_same_places() -> None:
    assert languages() == ["en", "ja"]
    english, japanese = (Texts(language) for language in languages())
    assert shape(japanese.steps) == shape(english.steps)
    assert shape(japanese._phrases) == shape(english._phrases)
    assert list(english.steps) == list(japanese.steps) == list(STEPS)


def test_texts_fit_a_terminal_of_120_columns() -> None:
    def columns(line: str) -> int:
        return sum(2 if ord(letter) > 0x2E80 else 1 for letter in line)

    for language in languages():
        for texts in Texts(language).steps.values():
            assert [line for text in texts.values() for line in text.splitlines() if columns(line) > 120] == []


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "ja"}, "ja"),
        ({"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "ja_JP.UTF-8", "LANG": "C"}, "ja"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_persons_locale(environment: dict[str, str], language: str) -> None:
    assert default_language(environment) == language


# The way there and back


class Page:
    """A page whose stars, by the number of the request, a test decides; None is an error."""

    def __init__(self) -> None:
        self.stars: Callable[[int], str | None] = lambda _: ""
        self.requests = 0
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.requests += 1
                stars = page.stars(page.requests)
                self.send_response(500 if stars is None else 200)
                self.end_headers()
                shown = f'<i class="text-{stars}-500">' if stars else ""
                self.wfile.write(f"<title>Simple Bookstore App</title>{shown}".encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/productpage"


@pytest.fixture
def page() -> Iterator[Page]:
    served = Page()
    yield served
    served.server.shutdown()
    served.server.server_close()


class Toured:
    """A stack that nothing is behind, what was said on the way, and which keys it was brought up with."""

    def __init__(self, api: FakeApi, folder: Path, page: str) -> None:
        self.said: list[str] = []
        self.ups: list[dict[str, str]] = []
        self.kubectl = Tool.install(folder / "bin", "kubectl")
        self.world = World(
            stack="dev",
            settings=dict(SETTINGS),
            kube=Kube(api.kubeconfig, "there"),
            environment={"PATH": str(folder / "bin")},
            page=page,
            up=lambda keys: self.ups.append(dict(keys)),
            texts=Texts("en"),
            say=self.said.append,
        )

    def set(self, **settings: str) -> None:
        self.world.settings = {**self.world.settings, **settings}


@pytest.fixture
def toured(api: FakeApi, tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch) -> Toured:
    monkeypatch.setattr(world, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(world, "PATIENCE_SECONDS", 0.5)
    return Toured(api, tmp_path, page.url)


def switching(world: World) -> None:
    world.switch("scenario", "all-v1")


def raising(error: BaseException) -> Callable[[World], None]:
    def step(_: World) -> None:
        raise error

    return step


def test_a_step_is_told_by_number_title_text_and_what_is_seen(toured: Toured) -> None:
    walk(toured.world, pytest.fail, {"cluster": lambda world: world.say("the nodes")})
    text = toured.world.texts.steps["cluster"]
    title = "[1/1] The cluster"
    assert toured.said == [f"\n{title}\n{'-' * len(title)}", text["text"], "the nodes", text["seen"]]


def test_the_person_is_asked_between_steps_and_may_end_the_tour(toured: Toured) -> None:
    asked: list[str] = []
    taken: list[str] = []
    three = {name: lambda _, name=name: taken.append(name) for name in ("why", "cluster", "istio")}
    walk(toured.world, lambda prompt: not asked.append(prompt) and len(asked) < 2, three)  # type: ignore[func-returns-value]
    assert taken == ["why", "cluster"]
    assert asked == ["Enter: next step; q: end the tour > "] * 2
    assert toured.ups == []


def test_what_was_switched_on_is_switched_off_in_the_end(toured: Toured) -> None:
    walk(toured.world, lambda _: True, {"traffic": switching, "end": lambda _: None})
    assert toured.ups == [{"scenario": "all-v1"}, {}]
    assert toured.said[-2:] == [
        "The stack is brought back to what it was before the tour.",
        "The stack is as it was before the tour.",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("not so")])
def test_also_after_ctrl_c_and_after_a_step_that_failed(toured: Toured, error: BaseException) -> None:
    with pytest.raises(type(error)):
        walk(toured.world, lambda _: True, {"traffic": switching, "security": raising(error)})
    assert toured.ups == [{"scenario": "all-v1"}, {}]


def test_ctrl_c_while_something_is_switched_on_brings_the_stack_back_too(toured: Toured) -> None:
    def up(keys: Mapping[str, str]) -> None:
        toured.ups.append(dict(keys))
        if keys:
            raise KeyboardInterrupt

    toured.world.up = up
    with pytest.raises(KeyboardInterrupt):
        walk(toured.world, lambda _: True, {"traffic": switching})
    assert toured.ups == [{"scenario": "all-v1"}, {}]


def test_where_the_stack_cannot_be_brought_back_it_is_said_what_does(toured: Toured) -> None:
    def up(keys: Mapping[str, str]) -> None:
        if not keys:
            raise KeyboardInterrupt

    toured.world.up = up
    with pytest.raises(KeyboardInterrupt):
        walk(toured.world, lambda _: True, {"traffic": switching})
    assert toured.said[-1] == "The stack is not as it was: `make up` brings it back."


def test_a_step_that_this_stack_cannot_show_is_skipped_with_the_reason(toured: Toured) -> None:
    walk(toured.world, pytest.fail, {"traffic": raising(NotHereError("it rains"))})
    assert toured.said[-1] == "This step is skipped: it rains."


@pytest.mark.parametrize(("answer", "goes_on"), [("", True), ("\n", True), ("q", False), ("Quit", False)])
def test_an_answer_of_q_ends_the_tour(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert walking._asked("?") is goes_on


def test_so_does_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", Mock(side_effect=EOFError))
    assert not walking._asked("?")


# What a step does


def test_a_line_of_configuration_is_shown_and_added_to_the_stacks_own(toured: Toured) -> None:
    toured.set(security='{"tls": {"selfSigned": true}}')
    toured.world.switch("security", {"mtls": {"mode": "STRICT"}})
    (keys,) = toured.ups
    assert json.loads(keys["security"]) == {"tls": {"selfSigned": True}, "mtls": {"mode": "STRICT"}}
    assert "    istio-minikube:security: {mtls: {mode: STRICT}}\n" in toured.said
    assert any(line.startswith("$ python -m operations up --stack dev --config 'security={") for line in toured.said)


def test_a_command_is_shown_with_what_it_prints(toured: Toured) -> None:
    toured.kubectl.answer("get", "embedded   Ready")
    STEPS["cluster"](toured.world)
    assert toured.said == ["$ kubectl get nodes", "embedded   Ready\n"]


def test_a_command_that_fails_ends_the_tour_with_its_words(toured: Toured) -> None:
    toured.kubectl.binary.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 1\n")
    with pytest.raises(UserError, match="`kubectl get nodes` fails: no such thing"):
        STEPS["cluster"](toured.world)


def listed(ready: str = "2/2") -> str:
    return "\n".join(f"{workload.name}-5d4f-x7   {ready}   Running" for workload in WORKLOADS)


def test_every_pod_of_bookinfo_must_have_its_two_containers(toured: Toured) -> None:
    toured.kubectl.answer("get", listed())
    STEPS["pods"](toured.world)
    toured.kubectl.answer("get", listed("1/1"))
    with pytest.raises(UserError, match=r"the tour expected a pod of details-v1 that is 2/2, which is not so"):
        STEPS["pods"](toured.world)


@pytest.mark.parametrize("label", ["istio-injection=enabled", "istio.io/rev=1-31"])
def test_the_namespace_must_have_its_label(toured: Toured, label: str) -> None:
    toured.kubectl.answer("get", f"shop Active 1d {label}")
    STEPS["namespace"](toured.world)
    toured.kubectl.answer("get", "shop Active 1d a=b")
    with pytest.raises(UserError, match="a label of injection on shop"):
        STEPS["namespace"](toured.world)


DESCRIPTION = """Name:             details-v1-5d4f-x7
Namespace:        shop
Labels:           app=details
Init Containers:
  istio-proxy:
    Image:         docker.io/istio/proxyv2:1.31.0
    Ports:         15090/TCP
      extra:
Containers:
  details:
    Container ID:  containerd://1
    Image:         docker.io/istio/examples-bookinfo-details-v1:1.20.1
    Image ID:      sha256
Conditions:
  Ready:
Volumes:
  workload-socket:
    Image:         none
"""


def test_of_a_pods_description_its_name_and_containers_are_kept(toured: Toured, api: FakeApi) -> None:
    kept = """Name:             details-v1-5d4f-x7
Namespace:        shop
Init Containers:
  istio-proxy:
    Image:         docker.io/istio/proxyv2:1.31.0
Containers:
  details:
    Image:         docker.io/istio/examples-bookinfo-details-v1:1.20.1"""
    assert containers(DESCRIPTION) == kept
    api.answer("/api/v1/namespaces/shop/pods?labelSelector=app%3Ddetails", {"items": [{"metadata": {"name": "d"}}]})
    toured.kubectl.answer("describe", DESCRIPTION)
    STEPS["envoy"](toured.world)
    assert toured.said == ["$ kubectl describe pod d --namespace shop", f"{kept}\n"]
    toured.kubectl.answer("describe", DESCRIPTION.replace("istio-proxy", "other"))
    with pytest.raises(UserError, match="a container istio-proxy in pod d"):
        STEPS["envoy"](toured.world)


def test_answers_are_counted_by_their_stars(toured: Toured, page: Page) -> None:
    page.stars = lambda number: ["", "black", "red", None][number % 4]
    assert answers(toured.world, 8) == {"sent": 8, "ok": 6, "none": 2, "black": 2, "red": 2}


def test_a_canary_is_told_by_what_the_page_shows(toured: Toured, page: Page) -> None:
    page.stars = lambda number: "black" if number % 10 == 0 else ""
    STEPS["traffic"](toured.world)
    assert toured.ups == [{"scenario": "reviews-90-10"}]
    told = "200 requests to {}: 200 answered with HTTP 200; stars of reviews: none (v1) 180, black (v2) 20, red (v3) 0"
    assert f"{told.format(page.url)}\n" in toured.said


@pytest.mark.parametrize(
    ("stars", "told"),
    [
        (lambda number: "red" if number > 20 and number % 9 == 0 else "black", "200 answers without red stars"),
        (lambda _: "", "black stars in about a tenth of 200 answers"),
        (lambda _: "black", "black stars in about a tenth of 200 answers"),
        (lambda _: "red", "reviews v3 to get no more requests"),
    ],
)
def test_a_canary_that_is_none_fails(toured: Toured, page: Page, stars: Callable[[int], str | None], told: str) -> None:
    page.stars = stars
    with pytest.raises(UserError, match=told):
        STEPS["traffic"](toured.world)


PLAIN = "/api/v1/namespaces/shop/services/productpage:9080/proxy/productpage"


def test_plain_text_must_be_answered_before_strict_and_refused_after_it(toured: Toured, api: FakeApi) -> None:
    def up(keys: Mapping[str, str]) -> None:
        toured.ups.append(dict(keys))
        api.answer(PLAIN, {"kind": "Status", "message": "read: connection reset by peer"}, status=503)

    api.answer(PLAIN, "<title>Simple Bookstore App</title>")
    toured.world.up = up
    STEPS["security"](toured.world)
    assert toured.ups == [{"security": '{"mtls": {"mode": "STRICT"}}'}]
    assert "HTTP 200: Simple Bookstore App\n" in toured.said
    assert "HTTP 503: read: connection reset by peer\n" in toured.said


def test_plain_text_that_is_still_answered_fails(toured: Toured, api: FakeApi) -> None:
    api.answer(PLAIN, "<title>Simple Bookstore App</title>")
    with pytest.raises(UserError, match="the tour expected plain text to be refused, and waited"):
        STEPS["security"](toured.world)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html><title> Simple Bookstore App </title></html>", "Simple Bookstore App"),
        (
            '{"kind": "Status", "message": "read 10.0.0.1:1-\\u003e10.0.0.2:2, \\"reset\\""}',
            'read 10.0.0.1:1->10.0.0.2:2, "reset"',
        ),
        ("upstream connect error\n", "upstream connect error"),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_an_answer_is_told_in_a_few_words_that_a_person_can_read(body: str, words: str) -> None:
    assert said(body) == words


LOG = "/api/v1/namespaces/shop/pods/p/log?container=istio-proxy&tailLines=100"


@pytest.fixture
def logged(toured: Toured, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Toured:
    monkeypatch.setattr(uuid, "uuid4", lambda: Mock(hex="0123456789"))
    api.answer("/api/v1/namespaces/shop/pods?labelSelector=app%3Dproductpage", {"items": [{"metadata": {"name": "p"}}]})
    return toured


def test_a_request_is_found_in_the_proxys_log(logged: Toured, api: FakeApi) -> None:
    line = '"GET /productpage?tour=01234567 HTTP/1.1" 200'
    api.answer(LOG, line)
    logged.kubectl.answer("logs", f"another\n{line}")
    STEPS["observability"](logged.world)
    assert logged.ups == [{"observability": '{"accessLogs": true}'}]
    assert logged.said[-1] == f"{line}\n"


def test_a_request_that_no_proxy_tells_of_fails(logged: Toured, api: FakeApi) -> None:
    api.answer(LOG, "another")
    with pytest.raises(UserError, match="a line of the proxy's log for this request"):
        STEPS["observability"](logged.world)


@pytest.mark.parametrize(
    ("step", "settings", "reason"),
    [
        ("traffic", {"scenario": "all-v1"}, "the stack's own configuration has istio-minikube:scenario already"),
        (
            "traffic",
            {"traffic": '{"reviews": {}}'},
            "the stack's own configuration has istio-minikube:scenario already",
        ),
        ("security", {"security": '{"mtls": {}}'}, "the stack's own configuration has istio-minikube:security already"),
        (
            "observability",
            {"observability": '{"accessLogs": true}'},
            "the stack's own configuration has istio-minikube:observability already",
        ),
        *(
            (step, {"protect": "true"}, "the stack has protect: true")
            for step in ("traffic", "security", "observability")
        ),
    ],
)
def test_nothing_is_switched_on_that_is_on_or_where_others_use_the_cluster(
    toured: Toured, step: str, settings: dict[str, str], reason: str
) -> None:
    toured.set(**settings)
    with pytest.raises(NotHereError, match=reason):
        STEPS[step](toured.world)
    assert toured.ups == []


@pytest.mark.parametrize("step", ["page", "traffic", "security", "observability"])
def test_where_pods_are_simulated_no_request_is_sent(toured: Toured, step: str) -> None:
    toured.world.page = ""
    with pytest.raises(NotHereError, match="pods are simulated"):
        STEPS[step](toured.world)


@pytest.mark.parametrize("step", ["page", "traffic", "security", "observability"])
def test_where_a_token_is_asked_for_no_request_is_sent(toured: Toured, step: str) -> None:
    toured.set(security='{"jwt": {"issuer": "me"}}')
    with pytest.raises(NotHereError, match="the stack asks for a token"):
        STEPS[step](toured.world)


# Stacks that it refuses


def test_without_a_terminal_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(UserError, match="TOUR=all goes through by itself"):
        run("dev", {}, "en", everything=False)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"bookinfo": "false"}, "stack dev has bookinfo: false; the tour walks through Bookinfo: true"),
        ({"dataPlane": "ambient"}, "stack dev has dataPlane: ambient; the tour shows sidecars: sidecar"),
    ],
)
def test_a_stack_without_bookinfo_or_sidecars_is_refused(changed: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        refuse("dev", {**SETTINGS, **changed})
    refuse("dev", SETTINGS)


def test_a_stack_that_up_would_change_is_refused() -> None:
    cli = Mock(stack="dev", run=Mock(side_effect=UserError("exits with 255")))
    with pytest.raises(UserError, match="stack dev is not as it is configured: `make preview` shows what differs"):
        refuse_changed(cli, {"scenario": "all-v1"})
    cli.select.assert_called_once_with({"scenario": "all-v1"})
