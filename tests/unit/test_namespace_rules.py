"""Namespaces that say otherwise by their labels, or are on their way out."""

import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster
from program.preflight import plan
from program.rules.namespaces import refuse_contradictions
from tests.unit.loading import loaded
from tests.unit.test_preflight import SETTINGS

OTHER = {"namespace": "shop", "name": "orders", "port": 80, "image": "nginx:1"}
REVISED = replace(SETTINGS, revision="1-23-0")
AMBIENT = replace(SETTINGS, data_plane="ambient", istio_version="1.24.6")
CNI = replace(SETTINGS, istio_values={"pilot": {"cni": {"enabled": True}}})


@pytest.mark.parametrize(
    ("settings", "label", "told"),
    [
        (REVISED, {"istio-injection": "enabled"}, "it wins over istio.io/rev=1-23-0, so that another istiod would"),
        (REVISED, {"istio-injection": "disabled"}, "it wins over istio.io/rev=1-23-0"),
        (SETTINGS, {"istio.io/dataplane-mode": "ambient"}, "dataPlane is sidecar"),
        (AMBIENT, {"istio-injection": "enabled"}, "its pods would get a sidecar"),
        (AMBIENT, {"istio.io/rev": "1-24-6"}, "its pods would get a sidecar"),
        (SETTINGS, {"pod-security.kubernetes.io/enforce": "restricted"}, "each pod's istio-init needs NET_ADMIN"),
    ],
)
def test_a_label_that_works_against_the_stack_is_refused_with_the_command_that_removes_it(
    settings: Any, label: dict[str, str], told: str
) -> None:
    ((key, value),) = label.items()
    start = f"namespace default has the label {key}={value}, which is not this stack's: {told}"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(start)}") as refusal:
        refuse_contradictions(settings, Cluster(foreign_labels={"default": label}))
    assert str(refusal.value).endswith(f"Remove it with `kubectl label namespace default {key}-`")


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (SETTINGS, {"istio-injection": "enabled"}),
        (SETTINGS, {"istio.io/rev": "other"}),
        (AMBIENT, {"istio-injection": "disabled"}),
        (CNI, {"pod-security.kubernetes.io/enforce": "baseline"}),
        (SETTINGS, {"pod-security.kubernetes.io/enforce": "privileged"}),
        (SETTINGS, {"team": "shop"}),
    ],
)
def test_a_label_that_changes_nothing_is_left(settings: Any, label: dict[str, str]) -> None:
    refuse_contradictions(settings, Cluster(foreign_labels={"default": label}))


@pytest.mark.parametrize(("settings", "value"), [(SETTINGS, "disabled"), (REVISED, "enabled")])
def test_istio_system_must_let_the_gateway_be_injected(settings: Any, value: str) -> None:
    cluster = Cluster(foreign_labels={"istio-system": {"istio-injection": value}})
    with pytest.raises(pulumi.RunError, match="the ingress gateway's pod would keep the image `auto`"):
        refuse_contradictions(settings, cluster)
    refuse_contradictions(SETTINGS, Cluster(foreign_labels={"istio-system": {"istio-injection": "enabled"}}))


def test_a_gateways_own_namespace_must_let_it_be_injected_and_stay() -> None:
    gateways = json.dumps({"internal": {"namespace": "gateways"}})
    settings = loaded(gateways=gateways, istioChartRepository="https://charts.example")
    with pytest.raises(pulumi.RunError, match=r"^namespace gateways .*: the ingress gateway's pod would keep"):
        refuse_contradictions(settings, Cluster(foreign_labels={"gateways": {"istio-injection": "disabled"}}))
    with pytest.raises(pulumi.RunError, match=r"^namespace/gateways is being deleted"):
        plan(settings, Cluster(terminating=frozenset({"namespace/gateways"})))


def test_the_namespaces_of_services_count_and_any_other_does_not() -> None:
    settings = loaded(services=json.dumps([OTHER]), revision="1-23-0", istioChartRepository="https://charts.example")
    with pytest.raises(pulumi.RunError, match=r"^namespace shop has the label istio-injection"):
        plan(settings, Cluster(foreign_labels={"shop": {"istio-injection": "enabled"}}))
    plan(settings, Cluster(foreign_labels={"other": {"istio-injection": "enabled"}}))


@pytest.mark.parametrize(
    "name", ["namespace/default", "namespace/istio-system", "customresourcedefinition/gateways.networking.istio.io"]
)
def test_what_is_being_deleted_is_refused(name: str) -> None:
    with pytest.raises(
        pulumi.RunError, match=f"^{name} is being deleted: wait for it with `kubectl wait --for=delete "
    ):
        plan(SETTINGS, Cluster(terminating=frozenset({name, "namespace/other"})))
    plan(SETTINGS, Cluster(terminating=frozenset({"namespace/other"})))
