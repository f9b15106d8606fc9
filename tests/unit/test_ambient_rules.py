import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster, look_up
from program.preflight import plan
from program.rules.ambient import platform, refuse_misfits, refuse_other_nodes
from tests.unit.fake_api import FakeApi
from tests.unit.loading import loaded
from tests.unit.test_lookup import OWNER, server  # noqa: F401 a fixture

AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "istioChartRepository": "https://charts.example"}
ORDERS = {"name": "orders", "image": "shop.example/orders:1", "port": 80, "allowFrom": ["a"]}

JWT = {"issuer": "me", "jwksUri": "https://me.example/keys", "forwardOriginalToken": True}
AT_GATEWAY = {"jwt": JWT, "policies": {"mine": {"gateway": "bookinfo-gateway", "rules": []}}}


def test_what_goes_together_passes() -> None:
    services = json.dumps([{**ORDERS, "allowFrom": []}])
    refuse_misfits(loaded(**AMBIENT, services=services, security=json.dumps(AT_GATEWAY)))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"istioVersion": "1.23.6"}, "istioVersion 1.23.6: ambient is stable from Istio 1.24 on"),
        ({"revision": "1-24-6"}, "revision 1-24-6: pods without a sidecar are injected by no revision"),
        (
            {"revisions": [{"name": "default", "version": "1.24.6"}]},
            "revisions: every node has one ztunnel, which cannot be moved namespace by namespace",
        ),
        (
            {"security": {"authorization": True}},
            "security.authorization: its rules name callers, which a waypoint hides",
        ),
        ({"services": [ORDERS]}, "allowFrom of orders: its rule names callers, which a waypoint hides"),
        (
            {"security": {"policies": {"mine": {"service": "details", "rules": []}}}},
            "security.policies mine: ztunnel, which sees no request, holds policies of pods",
        ),
        (
            {"security": {"jwt": {**JWT, "services": ["details"]}}},
            "security.jwt.services details: ztunnel looks at no tokens",
        ),
        ({"security": {"networkPolicies": {}}}, "security.networkPolicies: they would stop the tunnel's port 15008"),
    ],
)
def test_what_does_not_is_refused_with_the_reason(config: dict[str, Any], told: str) -> None:
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    message = f"dataPlane ambient does not go together with {told}. Unset or change that, or set dataPlane to sidecar"
    settings = loaded(**{**AMBIENT, **written})
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        plan(settings, Cluster())
    refuse_misfits(replace(settings, data_plane="sidecar"))


@pytest.mark.parametrize(
    ("mode", "runtimes", "expected"),
    [
        ("minikube", set(), "minikube"),
        ("existing", set(), ""),
        ("minikube", {"docker"}, "minikube"),
        ("minikube", {"containerd"}, ""),
        ("minikube", {"cri-o"}, ""),
        ("existing", {"docker"}, "minikube"),
    ],
)
def test_istio_cni_is_told_of_dockers_paths_where_docker_runs_the_nodes_containers(
    mode: str, runtimes: set[str], expected: str
) -> None:
    settings = loaded(**{**AMBIENT, "clusterMode": mode})
    assert platform(settings, Cluster(container_runtimes=frozenset(runtimes))) == expected


def test_nodes_of_two_kinds_and_a_platform_of_another_kind_are_refused() -> None:
    both, containerd = (
        Cluster(container_runtimes=frozenset(each)) for each in ({"docker", "containerd"}, {"containerd"})
    )
    with pytest.raises(pulumi.RunError, match=r"^the cluster's nodes run containers by containerd, docker, which"):
        refuse_other_nodes(loaded(**AMBIENT), both)
    said = loaded(**AMBIENT, istioValues='{"global": {"platform": "minikube"}}')
    with pytest.raises(
        pulumi.RunError, match=r"^istioValues.global.platform is 'minikube', whose nodes .* by containerd:"
    ):
        refuse_other_nodes(said, containerd)
    refuse_other_nodes(replace(said, cni_values={"cniNetnsDir": "/var/run/netns"}), containerd)
    refuse_other_nodes(replace(said, data_plane="sidecar"), both)


def test_the_nodes_are_asked_for_in_ambient_mode_only(server: FakeApi) -> None:  # noqa: F811
    node = {"status": {"nodeInfo": {"containerRuntimeVersion": "containerd://2.0.5"}}}
    server.answer("/api/v1/nodes", {"items": [node]})
    place = {"clusterMode": "existing", "kubeconfig": str(server.kubeconfig), "context": "there"}
    assert look_up(loaded(**AMBIENT, **place), OWNER).container_runtimes == {"containerd"}
    assert look_up(loaded(**place), OWNER).container_runtimes == frozenset()
