"""``make open``: the address or the browser, by what there is; and what leads to the page until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from embedded import toolchain
from operations.access import browser, forward, page, shell
from operations.access.browser import forwarded, has_browser, reached
from tests.unit.fake_api import FakeApi
from tests.unit.test_forward import LISTENS, pod

PROJECT = Path(__file__).parents[2]
OUTPUTS = {"productPage": "http://localhost:8080/productpage"}
SERVICE = "/api/v1/namespaces/shop/services/bookinfo-gateway-istio"
SPEC = {"selector": {"gateway": "bookinfo"}, "ports": [{"port": 80}, {"port": 443}]}


@pytest.fixture
def settings(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of a stack on somebody's cluster, whose kubectl forwards."""
    (tmp_path / "bin").mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{LISTENS}exec sleep 60\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(shell, "STATE", tmp_path / "state")
    monkeypatch.setattr(toolchain, "built", lambda _: False)
    monkeypatch.setattr(page, "address", lambda _settings, _outputs: None)
    monkeypatch.setattr(page, "await_answer", lambda _: 200)
    monkeypatch.setattr(forward, "POLL_SECONDS", 0.02)
    api.answer(SERVICE, {"spec": SPEC})
    api.answer("/api/v1/namespaces/shop/pods?labelSelector=gateway%3Dbookinfo", {"items": [pod("a")]})
    api.answer("/api/v1/namespaces/shop/pods/a", pod("a"))
    return {"clusterMode": "existing", "kubeconfig": str(api.kubeconfig), "context": "there", "namespace": "shop"}


@pytest.mark.parametrize(
    ("output", "port", "start", "end"),
    [
        ("http://localhost:8080/productpage", 80, "http://127.0.0.1:", "/productpage"),
        ("https://localhost:8443/productpage", 443, "https://127.0.0.1:", "/productpage"),
    ],
)
def test_the_gateways_port_is_forwarded_by_the_pages_scheme(
    settings: dict[str, str], output: str, port: int, start: str, end: str
) -> None:
    made, address = forwarded("work", settings, {"productPage": output}, print)
    assert (made.namespace, made.service, made.port) == ("shop", "bookinfo-gateway-istio", port)
    assert address == f"{start}{made.local}{end}"


def test_kubectl_gets_the_stacks_context(settings: dict[str, str], tmp_path: Path) -> None:
    made, _ = forwarded("work", settings, OUTPUTS, print)
    assert made.kubectl == str(tmp_path / "bin" / "kubectl")
    assert made.environment["KUBECONFIG"] == f"{tmp_path}/state/work.context.yaml:{settings['kubeconfig']}"


@pytest.mark.parametrize(
    ("changed", "outputs", "told"),
    [
        ({}, {}, "stack work has no page: it was not brought up yet"),
        ({"clusterMode": "embedded"}, OUTPUTS, "pods of stack work are simulated, so that no page answers"),
    ],
)
def test_a_stack_without_a_page_is_refused(
    settings: dict[str, str], changed: dict[str, str], outputs: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        forwarded("work", {**settings, **changed}, outputs, print)


def test_without_kubectl_nothing_can_be_forwarded(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="kubectl, which forwards the page's port, is not on PATH"):
        forwarded("work", settings, OUTPUTS, print)


def test_the_page_is_reached_as_long_as_it_is_needed(settings: dict[str, str]) -> None:
    with reached("work", settings, OUTPUTS, print) as address:
        assert address.startswith("http://127.0.0.1:")
        assert any(thread.name == "forward" for thread in threading.enumerate())
    assert not any(thread.name == "forward" for thread in threading.enumerate())


def test_what_cannot_be_reached_is_told_to_who_asked(settings: dict[str, str], api: FakeApi) -> None:
    api.answers.pop(("GET", SERVICE))
    told = "Service shop/bookinfo-gateway-istio is not there"
    with pytest.raises(UserError, match=told), reached("work", settings, OUTPUTS, print):
        pytest.fail("it is not reached")


def test_the_page_of_an_embedded_cluster_needs_no_forward(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "address", lambda _settings, _outputs: "http://127.0.0.1:34731/productpage")
    with reached("work", settings, OUTPUTS, print) as address:
        assert address == "http://127.0.0.1:34731/productpage"


@pytest.mark.parametrize(
    ("terminal", "variable", "there"), [(True, "DISPLAY", True), (True, "NONE", False), (False, "DISPLAY", False)]
)
def test_a_browser_is_opened_where_there_is_a_terminal_and_a_screen(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, variable: str, there: bool
) -> None:
    for name in browser.GRAPHICAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(variable, ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(webbrowser, "get", object)
    assert has_browser() is there


def test_without_any_browser_the_address_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(webbrowser, "get", none)
    assert not has_browser()


PROGRAM = """
from embedded import toolchain
from operations.access import browser, forward, page
toolchain.built = lambda _: False
page.address = lambda settings, outputs: ADDRESS
page.await_answer = lambda _: 200
good, bad = page.Answer(status=200), page.Answer(status=0, wrong="refused")
answers = iter([good, bad, bad])
page.asked = lambda _: next(answers, good)
browser.POLL_SECONDS = forward.POLL_SECONDS = 0.02
browser.run("work", SETTINGS, OUTPUTS, lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C", "SIGINT to make open alone"])
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (None, [r"Open in a browser: http://127.0.0.1:\d+/productpage. Ctrl-C ends this"]),
        (
            "http://127.0.0.1:1/",
            [
                "Open in a browser: http://127.0.0.1:1/. Ctrl-C ends this",
                "http://127.0.0.1:1/ does not answer: refused",
                "http://127.0.0.1:1/ answers again",
            ],
        ),
    ],
    ids=["forwarded", "the cluster's own relay"],
)
def test_it_says_where_the_page_is_and_ends_with_ctrl_c(
    settings: dict[str, str], address: str | None, shown: list[str], to_all: bool
) -> None:
    settings = {**settings, "namespace": "shop"}
    code = f"ADDRESS, SETTINGS, OUTPUTS = {address!r}, {settings!r}, {OUTPUTS!r}\n{PROGRAM}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout
    for pattern in shown:
        line = process.stdout.readline()
        assert re.fullmatch(pattern, line.strip()), line
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "Ended\n"
    assert process.returncode == 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("something of it is left")
