"""Names that the API server, Helm or openssl would refuse in mid-update."""

import json
import re
from typing import Any

import pulumi
import pytest

from components.ownership import Owner
from tests.unit.loading import loaded

SERVICE = "a DNS-1035 label such as reviews, which begins with a letter"


def service(name: str, *versions: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, "versions": dict.fromkeys(versions or ("v1",), "nginx:1"), **more}


def refused(accepted: str, **config: Any) -> None:
    with pytest.raises(pulumi.RunError, match=rf"; accepted: {re.escape(accepted)}"):
        loaded(**{key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()})


@pytest.mark.parametrize("name", ["2048", "1-shop", "a" * 64])
def test_a_service_has_a_name_that_the_dns_takes(name: str) -> None:
    refused(SERVICE, services=[service(name)])
    refused(SERVICE, traffic={name: {"port": 80, "timeout": "1s"}})


CANARY = {"canary": {"from": "v1", "to": "v2", "percent": 10}}
LONG = "a" * 62


@pytest.mark.parametrize(
    "config",
    [
        {"services": [service(LONG, "v1", "v2", traffic=CANARY)]},
        {"traffic": {LONG: {"port": 80, "subsets": ["v1", "v2"], **CANARY}}},
    ],
)
def test_a_canary_needs_room_for_the_version_in_the_name_of_a_service(config: dict[str, Any]) -> None:
    refused(f"nothing while the Service of a subset would be named {LONG}-v1, of 65 characters", **config)


def test_without_such_services_a_long_name_is_taken() -> None:
    policy = {"connectionPool": {"maxConnections": 1}}
    config = loaded(services=json.dumps([service(LONG, "v1", "v2", traffic={**CANARY, **policy})]))
    assert config.services[0].name == LONG


def test_a_canary_may_fill_the_name_to_the_last_letter() -> None:
    name = "a" * 60
    assert loaded(services=json.dumps([service(name, "v1", "v2", traffic=CANARY)])).services[0].name == name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (service("shop", "v1"), service("shop-v1")),
        (service("shop", "v1-a"), service("shop-v1", "a")),
    ],
)
def test_two_services_make_no_object_of_one_name(first: dict[str, Any], second: dict[str, Any]) -> None:
    for services in ([first, second], [second, first]):
        refused("another version or name, as shop-v1", services=services)
    assert loaded(services=json.dumps([first, {**second, "namespace": "other"}]))


@pytest.mark.parametrize("name", ["kubernetes", "waypoint", "bookinfo-gateway-istio"])
def test_a_service_does_not_take_a_name_that_is_in_use(name: str) -> None:
    refused("a name other than ", services=[service(name)])


@pytest.mark.parametrize("key", ["revision", "revisions"])
def test_a_revision_leaves_room_for_istiods_name_in_a_helm_releases(key: str) -> None:
    def value(name: str) -> str:
        return name if key == "revision" else json.dumps([{"name": name, "version": "1.23.0"}])

    selected = {} if key == "revision" else {"revision": "a" * 46}
    assert loaded(**{key: value("a" * 46), **selected})
    refused("a DNS-1123 label of up to 46 characters", **{key: value("a" * 47)})


@pytest.mark.parametrize("selector", [{"app": "a/b"}, {"a b": "x"}, {"app": "a" * 64}])
def test_a_label_is_one_that_the_api_server_takes(selector: dict[str, str]) -> None:
    refused("a label's ", security={"mtls": {"exceptions": {"one": {"selector": selector, "ports": {"80": "STRICT"}}}}})


def test_a_self_signed_certificate_is_for_a_name_that_fits_its_subject() -> None:
    host = f"{'a' * 60}.example"
    refused("a DNS name of up to 64 characters", security={"tls": {"selfSigned": True, "host": host}})


@pytest.mark.parametrize("stack", ["a" * 64, "dev-", "_dev"])
def test_a_stacks_name_is_a_labels_value(stack: str) -> None:
    with pytest.raises(
        pulumi.RunError, match=f"^the stack is named {stack}, which is the value of label istio-minikube/"
    ):
        Owner(stack=stack, kubeconfig="k", context="c")
