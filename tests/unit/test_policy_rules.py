from collections.abc import Mapping
from typing import Any

import pytest

from policy.registries import allowed
from policy.rules import COMPONENT, Resource, default_deny, policies, strict_mtls

POLICIES = policies({})
POLICY = {policy.name: policy for policy in POLICIES}


def workload(kind: str = "Deployment", annotations: Mapping[str, str] | None = None, **container: Any) -> Resource:
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "app", **container}]}}
    specs: dict[str, dict[str, Any]] = {
        "Pod": template,
        "CronJob": {"spec": {"jobTemplate": {"spec": {"template": template}}}},
    }
    return Resource(name="web", manifest={"kind": kind, **specs.get(kind, {"spec": {"template": template}})})


def an_object(kind: str, metadata: Mapping[str, Any] | None = None, **spec: Any) -> Resource:
    return Resource(name="web", manifest={"kind": kind, "metadata": metadata or {}, "spec": spec})


def part_of(component: str, **more: Any) -> Resource:
    return Resource(name="web", components=[f"{COMPONENT}{component}"], **more)


REQUESTS = {"requests": {"cpu": "1", "memory": "1Gi"}}
GATEWAY = {"inject.istio.io/templates": "gateway"}
INJECTED = {"labels": {"istio-injection": "enabled"}}
SERVICE_TYPE = "networking.istio.io/service-type"
NAMESPACE = {"kind": "Namespace", "metadata": INJECTED}

PASS = [
    ("images-pinned", workload(image="docker.io/istio/proxyv2:1.23.0")),
    ("images-pinned", workload(image="docker.io/istio/proxyv2@sha256:0123")),
    ("images-pinned", workload(image="localhost:5000/app:1")),
    ("images-pinned", workload(image="auto", annotations=GATEWAY)),
    ("images-from-allowed-registries", workload(image="istio/pilot:1.30.3")),
    ("images-from-allowed-registries", workload(image="auto", annotations=GATEWAY)),
    ("no-load-balancer", an_object("Service", type="NodePort")),
    ("no-load-balancer", an_object("Service")),
    ("no-load-balancer", an_object("Gateway", {"annotations": {SERVICE_TYPE: "NodePort"}}, gatewayClassName="istio")),
    ("no-load-balancer", an_object("Gateway", gatewayClassName="istio-waypoint")),
    ("injected-only-through-component", part_of("InjectedNamespace", manifest=NAMESPACE)),
    ("injected-only-through-component", an_object("Namespace", {"labels": {"istio-injection": "disabled"}})),
    ("requests-stated", workload(image="a:1", resources=REQUESTS)),
    ("requests-stated", an_object("Service")),
    ("no-default-provider", Resource(name="web", default_provider=False)),
    ("no-default-provider", Resource(name="command", kubernetes=False, default_provider=True)),
    ("protected", part_of("IstioBase", protect=True)),
    ("protected", part_of("Bookinfo", protect=False)),
    ("protected", part_of("IstioBase", kubernetes=False)),
]
FAIL = [
    ("images-pinned", workload(image="docker.io/istio/proxyv2"), "'docker.io/istio/proxyv2'"),
    ("images-pinned", workload(image="docker.io/istio/proxyv2:latest"), "latest"),
    ("images-pinned", workload(image="localhost:5000/app"), "localhost"),
    ("images-pinned", workload(image="auto"), "'auto'"),
    ("images-pinned", workload("Pod", image="a"), "'a'"),
    ("images-pinned", workload("CronJob", image="a"), "'a'"),
    ("images-from-allowed-registries", workload(image="docker.io/istioo/pilot:1"), "docker.io/istioo"),
    ("images-from-allowed-registries", workload(image="quay.io/kiali/kiali:v1"), "allowedRegistries lists others"),
    ("no-load-balancer", an_object("Service", type="LoadBalancer"), "LoadBalancer"),
    (
        "no-load-balancer",
        an_object("Gateway", {"annotations": {SERVICE_TYPE: "LoadBalancer"}}, gatewayClassName="istio"),
        "LoadBalancer",
    ),
    ("no-load-balancer", an_object("Gateway", gatewayClassName="istio"), "LoadBalancer"),
    ("injected-only-through-component", an_object("Namespace", INJECTED), "outside InjectedNamespace"),
    ("injected-only-through-component", an_object("Namespace", {"labels": {"istio.io/rev": "x"}}), "outside"),
    ("injected-only-through-component", part_of("Bookinfo", manifest=NAMESPACE), "outside"),
    ("requests-stated", workload(image="a:1"), "no cpu and no memory"),
    ("requests-stated", workload("Pod", resources={"requests": {"cpu": 1}}), "no memory"),
    ("no-default-provider", Resource(name="web", default_provider=True), "default provider"),
    ("protected", part_of("InjectedNamespace"), "not protected"),
]


@pytest.mark.parametrize(("policy", "resource"), PASS)
def test_a_resource_that_keeps_to_a_policy_passes(policy: str, resource: Resource) -> None:
    assert list(POLICY[policy].faults([resource])) == []


@pytest.mark.parametrize(("policy", "resource", "message"), FAIL)
def test_a_resource_that_breaks_a_policy_is_named_with_what_is_wrong(
    policy: str, resource: Resource, message: str
) -> None:
    (fault,) = POLICY[policy].faults([resource])
    assert fault.startswith("web ")
    assert message in fault


def test_init_containers_are_judged_too() -> None:
    spec = {"initContainers": [{"name": "init", "image": "a"}], "containers": []}
    (fault,) = POLICY["images-pinned"].faults([an_object("Deployment", template={"spec": spec})])
    assert "container init" in fault


def peer_authentication(mode: str, namespace: str = "istio-system", **more: Any) -> Resource:
    return an_object("PeerAuthentication", {"namespace": namespace}, mtls={"mode": mode}, **more)


STRICT = peer_authentication("STRICT")


@pytest.mark.parametrize("resources", [[STRICT], [STRICT, peer_authentication("UNSET", "default")]])
def test_strict_mtls_for_the_whole_mesh_passes(resources: list[Resource]) -> None:
    assert list(strict_mtls(resources)) == []


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ([], "no PeerAuthentication"),
        ([peer_authentication("STRICT", "default")], "no PeerAuthentication"),
        ([peer_authentication("STRICT", selector={"matchLabels": {"app": "a"}})], "no PeerAuthentication"),
        ([STRICT, peer_authentication("PERMISSIVE", "default")], "PERMISSIVE"),
        ([STRICT, peer_authentication("STRICT", "default", portLevelMtls={"80": {"mode": "DISABLE"}})], "DISABLE"),
    ],
)
def test_a_mesh_without_strict_mtls_or_with_an_exception_is_told(resources: list[Resource], message: str) -> None:
    (fault,) = strict_mtls(resources)
    assert message in fault


APPS = an_object("Namespace", {"name": "apps", **INJECTED})


def authorization_policy(namespace: str, **spec: Any) -> Resource:
    return an_object("AuthorizationPolicy", {"namespace": namespace}, **spec)


@pytest.mark.parametrize(
    "resources",
    [
        [APPS, authorization_policy("apps")],
        [APPS, authorization_policy("istio-system")],
        [APPS, authorization_policy("apps", action="ALLOW")],
        [an_object("Namespace", {"name": "plain"})],
    ],
)
def test_a_policy_that_allows_nothing_is_a_default_deny(resources: list[Resource]) -> None:
    assert list(default_deny(resources)) == []


@pytest.mark.parametrize(
    "resource",
    [
        an_object("Service", {"namespace": "apps"}),
        authorization_policy("default"),
        authorization_policy("apps", rules=[{}]),
        authorization_policy("apps", selector={"matchLabels": {"app": "a"}}),
        authorization_policy("apps", action="DENY"),
    ],
)
def test_anything_else_is_no_default_deny(resource: Resource) -> None:
    (fault,) = default_deny([APPS, resource])
    assert "no AuthorizationPolicy in apps or istio-system" in fault


@pytest.mark.parametrize(
    ("policy", "levels"),
    [
        ("images-pinned", ("mandatory", "mandatory", "mandatory", "mandatory", "mandatory")),
        ("no-load-balancer", ("advisory", "advisory", "mandatory", "off", "off")),
        ("requests-stated", ("advisory", "advisory", "advisory", "advisory", "mandatory")),
        ("protected", ("off", "off", "off", "mandatory", "mandatory")),
        ("strict-mtls", ("off", "off", "off", "mandatory", "mandatory")),
        ("default-deny", ("off", "off", "off", "off", "mandatory")),
    ],
)
def test_each_stack_has_its_levels(policy: str, levels: tuple[str, ...]) -> None:
    assert tuple(map(POLICY[policy].level, ("dev", "embedded", "ci", "staging", "prod"))) == levels


def test_every_policy_says_what_it_asks_for() -> None:
    assert all(policy.description.endswith((".", ":", "today.")) for policy in POLICIES)


SERVICES = (
    '[{"name": "orders", "image": "registry.example/orders:1.4"}, {"name": "web", "versions": {"v1": "nginx:1"}}]'
)


@pytest.mark.parametrize(
    ("config", "registries"),
    [
        ({}, ["docker.io/istio"]),
        ({"services": SERVICES}, ["docker.io/istio", "registry.example/orders", "docker.io/library/nginx"]),
        (
            {"observability": '{"prometheus": true, "kiali": true, "grafana": false}'},
            [
                "docker.io/istio",
                "quay.io/prometheus/prometheus",
                "quay.io/prometheus-operator/prometheus-config-reloader",
                "quay.io/kiali/kiali",
            ],
        ),
        (
            {"imageRegistry": "mirror.example/hub", "services": SERVICES},
            ["mirror.example/hub/istio", "registry.example/orders", "mirror.example/hub/library/nginx"],
        ),
        ({"imageRegistries": '{"docker.io/istio": "mesh.example"}'}, ["mesh.example"]),
        ({"allowedRegistries": '["only.example"]', "services": SERVICES}, ["only.example"]),
    ],
)
def test_what_a_stacks_configuration_names_is_allowed(config: dict[str, str], registries: list[str]) -> None:
    assert allowed(config) == registries


def test_with_a_mirror_what_is_outside_of_it_is_a_fault() -> None:
    rule = policies({"imageRegistry": "mirror.example"})[0]
    assert not list(rule.faults([workload(image="mirror.example/istio/pilot:1.23.0")]))
    assert len(list(rule.faults([workload(image="docker.io/istio/pilot:1.23.0")]))) == 1
