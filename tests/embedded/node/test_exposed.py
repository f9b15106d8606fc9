"""Own services from outside, and the gateways' Services, by requests: each row of the tables in docs/gateways.md."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from components.commands import self_signed
from embedded.node.addresses import NODE_ADDRESS
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import load_balancer
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.shown import (
    FIXED,
    GATEWAY,
    GATEWAYS,
    HEALTH_PORT,
    MIXED,
    NODE_PORT,
    OWN,
    PATIENCE,
    STARS,
    answered,
    ask,
    echoing,
)

GRPC = "-H=content-type=application/grpc"
AT_GATEWAY = "--namespace=istio-system"
# Whoever wants Istio's own API uses a gateway's further port so.
FURTHER = f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: further, namespace: {NAMESPACE}}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 7000, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: further, namespace: {NAMESPACE}}}
spec:
  gateways: [further]
  hosts: ["*"]
  http: [{{route: [{{destination: {{host: stars, port: {{number: 9080}}}}}}]}}]
"""


@pytest.fixture(scope="module")
def own_certificate(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The certificate, as PEM, of a Secret that somebody else keeps beside the gateway."""
    made, folder = self_signed.make("own.example"), tmp_path_factory.mktemp("certificate")
    for name, content in made.items():
        (folder / name).write_text(content)
    if mesh.kubectl.tried("get", "namespace", "istio-system").returncode:
        mesh.up()
    files = (f"--cert={folder / 'certificate'}", f"--key={folder / 'key'}")
    mesh.kubectl("create", "secret", "tls", OWN, AT_GATEWAY, *files)
    yield made["certificate"]
    mesh.kubectl("delete", "secret", OWN, AT_GATEWAY)


@pytest.fixture(scope="module", autouse=True)
def up(mesh: Mesh, own_certificate: str) -> dict[str, Any]:
    assert own_certificate
    return mesh.up(bookinfo="false", services=json.dumps([echoing(), STARS, MIXED]), gateways=json.dumps(GATEWAYS))


@pytest.mark.parametrize(
    ("url", "options", "status", "found"),
    [
        ("/cart/0", ["-host=shop.example"], 301, '"Location": ["https://shop.example/cart/0"]'),
        ("s/cart/0", ["-host=shop.example"], 200, '"X-Host": ["shop.example"]'),
        ("s/ratings/0", ["-host=shop.example"], 200, "Reviewer1"),
        ("s/other", ["-host=shop.example"], 404, ""),
        ("/any", ["-host=both.example"], 200, '"X-Host": ["both.example"]'),
        ("s/any", ["-host=both.example"], 200, '"X-Host": ["both.example"]'),
        ("/any", ["-host=one.wild.example"], 200, '"X-Host": ["one.wild.example"]'),
        ("/any", ["-host=wild.example"], 404, ""),
        ("/cart/0", ["-host=unknown.example"], 404, ""),
        ("/shop/3", ["-host=plain.example"], 200, '"X-Path": ["/cart/3"]'),
        ("/shop/3", ["-host=plain.example"], 200, '"X-Host": ["cart.internal"]'),
        ("/whole/1", ["-host=plain.example"], 200, '"X-Path": ["/cart/7"]'),
        ("/exact", ["-host=plain.example", "-H=x-env=test"], 200, '"X-Got": ["by the gateway"]'),
        ("/exact", ["-host=plain.example"], 404, ""),
        ("/posted", ["-host=plain.example"], 404, ""),
        ("/v2/a?v=1", ["-host=plain.example"], 200, '"X-Path": ["/v2/a?v=1"]'),
        ("/v2/a", ["-host=plain.example"], 404, ""),
        ("/old/3", ["-host=plain.example"], 302, '"Location": ["http://new.example/cart/3"]'),
        ("/gone/3", ["-host=plain.example"], 301, '"Location": ["https://plain.example:8443/new"]'),
        ("/changed", ["-host=plain.example", "-H=x-env=test"], 200, '"X-Got": ["more"]'),
        # Added to it; the service tells of the first.
        ("/changed", ["-host=plain.example", "-H=x-env=test", "-H=x-sent=some"], 200, '"X-Got": ["some"]'),
        ("/changed", ["-host=plain.example", "-H=x-env=test"], 200, '"X-Path": ["/changed", "more"]'),
        ("/changed", ["-host=plain.example", "-H=x-env=no"], 404, ""),
        ("/shop.Orders/List", ["-host=grpc.example", GRPC], 200, '"X-Protocol": ["HTTP/2"]'),
        ("/shop.Carts/Get", ["-host=grpc.example", GRPC], 200, '"X-Path": ["/shop.Carts/Get"]'),
        ("/shop.Carts/Put", ["-host=grpc.example"], 404, ""),
        (f"http://{GATEWAY}.istio-system:9000/anything", [], 200, '"X-Path": ["/anything"]'),
        (f"http://{GATEWAY}.istio-system:700/anything", [], 200, '"X-Path": ["/anything"]'),
        ("s/anything", ["-host=pass.example"], 200, '"X-Path": ["/anything"]'),
        (f"https://{GATEWAY}.istio-system:9443/any", ["-host=further.example"], 200, '"X-Path": ["/any"]'),
        ("s/anything", ["-host=nobody.example"], 0, ""),
        ("/health", ["-host=mixed.example", "-H=end-user=jason"], 200, "Ratings is healthy"),
        ("http://internal.gateways/", ["-host=internal.example"], 200, '"X-Host": ["internal.example"]'),
        ("/", ["-host=internal.example"], 404, ""),
    ],
)
def test_a_request_from_outside_is_answered(mesh: Mesh, url: str, options: list[str], status: int, found: str) -> None:
    def is_answered() -> bool:
        answer = ask(mesh, url, *options)
        return answer["status"] == status and found in json.dumps([answer.get("headers"), answer.get("body")])

    eventually(is_answered, PATIENCE)


def test_an_answers_headers_are_set_and_removed(mesh: Mesh) -> None:
    def is_changed() -> bool:
        headers = ask(mesh, "/exact", "-host=plain.example", "-H=x-env=test").get("headers", {})
        return headers.get("X-Shown") == ["yes"] and "X-Path" in headers and "X-Host" not in headers

    eventually(is_changed, PATIENCE)


def test_a_requests_headers_are_removed(mesh: Mesh) -> None:
    sent = ("-host=plain.example", "-H=x-sent=some")
    eventually(lambda: ask(mesh, "/shop/3", *sent).get("headers", {}).get("X-Got") == ["some"], PATIENCE)

    def is_removed() -> bool:
        answer = ask(mesh, "/removed", *sent)
        return answer["status"] == 200 and "X-Got" not in answer["headers"]

    eventually(is_removed, PATIENCE)


def test_what_is_asked_for_by_another_method_is_answered(mesh: Mesh) -> None:
    eventually(lambda: mesh.request("/posted", host="plain.example", method="POST").status == 200, PATIENCE)


def test_a_host_has_the_certificate_of_the_secret_that_is_named(mesh: Mesh, own_certificate: str) -> None:
    host, _, port = mesh.node.address("https").rpartition(":")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

    def shown() -> bytes | None:
        try:
            with (
                socket.create_connection((host, int(port)), timeout=10) as connection,
                trusting.wrap_socket(connection, server_hostname="own.example") as secure,
            ):
                return secure.getpeercert(binary_form=True)
        except OSError:
            return None

    eventually(lambda: shown() == ssl.PEM_cert_to_DER_cert(own_certificate), PATIENCE)


def test_a_canarys_shares_hold_for_requests_from_outside(mesh: Mesh) -> None:
    seen = set[str]()

    def both() -> bool:
        seen.update(re.findall(r"(\w+) is healthy", ask(mesh, "/health", "-host=mixed.example").get("body", "")))
        return seen == {"Details", "Ratings"}

    eventually(both, PATIENCE)


def test_the_host_reaches_the_ingress_gateway_where_there_is_no_bookinfo(mesh: Mesh) -> None:
    eventually(lambda: mesh.request("/", host="named.example").status == 200, PATIENCE)


def test_the_gateways_service_is_as_it_was_described(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", GATEWAY, "--namespace=istio-system")
    assert service["metadata"]["annotations"]["example.com/internal"] == "true"
    spec = service["spec"]
    assert {key: spec[key] for key in ("clusterIP", "externalTrafficPolicy", "ipFamilies", "ipFamilyPolicy")} == {
        "clusterIP": FIXED,
        "externalTrafficPolicy": "Local",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    address = load_balancer(mesh.kubectl, GATEWAY, "istio-system")
    for at in (f"http://{FIXED}", f"http://{NODE_ADDRESS}:{NODE_PORT}", f"http://{address}"):
        answered(mesh, 200, f"{at}/shop/3", "-host=plain.example")
    # What a load balancer asks each node, so that it sends nothing to those without a pod.
    answered(mesh, 200, f"http://{NODE_ADDRESS}:{HEALTH_PORT}/healthz")


def test_a_further_port_is_for_istio_gateways_of_ones_own(mesh: Mesh) -> None:
    mesh.kubectl.apply(FURTHER)
    answered(mesh, 200, f"http://{GATEWAY}.istio-system:7000/ratings/0")
    mesh.kubectl("delete", "gateways.networking.istio.io/further", "virtualservice/further", f"--namespace={NAMESPACE}")


def test_of_two_replicas_one_may_be_disrupted(mesh: Mesh) -> None:
    def allowed() -> Any:
        budget = mesh.kubectl.json("get", "poddisruptionbudget", "internal", "--namespace=gateways")
        return budget["status"].get("disruptionsAllowed")

    eventually(lambda: allowed() == 1, PATIENCE)


def test_a_load_balancer_of_another_class_is_left_to_it(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", "internal", "--namespace=gateways")
    assert service["spec"]["loadBalancerClass"] == "example.com/none"
    assert service["status"] == {"loadBalancer": {}}


def test_an_egress_gateway_runs_and_is_for_the_cluster_alone(mesh: Mesh) -> None:
    service = mesh.kubectl.json("get", "service", "egress", "--namespace=istio-system")
    assert service["spec"]["type"] == "ClusterIP"
    mesh.kubectl("wait", "--namespace=istio-system", "--for=condition=Available", "deployment/egress", "--timeout=120s")


def test_the_outputs_say_where_services_are(up: dict[str, Any]) -> None:
    assert up["exposed"]["stars"] == ["https://shop.example/ratings"]
    assert up["exposed"]["echo"][0] == "https://shop.example/cart"
    assert up["gateways"]["internal"].endswith("--namespace gateways port-forward service/internal 8080:80 8443:443")
