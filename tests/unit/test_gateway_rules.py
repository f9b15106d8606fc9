"""Rules for a service behind the Gateway, where the Gateway sees them."""

import json
from typing import Any

import pytest

from components.traffic.gateway_rules import gateway_filter, seconds
from components.traffic.traffic import Fault, Retries, Traffic
from tests.unit.conftest import Run
from tests.unit.recording import Mesh

FILTER = "traffic-productpage-gateway"
STRICT = json.dumps({"mtls": {"mode": "STRICT"}})


def page(**rules: Any) -> str:
    return json.dumps({"productpage": rules})


def route(**rules: Any) -> Any:
    traffic = Traffic(service="productpage", port=9080, **rules)
    (patch,) = gateway_filter(traffic, "bookinfo-gateway")["configPatches"]
    return patch["patch"]["value"]


def test_a_fault_of_the_page_is_said_to_the_gateways_own_pods(run: Run) -> None:
    mesh = run(traffic=page(fault={"abort": 503}))
    made = mesh.inputs(FILTER)
    assert (made["kind"], made["metadata"]) == (
        "EnvoyFilter",
        {"name": "productpage-at-bookinfo-gateway", "namespace": "default"},
    )
    spec = made["spec"]
    assert spec["workloadSelector"] == {"labels": {"gateway.networking.k8s.io/gateway-name": "bookinfo-gateway"}}
    (patch,) = spec["configPatches"]
    assert (patch["applyTo"], patch["match"]["context"], patch["patch"]["operation"]) == (
        "HTTP_ROUTE",
        "GATEWAY",
        "MERGE",
    )
    (fault,) = patch["patch"]["value"]["typed_per_filter_config"].values()
    assert fault["abort"] == {"http_status": 503, "percentage": {"numerator": 1000000, "denominator": "MILLION"}}
    assert mesh.inputs("traffic-productpage-virtualservice")["spec"]["http"][0]["fault"]["abort"]["httpStatus"] == 503


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"timeout": "1m30s"}, {"route": {"timeout": "90s"}}),
        (
            {"retries": Retries(attempts=3, per_try_timeout="500ms", on="5xx")},
            {"route": {"retry_policy": {"num_retries": 3, "retry_on": "5xx", "per_try_timeout": "0.5s"}}},
        ),
        ({"retries": Retries(attempts=0)}, {"route": {"retry_policy": {"retry_on": "retriable-headers"}}}),
    ],
)
def test_a_timeout_and_retries_are_the_routes(rules: dict[str, Any], expected: dict[str, Any]) -> None:
    assert route(**rules) == expected


def test_a_fault_may_be_a_delay_of_some_requests_of_some_users() -> None:
    (fault,) = route(fault=Fault(delay="7s", percent=0.5, headers={"end-user": "jason"}))[
        "typed_per_filter_config"
    ].values()
    assert fault == {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "7s", "percentage": {"numerator": 5000, "denominator": "MILLION"}},
        "headers": [{"name": "end-user", "string_match": {"exact": "jason"}}],
    }


@pytest.mark.parametrize(("said", "read"), [("500ms", "0.5s"), ("2s", "2s"), ("1h", "3600s"), ("1m1s1ms", "61.001s")])
def test_a_duration_is_said_in_seconds(said: str, read: str) -> None:
    assert seconds(said) == read


@pytest.mark.parametrize(
    "config",
    [
        {"traffic": json.dumps({"reviews": {"fault": {"abort": 503}}})},
        {"traffic": page(connectionPool={"maxConnections": 1})},
        {"traffic": page(routes=[{"subset": "v1"}])},
        {"scenario": "circuit-breaker"},
    ],
)
def test_what_the_gateway_sees_anyway_or_does_not_lead_to_needs_nothing(run: Run, config: dict[str, str]) -> None:
    assert FILTER not in run(**config).names


def checked(mesh: Mesh) -> list[Any]:
    return list(json.loads(mesh.inputs("mesh-check-command")["stdin"])["pages"])


def test_the_check_asks_for_no_page_that_fails_on_purpose(run: Run) -> None:
    assert checked(run(traffic=page(fault={"abort": 503})))  # past the mesh
    assert not checked(run(traffic=page(fault={"abort": 503}), security=STRICT))
    assert checked(run(traffic=page(fault={"abort": 503, "headers": {"end-user": "jason"}}), security=STRICT))
