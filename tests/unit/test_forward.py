"""A forwarded port: to a ready pod, to another one when that goes, again when kubectl ends."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.kube import Kube, KubeError
from operations.access import forward as module
from operations.access.forward import Forward, free_port
from tests.unit.fake_api import FakeApi

SERVICE = "/api/v1/namespaces/shop/services/gateway"
PODS = "/api/v1/namespaces/shop/pods"
LISTED = f"{PODS}?labelSelector=app%3Dgateway"
SPEC = {"selector": {"app": "gateway"}, "ports": [{"port": 80, "targetPort": "web"}, {"port": 443, "targetPort": 8443}]}
LISTENS = 'echo "Forwarding from 127.0.0.1:8080 -> 80"; '
STAYS = f"{LISTENS}exec sleep 60"


def pod(name: str, *, ready: str = "True", **metadata: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [{"name": "istio-proxy", "ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


class Forwarding:
    """A forward in a thread of its own, kubectl being a few lines of shell."""

    def __init__(self, folder: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.calls, self._kubectl = api, folder / "calls", folder / "kubectl"
        self.said: list[str] = []
        self.opened = threading.Event()
        self._ended = threading.Event()
        self._failure: list[Exception] = []
        monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
        api.answer(SERVICE, {"spec": SPEC})
        self.kubectl(STAYS)

    def kubectl(self, does: str) -> None:
        draft = self._kubectl.with_suffix(".draft")
        draft.write_text(f'#!/bin/sh\necho "$*" >>{self.calls}\n{does}\n')
        draft.chmod(0o755)
        draft.rename(self._kubectl)

    def pods(self, *pods: dict[str, Any], status: int = 200) -> None:
        """Have the cluster hold these, all at once; with a status that is an error it does not list them."""
        answers = {key: answer for key, answer in self.api.answers.items() if not key[1].startswith(PODS)}
        for each in pods:
            answers["GET", f"{PODS}/{each['metadata']['name']}"] = 200, json.dumps(each)
        answers["GET", LISTED] = status, json.dumps({"items": pods})
        self.api.answers = answers

    def start(self, port: int = 80, context: str = "there") -> None:
        kube = Kube(self.api.kubeconfig, context)
        made = Forward(
            kubectl=str(self._kubectl),
            environment={"PATH": "/usr/bin:/bin"},
            kube=kube,
            namespace="shop",
            service="gateway",
            port=port,
            local=18080,
            say=self.said.append,
        )

        def keep() -> None:
            try:
                made.keep(self.opened.set, self._ended)
            except (KubeError, UserError) as error:
                self._failure.append(error)

        self._thread = threading.Thread(target=keep)
        self._thread.start()

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not done() and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert done(), (self.said, self._failure)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def end(self) -> list[Exception]:
        self._ended.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        return self._failure

    def failure(self) -> str:
        self._thread.join(timeout=60)
        return str(self.end()[0])


@pytest.fixture
def forwarding(tmp_path: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Forwarding:
    return Forwarding(tmp_path, api, monkeypatch)


@pytest.mark.parametrize(("port", "target"), [(80, 8080), (443, 8443)])
def test_a_port_leads_to_a_ready_pods_own_port(forwarding: Forwarding, port: int, target: int) -> None:
    forwarding.pods(pod("a", ready="False"), pod("b"))
    forwarding.start(port)
    forwarding.until(forwarding.opened.is_set)
    assert forwarding.end() == []
    assert forwarding.called() == [f"port-forward --namespace=shop --address=127.0.0.1 pod/b 18080:{target}"]
    assert forwarding.said == []
    # Between two looks at the Service the cluster might stop answering, which would not be waited for.
    assert [asked.path for asked in forwarding.api.requests].count(SERVICE) == 1


def test_when_the_pod_goes_the_port_leads_to_another_and_one_line_says_so(forwarding: Forwarding) -> None:
    forwarding.pods(pod("a"), pod("b"))
    forwarding.start()
    forwarding.until(forwarding.opened.is_set)
    forwarding.pods(pod("a", deletionTimestamp="now"), pod("b"))
    forwarding.until(lambda: len(forwarding.called()) == 2)
    assert forwarding.end() == []
    assert [call.split()[3] for call in forwarding.called()] == ["pod/a", "pod/b"]
    assert forwarding.said == ["Pod a is gone or not ready: 127.0.0.1:18080 leads to pod b now"]


def test_while_no_pod_is_ready_one_is_waited_for(forwarding: Forwarding) -> None:
    forwarding.pods(pod("a", ready="False"))
    forwarding.start()
    forwarding.until(lambda: bool(forwarding.said))
    forwarding.pods(pod("a"))
    forwarding.until(forwarding.opened.is_set)
    assert forwarding.end() == []
    assert forwarding.said == ["No pod of Service shop/gateway is ready: waiting for one"]


def test_a_forward_that_ends_is_begun_again(forwarding: Forwarding, tmp_path: Path) -> None:
    forwarding.pods(pod("a"))
    forwarding.kubectl(
        f"{LISTENS}[ -e {tmp_path}/once ] && exec sleep 60; touch {tmp_path}/once; echo lost >&2; exit 1"
    )
    forwarding.start()
    forwarding.until(lambda: len(forwarding.called()) == 2)
    assert forwarding.end() == []
    assert forwarding.said == ["The forward to pod a ended (lost): it is begun again"]


def test_a_forward_that_has_ended_before_it_is_looked_at_led_to_the_pod_all_the_same(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(subprocess.Popen[bytes]):
        def poll(self) -> int | None:
            return self.wait()

    monkeypatch.setattr(subprocess, "Popen", Late)
    forwarding.pods(pod("a"))
    forwarding.kubectl(LISTENS)
    forwarding.start()
    forwarding.until(forwarding.opened.is_set)
    assert forwarding.end() == []


def test_kubectls_refusal_of_the_first_forward_is_told_in_its_own_words(forwarding: Forwarding) -> None:
    forwarding.pods(pod("a"))
    forwarding.kubectl("echo 'error: pods is forbidden' >&2; exit 1")
    forwarding.start()
    assert forwarding.failure() == "`kubectl port-forward` to pod a fails: error: pods is forbidden"


def test_a_later_refusal_is_tried_again(forwarding: Forwarding, tmp_path: Path) -> None:
    forwarding.pods(pod("a"))
    forwarding.kubectl(f"[ -e {tmp_path}/once ] && exit 1; touch {tmp_path}/once; {LISTENS}")
    forwarding.start()
    forwarding.until(lambda: len(forwarding.called()) > 3)
    assert forwarding.end() == []


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        (SERVICE, None, "Service shop/gateway is not there: `make up` creates it"),
        (SERVICE, {"spec": {**SPEC, "ports": [{"port": 443}]}}, "Service shop/gateway has no port 80; it has 443"),
    ],
)
def test_a_service_that_cannot_be_forwarded_is_refused(
    forwarding: Forwarding, path: str, content: Any, told: str
) -> None:
    forwarding.pods(pod("a"))
    if content is None:
        forwarding.api.answers.pop(("GET", path))
    else:
        forwarding.api.answer(path, content)
    forwarding.start()
    assert forwarding.failure() == told


def test_a_cluster_that_never_answered_is_an_error(forwarding: Forwarding) -> None:
    forwarding.start(context="gone")
    assert re.search("does not answer", forwarding.failure())


def test_a_cluster_that_stops_answering_is_waited_for(forwarding: Forwarding) -> None:
    forwarding.pods(pod("a"))
    forwarding.start()
    forwarding.until(forwarding.opened.is_set)
    forwarding.pods(pod("a", ready="False"), status=503)
    forwarding.until(lambda: bool(forwarding.said))
    forwarding.pods(pod("a"))
    forwarding.until(lambda: len(forwarding.called()) == 2)
    assert forwarding.end() == []
    assert len(forwarding.said) == 1
    assert "waiting for it" in forwarding.said[0]


def test_kubectl_is_gone_in_the_end(forwarding: Forwarding, tmp_path: Path) -> None:
    forwarding.pods(pod("a"))
    forwarding.kubectl(f"echo $$ >{tmp_path}/pid; {STAYS}")
    forwarding.start()
    forwarding.until(forwarding.opened.is_set)
    forwarding.end()
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_port_that_is_taken_is_left_alone() -> None:
    port = free_port(0)
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port
