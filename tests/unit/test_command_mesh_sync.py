"""What istiod says of its proxies, through a forwarded port of a fake API server."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.commands.mesh_check import Cluster
from components.commands.mesh_pods import Problem
from components.commands.mesh_sync import REFUSED, Pending, parse, pending, problem, stuck
from components.kube import Kube, UnreachableError
from tests.unit.test_command_mesh_check import DOCUMENT, HTML, PAGE, PROJECT, deployment, pod, state

PROXY = "details-v1-a.default"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
KEYS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
SYNCED = {"proxy": PROXY, "cluster_sent": "a", "cluster_acked": "a", "listener_sent": "b", "listener_acked": "b"}
LATE = {**SYNCED, "listener_sent": "c"}
REFUSING = {**LATE, "resources": {LISTENER: {"sent": "c", "acked": "b", "lastError": "no\n such  filter"}}}


def silent() -> str:
    raise AssertionError("the log is not needed")


@pytest.mark.parametrize("proxy", [SYNCED, {"proxy": "ztunnel-a.istio-system"}, {**SYNCED, "resources": None}])
def test_who_has_acknowledged_all_that_was_sent_is_not_waited_for(proxy: dict[str, Any]) -> None:
    assert pending([proxy], silent) == []


def test_a_refusal_is_told_with_its_words_and_of_any_type() -> None:
    other = {**SYNCED, "resources": {KEYS: {"sent": "d", "acked": "d", "lastError": "no key"}}}
    assert pending([REFUSING, other], silent) == [
        Pending(PROXY, "Listener", "c", "no\n such  filter"),
        Pending(PROXY, "Secret", "", "no key"),
    ]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        ("info\tads\tADS:CDS: ACK ERROR details-v1-a.default-7 Internal:of clusters", ""),
        ("info\tads\tADS:LDS: ACK ERROR details-v1-aa.default-7 Internal:of another", ""),
        (
            "ADS:LDS: ACK ERROR details-v1-a.default-7 X:first\nADS:LDS: ACK ERROR details-v1-a.default-9 X:last",
            "last",
        ),
    ],
)
def test_an_istiod_that_keeps_no_errors_has_written_them_into_its_log(log: str, error: str) -> None:
    assert pending([LATE], lambda: log) == [Pending(PROXY, "Listener", "c", error)]


def test_what_is_on_its_way_is_not_stuck_and_what_was_refused_is() -> None:
    late, later, refusal = (
        Pending(PROXY, "Listener", sent, error) for sent, error in (("c", ""), ("d", ""), ("d", "no"))
    )
    assert stuck([late], [later]) == []
    assert stuck([late], [late]) == [late]
    assert stuck([late], [refusal]) == [refusal]


def test_a_refusal_names_the_proxy_the_type_and_what_it_said() -> None:
    assert problem(Pending(PROXY, "Listener", "c", "no\n such  filter")) == Problem(
        "istio-proxy", PROXY, "refuses its configuration of type Listener: no such filter", REFUSED
    )
    assert problem(Pending(PROXY, "Listener", "c", "")) == Problem(
        "istio-proxy",
        PROXY,
        "has not taken its configuration of type Listener",
        "kubectl logs details-v1-a -n default -c istio-proxy",
    )


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"name": "a"}]'])
def test_what_is_no_list_of_proxies_is_not_taken_for_one(body: str) -> None:
    with pytest.raises(ValueError, match=r"list of proxies|Expecting value"):
        parse(body)


# --- through a forwarded port


class Api(ThreadingHTTPServer):
    """An API server with one right pod, one istiod, and what it answers on port 15014; None for who may not ask."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] | None = (200, json.dumps([SYNCED]))
        self.log = ""
        self.runtime = "containerd://2"
        self.asked: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = state(pod(), of=deployment())
        ready = [{"type": "Ready", "status": "True"}]
        there = {"namespace": "istio-system"}
        istiods: list[dict[str, Any]] = [
            {"metadata": {**there, "name": "istiod-a", "labels": {"app": "istiod"}}, "status": {"conditions": ready}},
            {"metadata": {**there, "name": "istiod-starting", "labels": {"app": "istiod"}}, "status": {}},
            {"metadata": {**there, "name": "gateway-a"}, "status": {"conditions": ready}},
        ]
        kind = self.path.partition("?")[0].rpartition("/")[2]
        nodes = [{"status": {"nodeInfo": {"containerRuntimeVersion": self.server.runtime}}}]
        lists: dict[str, list[dict[str, Any]]] = {
            "deployments": seen.deployments,
            "replicasets": seen.replica_sets,
            "nodes": nodes,
        }
        lists["pods"] = istiods if "istio-system" in self.path else seen.pods
        if kind == "portforward":
            assert self.path == "/api/v1/namespaces/istio-system/pods/istiod-a/portforward?ports=15014"
            self.forward()
        elif kind == "log":
            self.say(200, self.server.log)
        else:
            self.say(200, json.dumps({"items": lists[kind]}) if kind in lists else HTML)

    def say(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def forward(self) -> None:
        """The server's side of one forwarded port: https://kubernetes.io/docs/reference/using-api/ and RFC 6455."""
        if self.server.answer is None or self.headers["Authorization"] != "Bearer secret":
            self.say(403, "pods istiod-a is forbidden")
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())  # noqa: S324 RFC 6455
        self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"].partition(",")[0])
        self.end_headers()
        for channel in (0, 1):
            self.frame(bytes([channel]) + (15014).to_bytes(2, "little"))
        self.server.asked.append(self.heard())
        status, body = self.server.answer
        self.frame(b"\0" + f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        self.close_connection = True
        self.rfile.read(1)  # until the client has gone

    def frame(self, data: bytes) -> None:
        self.wfile.write(b"\x82\x7e" + len(data).to_bytes(2, "big") + data)
        self.wfile.flush()

    def heard(self) -> bytes:
        length = self.rfile.read(2)[1] & 0x7F
        length = int.from_bytes(self.rfile.read(2), "big") if length == 126 else length
        mask, data = self.rfile.read(4), self.rfile.read(length)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(api: Api) -> Iterator[None]:
    threading.Thread(target=api.serve_forever, args=(0.01,), daemon=True).start()
    yield
    api.shutdown()


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as made, served(made):
        yield made


@pytest.fixture
def kubeconfig(tmp_path: Path, api: Api) -> Path:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "minikube", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document))
    return path


def check(kubeconfig: Path) -> "subprocess.CompletedProcess[str]":
    document = {**DOCUMENT, "kubeconfig": str(kubeconfig), "timeoutSeconds": 1, "pages": [PAGE]}
    command = [sys.executable, "-m", "components.commands.mesh_check"]
    return subprocess.run(
        command, cwd=PROJECT, env={}, input=json.dumps(document), capture_output=True, text=True, check=False
    )


def test_istiod_is_asked_on_its_own_loopback_and_a_mesh_in_step_is_right(kubeconfig: Path, api: Api) -> None:
    done = check(kubeconfig)
    assert done.returncode == 0, done.stderr
    assert "istiod is not asked" not in done.stderr
    assert [asked.split(b"\r\n")[0] for asked in api.asked] == [b"\0GET /debug/syncz HTTP/1.1"]


def test_a_refused_configuration_fails_the_check_with_what_the_proxy_said(kubeconfig: Path, api: Api) -> None:
    api.answer = (200, json.dumps([LATE]))
    api.log = "ADS:LDS: ACK ERROR details-v1-a.default-1 Internal:unknown filter x"
    done = check(kubeconfig)
    assert (done.returncode, done.stdout) == (1, "")
    row = done.stderr.splitlines()[-1]
    assert row.startswith(
        f"istio-proxy  {PROXY}  refuses its configuration of type Listener: unknown filter x  it goes on"
    )


def test_a_proxy_that_does_not_take_its_configuration_fails_the_check(kubeconfig: Path, api: Api) -> None:
    api.answer = (200, json.dumps([LATE]))
    done = check(kubeconfig)
    assert (done.returncode, "has not taken its configuration of type Listener" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("gateway-a.istio-system", 1),
        ("gateway-gone.istio-system", 0),
        ("details-v1-gone.default", 0),
        ("a.elsewhere", 0),
    ],
)
def test_only_proxies_of_the_namespace_and_of_istios_own_that_are_there_count(
    kubeconfig: Path, api: Api, proxy: str, code: int
) -> None:
    api.answer = (200, json.dumps([{**REFUSING, "proxy": proxy}]))
    assert check(kubeconfig).returncode == code


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "forwards no port 15014 of /api/v1/namespaces/istio-system/pods/istiod-a: "),
        ((401, ""), "istiod-a answers 401 to /debug/syncz"),
        ((200, "<html>"), "Expecting value"),
    ],
)
def test_where_istiod_cannot_be_asked_the_check_says_so_once_and_does_not_fail(
    kubeconfig: Path, api: Api, answer: tuple[int, str] | None, told: str
) -> None:
    api.answer = answer
    done = check(kubeconfig)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("istiod is not asked whether proxies took"))
    assert told in line


def test_simulated_pods_are_not_expected_to_answer(kubeconfig: Path, api: Api) -> None:
    api.answer, api.runtime = None, "kwok://0.8"
    assert "istiod is not asked" not in check(kubeconfig).stderr


def test_a_port_that_does_not_speak_http_is_told(kubeconfig: Path, api: Api) -> None:
    api.answer = (200, "")
    kube = Kube(kubeconfig, "minikube")
    istiod = "/api/v1/namespaces/istio-system/pods/istiod-a"
    assert kube.forwarded(istiod, 15014, "/x") == (200, "")
    api.answer = None
    with pytest.raises(UnreachableError, match=r"forwards no port 15014 of .*/istiod-a: .*403"):
        kube.forwarded(istiod, 15014, "/x")
    assert Cluster(str(kubeconfig), "minikube").pending(()) == []
