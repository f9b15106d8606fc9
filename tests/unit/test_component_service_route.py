import re
from typing import Any

import pulumi
import pytest

from components import (
    HeaderFilter,
    PathMatch,
    Redirect,
    Retries,
    Route,
    RouteParent,
    RouteRule,
    ServiceRoute,
    ServiceRouteArgs,
    Traffic,
    UrlRewrite,
    ValueMatch,
)
from components.traffic.routes import rule_specs
from components.traffic.service_route import route_spec
from components.traffic.traffic import Mirror
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

BACKEND = {"name": "orders", "port": 80}
LABELS = {"istio": "ingressgateway"}
V1_V2 = [Route(subset="v1", weight=90), Route(subset="v2", weight=10)]


def args(**changes: Any) -> ServiceRouteArgs:
    whole: dict[str, Any] = {
        "route": "orders-exposed",
        "namespace": "shop",
        "parents": [RouteParent(name="front", namespace="infra", section_name="http")],
        "service": "orders",
        "port": 80,
    }
    return ServiceRouteArgs(**{**whole, **changes})


def traffic(**keys: Any) -> Traffic:
    return Traffic(service="orders", port=80, subsets=["v1", "v2"], **keys)


def rules(**changes: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = route_spec(args(**changes))["rules"]
    return found


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        namespace = something("namespace").id.apply(lambda _: "shop")
        late = traffic(timeout="2s", retries=Retries(attempts=1))
        shown = [RouteRule(redirect=Redirect(port=81), paths=[PathMatch(value="/old")]), RouteRule()]
        given = args(
            namespace=namespace,
            hostnames=["shop.example"],
            rules=shown,
            traffic=late,
            gateway_namespace="infra",
            gateway_labels=LABELS,
            requires=[something("istiod")],
        )
        ServiceRoute("orders", given)

    return compose(declare)


def test_the_route_leads_its_hosts_to_the_service(mesh: Mesh) -> None:
    assert mesh.kind("orders-route") == "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
    assert mesh.inputs("orders-route") == {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "orders-exposed", "namespace": "shop"},
        "spec": {
            "parentRefs": [{"name": "front", "namespace": "infra", "sectionName": "http"}],
            "hostnames": ["shop.example"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
                    "filters": [{"type": "RequestRedirect", "requestRedirect": {"port": 81, "statusCode": 302}}],
                },
                {"backendRefs": [BACKEND]},
            ],
        },
    }
    assert mesh.named("orders-route").dependencies == {"istiod", "namespace"}
    assert mesh.registered["orders"] == {"route": "orders-exposed"}


def test_timeout_and_retries_are_said_to_the_gateways_envoy_for_rules_that_lead_to_the_service(mesh: Mesh) -> None:
    found = mesh.inputs("orders-rules")
    assert (found["kind"], found["metadata"]) == ("EnvoyFilter", {"name": "orders-exposed", "namespace": "infra"})
    assert found["spec"]["workloadSelector"] == {"labels": LABELS}
    (patch,) = found["spec"]["configPatches"]
    assert patch["match"] == {
        "context": "GATEWAY",
        "routeConfiguration": {"vhost": {"route": {"name": "shop.orders-exposed.1"}}},
    }
    assert patch["patch"]["value"]["route"]["timeout"] == "2s"


@pytest.mark.parametrize("changes", [{"gateway_labels": {}}, {"traffic": traffic()}])
def test_nothing_is_said_to_the_envoy_of_somebody_else_or_without_need(
    compose: Compose, changes: dict[str, Any]
) -> None:
    late = {"traffic": traffic(timeout="2s"), "gateway_labels": LABELS}
    assert compose(lambda: ServiceRoute("orders", args(**{**late, **changes}))).names == {"orders", "orders-route"}


def test_a_rule_is_every_pair_of_path_and_method_with_all_headers_and_parameters() -> None:
    rule = RouteRule(
        paths=[PathMatch(type="Exact", value="/a"), PathMatch(value="/b")],
        methods=["GET", "PUT"],
        headers={"x-b": ValueMatch(type="RegularExpression", value=".*"), "x-a": ValueMatch(value="1")},
        query_params={"v": ValueMatch(value="2")},
    )
    common = {
        "headers": [
            {"type": "Exact", "name": "x-a", "value": "1"},
            {"type": "RegularExpression", "name": "x-b", "value": ".*"},
        ],
        "queryParams": [{"type": "Exact", "name": "v", "value": "2"}],
    }
    exact, prefix = {"type": "Exact", "value": "/a"}, {"type": "PathPrefix", "value": "/b"}
    (found,) = rule_specs(rule, "HTTPRoute", [BACKEND])
    assert found["matches"] == [
        {"path": path, "method": method, **common} for path in (exact, prefix) for method in ("GET", "PUT")
    ]


def test_what_is_done_with_a_request_is_said_by_the_gateway_apis_filters() -> None:
    changes = HeaderFilter(set={"b": "2", "a": "1"}, add={"c": "3"}, remove=["d"])
    rule = RouteRule(
        request_headers=changes,
        response_headers=HeaderFilter(remove=["server"]),
        url_rewrite=UrlRewrite(hostname="orders.internal", replace_full_path="/all"),
    )
    (found,) = rule_specs(rule, "HTTPRoute", [BACKEND])
    assert found["filters"] == [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {
                "set": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
                "add": [{"name": "c", "value": "3"}],
                "remove": ["d"],
            },
        },
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
        {
            "type": "URLRewrite",
            "urlRewrite": {
                "hostname": "orders.internal",
                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/all"},
            },
        },
    ]


def test_a_redirect_leads_to_no_service() -> None:
    whole = Redirect(scheme="https", hostname="a.example", port=8443, status_code=301, replace_prefix_match="/new")
    rule = RouteRule(paths=[PathMatch(value="/old")], redirect=whole)
    (found,) = rule_specs(rule, "HTTPRoute", [BACKEND])
    assert found == {
        "matches": [{"path": {"type": "PathPrefix", "value": "/old"}}],
        "filters": [
            {
                "type": "RequestRedirect",
                "requestRedirect": {
                    "scheme": "https",
                    "hostname": "a.example",
                    "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"},
                    "port": 8443,
                    "statusCode": 301,
                },
            }
        ],
    }


def test_a_rule_has_no_more_matches_than_the_oldest_gateway_api_takes() -> None:
    many = RouteRule(paths=[PathMatch(value=f"/{index}") for index in range(9)])
    assert [len(each["matches"]) for each in rule_specs(many, "HTTPRoute", [BACKEND])] == [8, 1]


def test_where_a_prefix_is_replaced_each_match_is_a_rule_of_its_own() -> None:
    paths = [PathMatch(value="/a"), PathMatch(value="/b")]
    rule = RouteRule(paths=paths, url_rewrite=UrlRewrite(replace_prefix_match="/"))
    assert [len(each["matches"]) for each in rule_specs(rule, "HTTPRoute", [BACKEND])] == [1, 1]


def test_more_rules_than_a_route_takes_are_refused() -> None:
    many = [RouteRule(paths=[PathMatch(value=f"/{index}")]) for index in range(17)]
    message = (
        "rules of route orders-exposed are 17 of the Gateway API's; accepted: 16 at most, each for 8 combinations of "
        "path and method, or for one where a prefix is replaced"
    )
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        args(rules=many)


def test_grpc_has_services_and_methods_in_the_place_of_paths(compose: Compose) -> None:
    rule = RouteRule(methods=["shop.Orders", "shop.Orders/Get"])
    mesh = compose(lambda: ServiceRoute("orders", args(kind="GRPCRoute", rules=[rule])))
    found = mesh.inputs("orders-route")
    assert found["kind"] == "GRPCRoute"
    assert found["spec"]["rules"][0]["matches"] == [
        {"method": {"type": "Exact", "service": "shop.Orders"}},
        {"method": {"type": "Exact", "service": "shop.Orders", "method": "Get"}},
    ]


def shares(v1: int, v2: int) -> list[dict[str, Any]]:
    return [{"name": f"orders-{each}", "port": 80, "weight": share} for each, share in (("v1", v1), ("v2", v2))]


def test_the_versions_have_their_shares_of_requests_from_outside() -> None:
    assert rules(traffic=traffic(routes=V1_V2)) == [{"backendRefs": shares(90, 10)}]


def test_routes_by_header_hold_within_every_rule_that_such_a_request_can_meet() -> None:
    jason = Route(subset="v2", headers={"user": "jason"})
    shown = [RouteRule(headers={"user": ValueMatch(value="ann")}), RouteRule(paths=[PathMatch(value="/a")])]
    ann, both, plain = rules(rules=shown, traffic=traffic(routes=[*V1_V2, jason]))
    assert ann["backendRefs"] == plain["backendRefs"] == shares(90, 10)
    assert both == {
        "matches": [
            {
                "path": {"type": "PathPrefix", "value": "/a"},
                "headers": [{"type": "Exact", "name": "user", "value": "jason"}],
            }
        ],
        "backendRefs": [{"name": "orders-v2", "port": 80, "weight": 100}],
    }


def test_a_mirror_gets_a_copy_of_requests_from_outside() -> None:
    (rule,) = rules(traffic=traffic(mirror=Mirror(subset="v2")))
    assert rule == {
        "backendRefs": [BACKEND],
        "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "orders-v2", "port": 80}}}],
    }


def test_what_is_redirected_is_neither_shared_out_nor_copied() -> None:
    (rule,) = rules(rules=[RouteRule(redirect=Redirect(port=81))], traffic=traffic(mirror=Mirror(subset="v2")))
    assert rule == {"filters": [{"type": "RequestRedirect", "requestRedirect": {"port": 81, "statusCode": 302}}]}
