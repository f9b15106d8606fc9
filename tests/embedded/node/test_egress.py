"""Hosts outside the mesh: what a pod of the mesh can call. Nothing leaves the node: the hosts are pods and Services."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE
from tests.embedded.node.mesh import OUTSIDE, Mesh

SERVER = "elsewhere"
IMAGE = "docker.io/istio/examples-bookinfo-details-v1:1.20.1"
# An address that nothing has; a proxy goes by the name that is asked for.
NOWHERE = "192.0.2.1"
API_SERVER = "10.96.0.1"
NAMED = "kubernetes.default.svc"
AUTHORITY = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


@pytest.fixture(scope="module")
def server(mesh: Mesh) -> Iterator[str]:
    """The address of a plain server outside the mesh, of which no Service tells: HTTP at 9090."""
    where = f"--namespace={OUTSIDE}"
    mesh.kubectl("run", SERVER, where, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--", "9090")
    mesh.kubectl("wait", where, "--for=condition=Ready", f"pod/{SERVER}", f"--timeout={PATIENCE}")
    yield mesh.kubectl.json("get", f"pod/{SERVER}", where)["status"]["podIP"]
    mesh.kubectl("delete", f"pod/{SERVER}", where, "--grace-period=1")


def answers(mesh: Mesh, status: int, url: str, *options: str) -> None:
    """What a pod of the mesh is answered, once the proxies know it."""
    eventually(lambda: mesh.get(url, "-timeout=5s", *options)["status"] == status, 120)


def test_the_mesh_lets_out_what_it_knows_and_nothing_else(mesh: Mesh, server: str) -> None:
    mesh.up(outboundTrafficPolicy="ALLOW_ANY")
    answers(mesh, 200, f"http://{server}:9090/details/0")
    known: list[dict[str, Any]] = [
        {"host": "plain.example", "ports": {"9090": "HTTP"}, "addresses": [server]},
        {"host": "encrypted.example", "addresses": [API_SERVER]},
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
        (f"http://{NOWHERE}:9090/details/0", "plain.example", 200),
        (f"http://{NOWHERE}:9090/details/0", "unknown.example", 502),
        (f"http://{server}:9090/details/0", "", 502),
        # The API server, which asks everybody who they are.
        (f"https://{NOWHERE}/version", "encrypted.example", 401),
        (f"https://{NOWHERE}/version", "unknown.example", 0),
        # Plain until the proxy, which asks for the certificate of the name that it is told.
        (f"http://{NOWHERE}/version", "checked.example", 401),
        (f"http://{NOWHERE}/version", "impostor.example", 503),
    ):
        answers(mesh, expected, url, *([f"-host={host}"] if host else []))
    assert mesh.get("http://details.bookinfo:9080/details/0")["status"] == 200


def test_a_connection_that_names_no_host_is_known_by_its_address(mesh: Mesh, server: str) -> None:
    entry = {"host": "database.example", "ports": {"9090": "TCP"}, "addresses": [f"{server}/32"]}
    mesh.up(outboundTrafficPolicy="REGISTRY_ONLY", egress=json.dumps([entry]))
    answers(mesh, 200, f"http://{server}:9090/details/0")


def test_requests_leave_by_the_gateway_that_a_host_names(mesh: Mesh, server: str) -> None:
    hosts = [
        {"host": "plain.example", "ports": {"9090": "HTTP"}, "addresses": [server], "gateway": "egress"},
        {"host": "encrypted.example", "addresses": [API_SERVER], "gateway": "egress"},
    ]
    gateways = json.dumps({"egress": {"kind": "egress"}})
    mesh.up(outboundTrafficPolicy="REGISTRY_ONLY", egress=json.dumps(hosts), gateways=gateways)
    answers(mesh, 200, f"http://{NOWHERE}:9090/details/0", "-host=plain.example")
    answers(mesh, 401, f"https://{NOWHERE}/version", "-host=encrypted.example")

    def passed(port: int, host: str) -> bool:
        """Whether the gateway has connected to the host."""
        asked = ("exec", "deployment/egress", "--namespace=istio-system", "--")
        told = mesh.kubectl(*asked, "pilot-agent", "request", "GET", "clusters")
        return re.search(rf"^outbound\|{port}\|\|{host}::.*::cx_total::[1-9]", told, re.MULTILINE) is not None

    eventually(lambda: passed(9090, "plain.example") and passed(443, "encrypted.example"), 120)
    scale = ("scale", "deployment/egress", "--namespace=istio-system")
    mesh.kubectl(*scale, "--replicas=0")
    try:
        answers(mesh, 503, f"http://{NOWHERE}:9090/details/0", "-host=plain.example")
        answers(mesh, 0, f"https://{NOWHERE}/version", "-host=encrypted.example")
    finally:
        mesh.kubectl(*scale, "--replicas=1")
