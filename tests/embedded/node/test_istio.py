"""Istio's own control plane and agent with a vanilla Envoy, brought up by the program, and Bookinfo on it."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from components.commands.mesh_pods import statuses
from components.workloads.bookinfo import WORKLOADS
from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh) -> None:
    mesh.up()


def test_every_pod_of_bookinfo_has_its_envoy_and_is_ready(mesh: Mesh) -> None:
    def is_ready(pod: dict[str, Any]) -> bool:
        ready = {each["name"] for each in statuses(pod) if each["ready"]}
        return ready >= {pod["metadata"]["labels"]["app"], "istio-proxy"}

    def pods() -> list[dict[str, Any]]:
        """Those of before the last change may be ending still."""
        found = mesh.kubectl.json("get", "pods", "--namespace", NAMESPACE, "--selector=app")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    eventually(lambda: len(found := pods()) == len(WORKLOADS) and all(map(is_ready, found)), 120)
    for pod in pods():
        assert "istio-proxy" in {each["name"] for each in pod["spec"]["initContainers"]}


@pytest.fixture
def page_rules(mesh: Mesh) -> Iterator[None]:
    yield
    mesh.up()


@pytest.mark.usefixtures("page_rules")
def test_faults_and_timeouts_of_the_page_hold_for_requests_from_outside(mesh: Mesh) -> None:
    def answered(status: int, **rules: object) -> None:
        mesh.up(traffic=json.dumps({"productpage": rules}), meshCheckHttp="false")
        eventually(lambda: mesh.request().status == status, 120)

    answered(503, fault={"abort": 503})
    answered(200, fault={"abort": 503, "headers": {"end-user": "jason"}})
    answered(504, timeout="1ms")
    answered(200, timeout="10s", retries={"attempts": 3, "perTryTimeout": "5s"})


def test_every_proxy_has_taken_its_configuration_and_none_has_refused_any(mesh: Mesh) -> None:
    with mesh.kubectl.forwarded("--namespace=istio-system", "deployment/istiod", "15014") as port:
        eventually(lambda: all_synced(json.loads(read(port, "/debug/syncz"))), 120)
        metrics = read(port, "/metrics")
    refused = [line for line in metrics.splitlines() if re.match(r"pilot_(total_xds_rejects|xds_.*_reject)", line)]
    assert refused == []


def read(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def all_synced(proxies: list[dict[str, str]]) -> bool:
    told = [
        each["cluster_sent"] == each["cluster_acked"] and each["listener_sent"] == each["listener_acked"]
        for each in proxies
    ]
    return len(told) > len(WORKLOADS) and all(told)
