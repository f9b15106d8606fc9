import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster
from program.preflight import _istiod_requests, plan
from program.settings import Settings
from tests.unit.loading import loaded
from tests.unit.test_preflight import SETTINGS, requests

# Kubernetes 0.75 and 170 MiB, istiod 0.5 and 2048, eight proxies of 0.1 and 128 each.
SUM = "2.05 processors and 3242 MiB"


def warning(total: str, cpus: int, memory: int) -> str:
    return (
        f"Kubernetes, Istio and its pods request {total}, more than minikubeCpus ({cpus}) or minikubeMemory "
        f"({memory} MiB): pods may stay Pending. Raise them, or lower pilot.resources.requests in istioValues"
    )


TWO_OF_EACH = {name: replace(gateway, replicas=2) for name, gateway in SETTINGS.gateways.items()}


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"minikube_memory": 3242}, []),
        ({"minikube_memory": 3241}, [warning(SUM, 4, 3241)]),
        ({"minikube_cpus": 2}, [warning(SUM, 2, 5500)]),
        ({"minikube_cpus": 2, "bookinfo": False}, []),
        ({"istio_values": requests(cpu="2500m")}, [warning("4.05 processors and 3242 MiB", 4, 5500)]),
        ({"istio_values": requests(memory="5Gi")}, [warning("2.05 processors and 6314 MiB", 4, 5500)]),
        (
            {"replicas": 2, "gateways": TWO_OF_EACH, "minikube_memory": 5000},
            [warning("2.65 processors and 5418 MiB", 4, 5000)],
        ),
        ({"minikube_memory": 2000, "istio_values": requests(memory="512Mi")}, []),
        ({"minikube_memory": 1800, "cluster_mode": "existing"}, []),
        ({"istio_values": {"pilot": "not an object"}}, []),
    ],
)
def test_a_node_too_small_for_what_is_requested_is_a_warning_with_the_sum(
    changes: dict[str, Any], warned: list[str]
) -> None:
    settings: Settings = replace(SETTINGS, **changes)
    assert list(plan(settings, Cluster()).warnings[1:]) == warned


def test_every_pod_of_ones_own_services_has_a_sidecar_too() -> None:
    services = '[{"name": "shop", "versions": {"v1": "shop:1", "v2": "shop:2"}, "port": 80, "replicas": 10}]'
    settings = loaded(istioChartRepository="https://charts.example", services=services)
    assert plan(settings, Cluster()).warnings[1:] == (warning("4.05 processors and 5802 MiB", 4, 5500),)


@pytest.mark.parametrize("quantity", ["much", "2Qi", []])
def test_a_request_that_is_no_quantity_is_refused(quantity: Any) -> None:
    message = (
        f"istioValues.pilot.resources.requests is {{'cpu': {quantity!r}}}; accepted: Kubernetes quantities such as "
        "cpu: 500m and memory: 2Gi ("
    )
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}"):
        plan(replace(SETTINGS, istio_values=requests(cpu=quantity)), Cluster())


@pytest.mark.parametrize(
    "values", [{"pilot": {"resources": None}}, {"pilot": {"resources": {"requests": {"cpu": None, "memory": None}}}}]
)
def test_a_request_that_is_dropped_is_none(values: dict[str, Any]) -> None:
    assert _istiod_requests(values) == (0, 0)
