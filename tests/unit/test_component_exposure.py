import re
from typing import Any

import pulumi
import pytest

from components import Exposure, ExposureArgs
from components.workloads.exposure import target_ref
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

CERTIFICATE = "cert"
PATHS = (("Exact", "/productpage"), ("PathPrefix", "/static"), ("RegularExpression", "/api/.*"))


def args(**changes: Any) -> ExposureArgs:
    whole: dict[str, Any] = {
        "namespace": "shop",
        "gateway": "front",
        "route": "pages",
        "service": "productpage",
        "port": 9080,
        "paths": PATHS,
        "requires": [],
    }
    return ExposureArgs(**{**whole, **changes})


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        namespace = something("namespace").id.apply(lambda _: "shop")
        exposure = Exposure("exposure", args(namespace=namespace, requires=[something("crds"), something("istiod")]))
        pulumi.export("url", exposure.url("/productpage"))
        pulumi.export("commands", exposure.commands("kubectl --context kind-test"))

    return compose(declare)


def test_the_gateway_takes_http_for_routes_of_its_own_namespace(mesh: Mesh) -> None:
    assert mesh.kind("exposure-gateway") == "kubernetes:gateway.networking.k8s.io/v1:Gateway"
    assert mesh.inputs("exposure-gateway") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": "front",
            "namespace": "shop",
            "annotations": {
                "pulumi.com/waitFor": "condition=Accepted",
            },
        },
        "spec": {
            "gatewayClassName": "istio",
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
            ],
        },
    }


def test_a_gateway_is_given_three_minutes(mesh: Mesh) -> None:
    timeouts = mesh.options("exposure-gateway").customTimeouts
    assert (timeouts.create, timeouts.update) == ("3m", "3m")


def test_with_a_certificate_http_is_there_for_redirects_and_challenges_alone(compose: Compose) -> None:
    mesh = compose(lambda: Exposure("exposure", args(tls_secret=CERTIFICATE)))
    listeners = mesh.inputs("exposure-gateway")["spec"]["listeners"]
    assert [(listener["name"], listener["port"]) for listener in listeners] == [("http", 80), ("https", 443)]
    assert mesh.inputs("exposure-route")["spec"]["parentRefs"] == [{"name": "front", "sectionName": "https"}]
    redirect = mesh.inputs("exposure-redirect")
    assert redirect["metadata"] == {"name": "pages-redirect", "namespace": "shop"}
    assert redirect["spec"] == {
        "parentRefs": [{"name": "front", "sectionName": "http"}],
        "rules": [
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
        ],
    }


def test_without_a_certificate_nothing_is_redirected(mesh: Mesh) -> None:
    assert "exposure-redirect" not in mesh.names


def test_a_policy_names_the_gateway_by_group_and_kind() -> None:
    assert target_ref("front") == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}


def test_the_route_leads_its_paths_to_the_service(mesh: Mesh) -> None:
    assert mesh.kind("exposure-route") == "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
    assert mesh.inputs("exposure-route") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "pages", "namespace": "shop"},
        "spec": {
            "parentRefs": [{"name": "front"}],
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "Exact", "value": "/productpage"}},
                        {"path": {"type": "PathPrefix", "value": "/static"}},
                        {"path": {"type": "RegularExpression", "value": "/api/.*"}},
                    ],
                    "backendRefs": [{"name": "productpage", "port": 9080}],
                }
            ],
        },
    }


@pytest.mark.parametrize("service_type", ["NodePort", "ClusterIP"])
def test_a_gateway_that_gets_an_address_for_sure_is_waited_for_to_the_end(compose: Compose, service_type: str) -> None:
    mesh = compose(lambda: Exposure("exposure", args(service_type=service_type)))
    assert mesh.inputs("exposure-gateway")["metadata"]["annotations"] == {
        "networking.istio.io/service-type": service_type,
        "pulumi.com/waitFor": "condition=Programmed",
    }


def test_a_revision_is_the_gateways_label(compose: Compose) -> None:
    mesh = compose(lambda: Exposure("exposure", args(revision="1-23-0")))
    assert mesh.inputs("exposure-gateway")["metadata"]["labels"] == {"istio.io/rev": "1-23-0"}


@pytest.mark.parametrize("name", ["exposure-gateway", "exposure-route"])
def test_both_belong_to_it_and_wait_for_crds_istiod_and_namespace(mesh: Mesh, name: str) -> None:
    assert mesh.named(name).parent == "exposure"
    assert mesh.named(name).dependencies == {"crds", "istiod", "namespace"}


def test_its_output_is_the_gateways_name(mesh: Mesh) -> None:
    assert mesh.registered["exposure"] == {"gateway": "front"}


def test_it_knows_how_a_person_reaches_it(mesh: Mesh) -> None:
    assert mesh.outputs == {
        "url": "http://localhost:8080/productpage",
        "commands": {
            "portForward": "kubectl --context kind-test --namespace shop port-forward service/front-istio 8080:80",
            "pods": "kubectl --context kind-test --namespace shop get pods",
            "gateway": "kubectl --context kind-test --namespace shop get gateway front",
        },
    }


@pytest.mark.parametrize("path", [("Prefix", "/"), ("Exact", "productpage"), ("Exact", "")])
def test_a_path_the_gateway_api_does_not_know_is_refused(path: tuple[str, str]) -> None:
    message = f"paths has {path!r}; accepted: a kind of Exact, PathPrefix, RegularExpression and a path from /"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        args(paths=[*PATHS, path])
