import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import catalogue
from components.gateway_api import POLICY
from components.mesh.gateway_api_crds import POLICIES, POLICIES_SINCE
from components.versions import Version
from operations.manifests.evaluate import PROJECT, stack_config
from program.lookup import Cluster, Crd
from program.preflight import plan
from program.rules.foreign import Object, declared, stranger
from tests.unit.loading import load, loaded
from tests.unit.recording import Mesh, evaluated
from tests.unit.test_preflight import SETTINGS

STACKS = sorted(path.suffixes[0][1:] for path in PROJECT.glob("Pulumi.*.yaml"))
SHARED = ("Namespace", "NamespacePatch")
GATEWAYS = "gateways.gateway.networking.k8s.io"
DETAILS = Object(api_version="apps/v1", kind="Deployment", namespace="default", name="details-v1")
BINDING = Object(
    api_version="rbac.authorization.k8s.io/v1", kind="RoleBinding", namespace="istio-system", name="istio-ingress"
)
ORDERS = {"name": "orders", "namespace": "shop", "versions": {"v1": "o:1", "v2": "o:2"}, "port": 80}
LEGACY = {"name": "legacy", "kind": "existing", "namespace": "old", "port": 80, "traffic": {"timeout": "1s"}}
CANARY = {"canary": {"from": "v1", "to": "v2", "percent": 10}}
EXCEPTION = {"selector": {"app": "ratings"}, "ports": {"9080": "DISABLE"}}
JWT = {"issuer": "https://issuer.example", "jwksUri": "https://issuer.example/keys"}
AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "gatewayApiVersion": "v1.2.1"}

PORTS = [{"name": "http", "port": 80}, {"name": "grpc", "port": 90}]
SHOWN: list[dict[str, Any]] = [
    {"hosts": ["shop.example", "*.shop.example"], "tls": {"selfSigned": True}, "paths": ["/orders"]},
    {
        "hosts": ["manager.example"],
        "tls": {
            "certManager": {"issuer": "ca"},
        },
        "protocol": "GRPC",
    },
    {"protocol": "TCP", "listen": 5432},
    {"protocol": "TLS", "hosts": ["pass.example"], "gateway": "internal"},
    {"gateway": {"name": "theirs", "namespace": "elsewhere"}, "hosts": ["theirs.example"]},
]

# What brings objects that no stack's file asks for.
RICH: dict[str, dict[str, Any]] = {
    "everything forbidden": {
        "security": {
            "mtls": {"exceptions": {"plain": EXCEPTION}},
            "authorization": True,
            "jwt": JWT,
            "tls": {"selfSigned": True},
            "networkPolicies": {},
        },
        "services": [{**ORDERS, "allowFrom": ["a"]}],
    },
    "a mode and telemetry of one namespace": {
        "security": {"mtls": {"scope": "namespace"}, "tls": {"secret": "mine"}},
        "observability": {"scope": "namespace", "accessLogs": True},
    },
    "telemetry of the mesh, and addons": {"observability": {"prometheus": True, "jaeger": True}},
    "a certificate of cert-manager's": {"security": {"tls": {"certManager": {"issuer": "ca"}, "host": "a.example"}}},
    "no Bookinfo": {
        "bookinfo": False,
        "security": {"authorization": True, "networkPolicies": {}},
        "services": [ORDERS],
        "traffic": {"elsewhere": {"port": 80, "timeout": "1s"}},
    },
    "policies and tokens of services": {
        "security": {
            "authorization": True,
            "jwt": {**JWT, "forwardOriginalToken": True, "services": ["orders", "reviews"]},
            "policies": {
                "a": {"gateway": "bookinfo-gateway", "rules": []},
                "b": {"service": "orders", "rules": []},
                "c": {"service": "legacy", "rules": [], "dryRun": True},
            },
        },
        "services": [{**ORDERS, "allowFrom": ["a"]}, {**LEGACY, "allowFrom": ["a"]}],
    },
    "dry runs": {
        "security": {
            "authorization": "dry-run",
            "jwt": {**JWT, "required": "dry-run"},
            "policies": {"a": {"gateway": "bookinfo-gateway", "rules": []}},
        },
        "services": [{**ORDERS, "allowFrom": ["a"]}],
    },
    "a gateway for all": {
        "bookinfo": False,
        "security": {
            "jwt": {**JWT, "gateways": ["istio-ingressgateway"]},
            "policies": {"a": {"gateway": "istio-ingressgateway", "rules": []}},
        },
    },
    "tokens that need not be given": {"security": {"jwt": {**JWT, "required": False}}},
    "pods that come and go": {
        "services": [
            {
                **ORDERS,
                "resources": {"requests": {"cpu": "10m"}},
                "autoscaling": {"maxReplicas": 3},
                "podDisruptionBudget": {"minAvailable": 1},
            },
            {**LEGACY, "expose": [{"hosts": ["legacy.example"]}]},
        ],
        "security": {"authorization": True},
    },
    "gateways": {
        "bookinfo": False,
        "security": {"authorization": True},
        "egress": [{"host": "by.example", "gateway": "egress"}],
        "services": [
            {**ORDERS, "port": None, "ports": PORTS, "traffic": CANARY, "expose": SHOWN},
            {**ORDERS, "name": "late", "traffic": {"timeout": "1s"}, "expose": [{"paths": ["/late"]}]},
        ],
        "gateways": {
            "istio-ingressgateway": {"namespace": "front"},
            "internal": {"namespace": "gateways", "replicas": 2},
            "egress": {"kind": "egress", "namespace": "out"},
        },
    },
    "routes": {"scenario": "all-v1", "services": [{**ORDERS, "traffic": CANARY}]},
    "faults": {"scenario": "ratings-delay", "traffic": {"details": {"loadBalancer": "RANDOM"}}},
    "hosts outside": {
        "egress": [{"host": "*.example.com"}, {"host": "a.example", "ports": {"80": "HTTP"}, "tls": {}}],
        "outboundTrafficPolicy": "REGISTRY_ONLY",
        "rollout": ["elsewhere"],
    },
    "ambient": {**AMBIENT, "services": [ORDERS]},
    "revisions": {
        "istioVersion": "1.24.6",
        "gatewayApiVersion": "v1.2.1",
        "revisions": [{"name": "1-23-6", "version": "1.23.6"}, {"name": "1-24-6", "version": "1.24.6"}],
        "tags": {"default": "1-23-6", "next": "1-24-6"},
    },
    "a release with policies": {
        "istioVersion": "1.30.3",
        "kubernetesVersion": "v1.34.0",
        "gatewayApiVersion": "v1.5.1",
    },
}

Case = tuple[frozenset[Object], Mesh]
Declare = Callable[..., Case]


@pytest.fixture(scope="module")
def declare(tmp_path_factory: pytest.TempPathFactory) -> Declare:
    """What the rules say that a stack declares, and the whole program: ``declare(stack, cluster, key=value)``."""

    def release(version: str) -> Path:
        """A folder with a release of the Gateway API: a CRD and, where it has them, its policies."""
        marks = {"bundle-version": version, "channel": "standard"}
        annotations = {f"gateway.networking.k8s.io/{key}": value for key, value in marks.items()}
        crd = {"metadata": {"name": GATEWAYS, "annotations": annotations}, "spec": {}}
        policies = POLICIES if Version.parse(version) >= POLICIES_SINCE else ()
        documents = [{"kind": "CustomResourceDefinition", **crd}]
        documents += [{"kind": kind, "metadata": {"name": POLICY}, "spec": {}} for kind in policies]
        folder = tmp_path_factory.mktemp(version)
        (folder / "release.yaml").write_text(yaml.safe_dump_all(documents))
        return folder

    def declare(stack: str, cluster: Cluster, **keys: Any) -> Case:
        config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in keys.items()}
        config["istioChartRepository"] = "https://charts.example"
        settings = load(stack_config(stack, config))
        config["gatewayApiManifest"] = str(release(settings.gateway_api_version))
        brings = all(crd.ours for crd in cluster.gateway_api.values())
        return declared(settings, brings_gateway_api=brings), evaluated(stack, config, cluster)

    return declare


@pytest.fixture(scope="module")
def cases(declare: Declare) -> dict[str, Case]:
    """Every stack, and every stack dev that asks for more."""
    rich = {name: declare("dev", Cluster(), **config) for name, config in RICH.items()}
    return {stack: declare(stack, Cluster()) for stack in STACKS} | rich


def registered(mesh: Mesh) -> set[Object]:
    """The objects that the program registered each as a resource of its own, but for namespaces."""
    inputs = [each.inputs for each in mesh.registrations if each.token.startswith("kubernetes:")]
    return {
        Object(
            api_version=each["apiVersion"],
            kind=each["kind"],
            namespace=each["metadata"].get("namespace", ""),
            name=each["metadata"]["name"],
        )
        for each in inputs
        if each.get("kind") not in (None, *SHARED)
    }


@pytest.mark.parametrize("case", [*STACKS, *RICH])
def test_the_objects_of_a_stack_are_those_that_the_program_registers(cases: dict[str, Case], case: str) -> None:
    said, mesh = cases[case]
    assert said == registered(mesh)


def test_no_component_is_without_a_case(cases: dict[str, Case]) -> None:
    used = {each.token for _, mesh in cases.values() for each in mesh.registrations if not each.custom}
    resources = [each for each in vars(catalogue).values() if isinstance(each, type)]
    known = {each.__name__ for each in resources if issubclass(each, pulumi.ComponentResource)}
    assert {token.rpartition(":")[2] for token in used} == known


def test_beside_somebody_elses_gateway_api_its_policies_are_not_brought(declare: Declare) -> None:
    found = Cluster(gateway_api={GATEWAYS: Crd(bundle_version="v1.5.1", channel="standard", ours=False)})
    said, mesh = declare("dev", found, **RICH["a release with policies"])
    assert said == registered(mesh)
    assert not {each for each in said if each.kind in POLICIES}


@pytest.mark.parametrize(
    ("keys", "twice"),
    [
        (
            {"services": [{**ORDERS, "expose": [{}]}, {**ORDERS, "name": "orders-exposed", "traffic": CANARY}]},
            "HTTPRoute shop/orders-exposed",
        ),
        (
            {
                "services": [
                    {**LEGACY, "versions": ["v1", "v2"], "traffic": CANARY},
                    {**ORDERS, "name": "legacy-v1", "namespace": "old"},
                ]
            },
            "Service old/legacy-v1",
        ),
        (
            {
                "services": [{**ORDERS, "expose": [{**SHOWN[0], "gateway": name} for name in ("a", "b")]}],
                "gateways": {"a": {}, "b": {}},
            },
            "Secret istio-system/shop.example-tls, Secret istio-system/wildcard.shop.example-tls",
        ),
    ],
    ids=["a route", "the Service of a version", "a certificate of two gateways in one namespace"],
)
def test_two_parts_of_the_configuration_do_not_create_one_object(keys: dict[str, Any], twice: str) -> None:
    settings = loaded(**{key: json.dumps(value) for key, value in keys.items()})
    with pytest.raises(pulumi.RunError, match=f"would create the same object: {re.escape(twice)}. Give one of them"):
        plan(settings, Cluster())


def managed(*managers: str, subresource: str = "", **labels: str) -> dict[str, Any]:
    entries = [{"manager": manager, **({"subresource": subresource} if subresource else {})} for manager in managers]
    return {"managedFields": entries, "labels": labels}


def marked(stack: str) -> dict[str, Any]:
    return {"labels": {"istio-minikube/stack": stack}}


@pytest.mark.parametrize(
    ("metadata", "namespace"),
    [
        (managed("pulumi-kubernetes-1a2b3c4d"), {}),
        (managed("pulumi-kubernetes"), marked("dev")),
        (managed("kubectl-rollout", "pulumi-kubernetes-1a2b3c4d"), {"labels": {"kubernetes.io/metadata.name": "a"}}),
        ({**managed("pulumi-kubernetes-1a2b3c4d"), **marked("dev")}, marked("another")),
        ({**managed("kubectl-create"), **marked("dev")}, {}),
    ],
    ids=["made by Pulumi", "in a namespace of this stack's", "touched by hand", "marked itself", "marked by hand"],
)
def test_what_is_marked_as_this_stacks_or_made_by_pulumi_and_marked_by_no_other_stack_is_its_own(
    metadata: dict[str, Any], namespace: dict[str, Any]
) -> None:
    assert stranger(metadata, namespace, "dev") == ""


@pytest.mark.parametrize(
    ("metadata", "namespace", "whose"),
    [
        (managed("kubectl-client-side-apply"), {}, "of kubectl-client-side-apply"),
        (managed("kubectl-create", "helm"), marked("dev"), "of helm and kubectl-create"),
        ({}, {}, "of an unknown manager"),
        (managed("pulumi-kubernetes-1a2b3c4d", subresource="status"), {}, "of an unknown manager"),
        (managed("pulumi-kubernetes-1a2b3c4d"), marked("another"), "of stack another"),
        ({**managed("pulumi-kubernetes-1a2b3c4d"), **marked("another")}, marked("dev"), "of stack another"),
    ],
    ids=["kubectl", "two managers", "no managers", "status only", "another stack's namespace", "another stack's mark"],
)
def test_anything_else_is_somebody_elses(metadata: dict[str, Any], namespace: dict[str, Any], whose: str) -> None:
    assert stranger(metadata, namespace, "dev") == whose


def told(foreign: Mapping[Object, str]) -> str:
    with pytest.raises(pulumi.RunError) as refusal:
        plan(SETTINGS, Cluster(foreign=foreign))
    return str(refusal.value)


def test_somebody_elses_objects_are_refused_each_with_whose_it_is_and_what_to_do() -> None:
    assert told({BINDING: "of helm", DETAILS: "of kubectl-create"}) == (
        "objects that this stack would create exist already and are not its own: Deployment default/details-v1 "
        "(of kubectl-create), RoleBinding istio-system/istio-ingress (of helm). Nothing was touched. Delete or rename "
        "them, set namespace to another, or run `make recover` and then `make up`: the stack then takes them over, and "
        "`make destroy` will remove them. An object of the stack's that was created again by hand is its own once it "
        "is labelled istio-minikube/stack=STACK"
    )


def test_another_namespace_is_advised_only_where_it_helps() -> None:
    assert "set namespace" not in told({BINDING: "of helm"})


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (DETAILS, "/apis/apps/v1/namespaces/default/deployments"),
        (Object(api_version="v1", kind="Service", namespace="shop", name="a"), "/api/v1/namespaces/shop/services"),
        (
            Object(api_version="networking.k8s.io/v1", kind="NetworkPolicy", namespace="shop", name="a"),
            "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies",
        ),
        (
            Object(api_version="g/v1", kind="Gateway", namespace="shop", name="a"),
            "/apis/g/v1/namespaces/shop/gateways",
        ),
        (Object(api_version="g/v1", kind="Thing", namespace="", name="a"), "/apis/g/v1/things"),
    ],
)
def test_objects_are_looked_for_where_the_api_lists_them(kind: Object, path: str) -> None:
    assert kind.listing == path
