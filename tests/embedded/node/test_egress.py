"""Hosts outside the mesh: what a pod of the mesh can call. Nothing leaves the node: the hosts are pods and Services."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node import echo
from tests.embedded.node.mesh import OUTSIDE, Mesh

SERVER = "elsewhere"
PORT = echo.PLAIN
# An address that nothing has; a proxy goes by the name that is asked for.
NOWHERE = "192.0.2.1"
API_SERVER = "10.96.0.1"
NAMED = "kubernetes.default.svc"
AUTHORITY = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


@pytest.fixture(scope="module")
def server(mesh: Mesh) -> Iterator[str]:
    """The address of a server outside the mesh that tells what it was asked for."""
    yield echo.run(mesh.kubectl, SERVER, echo.configuration())
    mesh.kubectl("delete", f"pod/{SERVER}", f"--namespace={OUTSIDE}", "--grace-period=1")


def answers(mesh: Mesh, status: int, url: str, *options: str) -> None:
    """What a pod of the mesh is answered, once the proxies know it."""
    eventually(lambda: mesh.get(url, "-timeout=5s", *options)["status"] == status, 120)


def lenient(server: str) -> dict[str, Any]:
    """A host that is asked over TLS, at a port of its own, though nobody vouches for its certificate."""
    tls = {"port": echo.ENCRYPTED, "insecureSkipVerify": True}
    return {"host": "lenient.example", "ports": {"80": "HTTP"}, "addresses": [server], "tls": tls}


def test_the_mesh_lets_out_what_it_knows_and_nothing_else(mesh: Mesh, server: str) -> None:
    mesh.up(outboundTrafficPolicy="ALLOW_ANY")
    answers(mesh, 200, f"http://{server}:{PORT}/any")
    known: list[dict[str, Any]] = [
        {"host": "plain.example", "ports": {PORT: "HTTP"}, "addresses": [server]},
        {"host": "second.example", "ports": {PORT: "HTTP2"}, "addresses": [server]},
        {"host": "remote.example", "ports": {echo.GRPC: "GRPC"}, "addresses": [server]},
        {"host": "*.wild.example", "ports": {PORT: "HTTP"}},
        {"host": "encrypted.example", "addresses": [API_SERVER]},
        {"host": "secure.example", "ports": {443: "HTTPS"}, "addresses": [API_SERVER]},
        lenient(server),
        {
            "host": "checked.example",
            "ports": {"80": "HTTP"},
            "addresses": [API_SERVER],
            "tls": {"sni": NAMED, "caCertificates": AUTHORITY},
        },
        {
            "host": "impostor.example",
            "ports": {"80": "HTTP"},
            "addresses": [API_SERVER],
            "tls": {"caCertificates": AUTHORITY},
        },
    ]
    mesh.up(outboundTrafficPolicy="REGISTRY_ONLY", egress=json.dumps(known))
    for url, host, expected in (
        (f"http://{NOWHERE}:{PORT}/any", "plain.example", 200),
        (f"http://{NOWHERE}:{PORT}/any", "unknown.example", 502),
        (f"http://{server}:{PORT}/any", "", 502),
        # Where a host of many is, its pod knows.
        (f"http://{server}:{PORT}/any", "one.wild.example", 200),
        (f"http://{server}:{PORT}/any", "wild.example", 502),
        # The API server, which asks everybody who they are.
        (f"https://{NOWHERE}/version", "encrypted.example", 401),
        (f"https://{NOWHERE}/version", "secure.example", 401),
        (f"https://{NOWHERE}/version", "unknown.example", 0),
        # Plain until the proxy, which asks for the certificate of the name that it is told.
        (f"http://{NOWHERE}/version", "checked.example", 401),
        (f"http://{NOWHERE}/version", "impostor.example", 503),
        (f"http://{NOWHERE}/any", "lenient.example", 200),
    ):
        answers(mesh, expected, url, *([f"-host={host}"] if host else []))
    assert mesh.get("http://details.bookinfo:9080/details/0")["status"] == 200
    for host, port, protocol in (
        ("plain.example", PORT, "HTTP/1.1"),
        ("second.example", PORT, "HTTP/2"),
        ("remote.example", echo.GRPC, "HTTP/2"),
    ):
        url, host = f"http://{NOWHERE}:{port}/any", f"-host={host}"
        answers(mesh, 200, url, host)
        assert mesh.get(url, host)["headers"]["X-Protocol"] == [protocol]


def test_a_connection_that_names_no_host_is_known_by_its_address(mesh: Mesh, server: str) -> None:
    entry = {"host": "database.example", "ports": {PORT: "TCP"}, "addresses": [f"{server}/32"]}
    mesh.up(outboundTrafficPolicy="REGISTRY_ONLY", egress=json.dumps([entry]))
    answers(mesh, 200, f"http://{server}:{PORT}/any")


def test_requests_leave_by_the_gateway_that_a_host_names(mesh: Mesh, server: str) -> None:
    hosts = [
        {"host": "plain.example", "ports": {PORT: "HTTP"}, "addresses": [server], "gateway": "egress"},
        {"host": "encrypted.example", "addresses": [API_SERVER], "gateway": "egress"},
        {**lenient(server), "gateway": "other"},
    ]
    gateways = json.dumps({"egress": {"kind": "egress"}, "other": {"kind": "egress", "namespace": "leaving"}})
    mesh.up(outboundTrafficPolicy="REGISTRY_ONLY", egress=json.dumps(hosts), gateways=gateways)

    def passed(port: int, host: str, gateway: str = "egress", namespace: str = "istio-system") -> bool:
        """Whether the gateway has connected to the host."""
        asked = ("exec", f"deployment/{gateway}", f"--namespace={namespace}", "--")
        told = mesh.kubectl(*asked, "pilot-agent", "request", "GET", "clusters")
        return re.search(rf"^outbound\|{port}\|\|{host}::.*::cx_total::[1-9]", told, re.MULTILINE) is not None

    def leaves(status: int, url: str, host: str, port: int, *gateway: str) -> bool:
        """Asked again: a proxy that knows the host and not its gateway yet goes straight there."""
        return mesh.get(url, "-timeout=5s", f"-host={host}")["status"] == status and passed(port, host, *gateway)

    eventually(lambda: leaves(200, f"http://{NOWHERE}:{PORT}/any", "plain.example", PORT), 120)
    eventually(lambda: leaves(401, f"https://{NOWHERE}/version", "encrypted.example", 443), 120)
    eventually(lambda: leaves(200, f"http://{NOWHERE}/any", "lenient.example", 80, "other", "leaving"), 120)
    scale = ("scale", "deployment/egress", "--namespace=istio-system")
    mesh.kubectl(*scale, "--replicas=0")
    try:
        answers(mesh, 503, f"http://{NOWHERE}:{PORT}/any", "-host=plain.example")
        answers(mesh, 0, f"https://{NOWHERE}/version", "-host=encrypted.example")
    finally:
        mesh.kubectl(*scale, "--replicas=1")
