import re
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.traffic.traffic import Traffic, kinds
from components.traffic.traffic_policy import TrafficPolicy, TrafficPolicyArgs, spec_of
from program.config.scenarios import SCENARIOS
from program.config.traffic import read_all, read_scenario
from program.config.values import Value
from tests.unit.loading import refusal
from tests.unit.recording import Mesh, composed

JASON = [{"headers": [{"type": "Exact", "name": "end-user", "value": "jason"}]}]
JASON_IN_ISTIO = [{"headers": {"end-user": {"exact": "jason"}}}]
HUNDRED = {"value": 100}
V1_TO_V3 = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2", "v3")]
V1 = V1_TO_V3[:1]


def read(wanted: Any, scenario: str = "", *, bookinfo: bool = True, elsewhere: tuple[str, ...] = ()) -> list[Traffic]:
    value = Value("istio-minikube:traffic", wanted)
    return list(read_all(value, scenario, bookinfo=bookinfo, elsewhere=elsewhere))


def specs(policies: list[Traffic]) -> dict[str, Any]:
    return {f"{kind}/{each.service}": spec_of(kind, each) for each in policies for kind in kinds(each)}


def parent(service: str) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": service, "port": 9080}


def backend(name: str, **weight: int) -> dict[str, Any]:
    return {"name": name, "port": 9080, **weight}


def http_route(service: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"parentRefs": [parent(service)], "rules": list(rules)}


def all_to(subset: str) -> dict[str, Any]:
    return {"backendRefs": [backend(subset)]}


def destination(service: str, subset: str) -> list[dict[str, Any]]:
    return [{"destination": {"host": service, "subset": subset}}]


JASON_TO_V2 = http_route(
    "reviews", {"matches": JASON, "backendRefs": [backend("reviews-v2")]}, {"backendRefs": [backend("reviews-v1")]}
)


def ratings_with(fault: dict[str, Any]) -> dict[str, Any]:
    to_v1 = destination("ratings", "v1")
    return {"hosts": ["ratings"], "http": [{"match": JASON_IN_ISTIO, "fault": fault, "route": to_v1}, {"route": to_v1}]}


RATINGS = {"host": "ratings", "subsets": V1}
EXPECTED: dict[str, dict[str, Any]] = {
    "all-v1": {
        f"HTTPRoute/{service}": http_route(service, all_to(f"{service}-v1"))
        for service in ("productpage", "reviews", "ratings", "details")
    },
    "reviews-90-10": {
        "HTTPRoute/reviews": http_route(
            "reviews", {"backendRefs": [backend("reviews-v1", weight=90), backend("reviews-v2", weight=10)]}
        )
    },
    "reviews-50-50": {
        "HTTPRoute/reviews": http_route(
            "reviews", {"backendRefs": [backend("reviews-v1", weight=50), backend("reviews-v3", weight=50)]}
        )
    },
    "reviews-v3": {"HTTPRoute/reviews": http_route("reviews", all_to("reviews-v3"))},
    "jason-v2": {"HTTPRoute/reviews": JASON_TO_V2},
    "ratings-delay": {
        "HTTPRoute/reviews": JASON_TO_V2,
        "DestinationRule/ratings": RATINGS,
        "VirtualService/ratings": ratings_with({"delay": {"percentage": HUNDRED, "fixedDelay": "7s"}}),
    },
    "ratings-abort": {
        "HTTPRoute/reviews": JASON_TO_V2,
        "DestinationRule/ratings": RATINGS,
        "VirtualService/ratings": ratings_with({"abort": {"percentage": HUNDRED, "httpStatus": 500}}),
    },
    "reviews-timeout": {
        "DestinationRule/reviews": {"host": "reviews", "subsets": V1_TO_V3},
        "VirtualService/reviews": {
            "hosts": ["reviews"],
            "http": [{"route": destination("reviews", "v2"), "timeout": "500ms"}],
        },
        "DestinationRule/ratings": RATINGS,
        "VirtualService/ratings": {
            "hosts": ["ratings"],
            "http": [
                {
                    "fault": {"delay": {"percentage": HUNDRED, "fixedDelay": "2s"}},
                    "route": destination("ratings", "v1"),
                }
            ],
        },
    },
    "reviews-mirror": {
        "HTTPRoute/reviews": http_route(
            "reviews",
            {
                "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": backend("reviews-v2")}}],
                "backendRefs": [backend("reviews-v1")],
            },
        )
    },
    "circuit-breaker": {
        "DestinationRule/productpage": {
            "host": "productpage",
            "subsets": V1,
            "trafficPolicy": {
                "connectionPool": {
                    "tcp": {"maxConnections": 1},
                    "http": {"http1MaxPendingRequests": 1, "maxRequestsPerConnection": 1},
                },
                "outlierDetection": {
                    "consecutive5xxErrors": 1,
                    "interval": "1s",
                    "baseEjectionTime": "3m",
                    "maxEjectionPercent": 100,
                },
            },
        }
    },
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_yields_exactly_these_objects(scenario: str) -> None:
    assert specs(read({}, scenario)) == EXPECTED[scenario]


@pytest.mark.parametrize(("percent", "weights"), [(10, [90, 10]), (50, [50, 50]), (100, [0, 100]), (0, [100, 0])])
def test_a_canary_moves_by_one_figure(percent: int, weights: list[int]) -> None:
    (spec,) = specs(read({"reviews": {"canary": {"from": "v1", "to": "v2", "percent": percent}}})).values()
    assert [backend["weight"] for backend in spec["rules"][0]["backendRefs"]] == weights


def test_the_configuration_of_a_service_takes_the_place_of_the_scenarios() -> None:
    found = specs(read({"reviews": {"timeout": "3s"}}, "jason-v2"))
    timeout = {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}}], "timeout": "3s"}]}
    assert found == {"VirtualService/reviews": timeout}


def test_rules_that_ask_for_more_headers_come_first_and_the_last_is_for_everybody() -> None:
    routes = [
        {"subset": "v2", "headers": {"end-user": "jason"}, "weight": 40},
        {"subset": "v3", "headers": {"end-user": "jason"}, "weight": 60},
        {"subset": "v1", "headers": {"end-user": "jason", "x-beta": "yes"}},
    ]
    (spec,) = specs(read({"reviews": {"routes": routes}})).values()
    beta = {"type": "Exact", "name": "x-beta", "value": "yes"}
    assert spec["rules"] == [
        {"matches": [{"headers": [*JASON[0]["headers"], beta]}], "backendRefs": [backend("reviews-v1")]},
        {"matches": JASON, "backendRefs": [backend("reviews-v2", weight=40), backend("reviews-v3", weight=60)]},
        {"backendRefs": [backend("reviews")]},
    ]


def test_a_fault_for_some_headers_strikes_in_every_rule_that_such_a_request_can_meet_and_no_other() -> None:
    routes = [
        {"subset": "v2", "headers": {"end-user": "jason"}},
        {"subset": "v3", "headers": {"end-user": "anna"}},
        {"subset": "v3", "headers": {"x-beta": "yes"}},
        {"subset": "v1"},
    ]
    fault = {"headers": {"end-user": "jason"}, "abort": 503, "delay": "1s", "percent": 12.5}
    spec = specs(read({"reviews": {"routes": routes, "fault": fault}}))["VirtualService/reviews"]
    struck = [
        (rule.get("match", [{}])[0].get("headers", {}), "fault" in rule, rule["route"][0]["destination"]["subset"])
        for rule in spec["http"]
    ]
    jason, anna, beta = {"exact": "jason"}, {"exact": "anna"}, {"exact": "yes"}
    assert struck == [
        ({"end-user": jason}, True, "v2"),
        ({"end-user": anna}, False, "v3"),
        ({"x-beta": beta, "end-user": jason}, True, "v3"),
        ({"x-beta": beta}, False, "v3"),
        ({"end-user": jason}, True, "v1"),
        ({}, False, "v1"),
    ]
    assert spec["http"][0]["fault"] == {
        "delay": {"percentage": {"value": 12.5}, "fixedDelay": "1s"},
        "abort": {"percentage": {"value": 12.5}, "httpStatus": 503},
    }


def test_retries_and_a_mirror_of_a_part_are_a_virtual_services() -> None:
    wanted = {
        "retries": {"attempts": 3, "perTryTimeout": "2s", "on": "5xx,reset"},
        "mirror": {"subset": "v3", "percent": 5},
    }
    found = specs(read({"reviews": wanted}))
    assert found["VirtualService/reviews"]["http"] == [
        {
            "route": [{"destination": {"host": "reviews"}}],
            "retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,reset"},
            "mirror": {"host": "reviews", "subset": "v3"},
            "mirrorPercentage": {"value": 5},
        }
    ]


def test_what_is_wanted_of_connections_is_a_destination_rules() -> None:
    wanted = {
        "connectionPool": {"maxRequests": 100, "connectTimeout": "30ms"},
        "outlierDetection": {"consecutive5xxErrors": 7},
        "loadBalancer": "LEAST_REQUEST",
        "localityFailover": {"us-east": "us-west"},
    }
    assert specs(read({"ratings": wanted})) == {
        "DestinationRule/ratings": {
            "host": "ratings",
            "subsets": V1,
            "trafficPolicy": {
                "connectionPool": {"tcp": {"connectTimeout": "30ms"}, "http": {"http2MaxRequests": 100}},
                "outlierDetection": {"consecutive5xxErrors": 7, "maxEjectionPercent": 10},
                "loadBalancer": {
                    "simple": "LEAST_REQUEST",
                    "localityLbSetting": {"enabled": True, "failover": [{"from": "us-east", "to": "us-west"}]},
                },
            },
        }
    }


def test_requests_with_the_same_header_go_to_the_same_pod() -> None:
    (spec,) = specs(read({"ratings": {"hashHeader": "x-user"}})).values()
    assert spec["trafficPolicy"] == {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}


ROUTES = {"routes": [{"subset": "v1"}]}
POOL = {"connectionPool": {"maxConnections": 1}}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ()),
        ({"fault": None, "routes": []}, ()),
        (ROUTES, ("HTTPRoute",)),
        ({"mirror": {"subset": "v2"}}, ("HTTPRoute",)),
        (POOL, ("DestinationRule",)),
        ({**ROUTES, **POOL}, ("DestinationRule", "VirtualService")),
        ({"mirror": {"subset": "v2"}, "loadBalancer": "RANDOM"}, ("DestinationRule", "VirtualService")),
        ({"mirror": {"subset": "v2", "percent": 99.9}}, ("DestinationRule", "VirtualService")),
        ({**ROUTES, "timeout": "1s"}, ("DestinationRule", "VirtualService")),
        ({"timeout": "1s"}, ("VirtualService",)),
        ({"retries": {"attempts": 0}}, ("VirtualService",)),
        ({"fault": {"abort": 500}}, ("VirtualService",)),
        ({"timeout": "1s", **POOL}, ("DestinationRule", "VirtualService")),
    ],
)
def test_the_gateway_api_says_what_it_can_and_istio_the_rest(wanted: Any, expected: tuple[str, ...]) -> None:
    assert kinds(read({"reviews": wanted})[0]) == expected


HEADERS = st.sampled_from([{}, {"user": "jason"}, {"user": "anna"}, {"beta": "yes"}, {"user": "jason", "beta": "yes"}])
COMBINED = st.fixed_dictionaries(
    {},
    optional={
        "routes": st.lists(
            st.tuples(st.sampled_from(["v1", "v2", "v3"]), HEADERS), unique_by=lambda route: repr(route[1])
        ).map(lambda routes: [{"subset": subset, "headers": headers} for subset, headers in routes]),
        "fault": st.fixed_dictionaries({"abort": st.just(500), "headers": HEADERS}),
        "mirror": st.fixed_dictionaries({"subset": st.just("v2"), "percent": st.sampled_from([50, 100])}),
        "outlierDetection": st.just({}),
        "hashHeader": st.just("x-user"),
    },
)


@given(wanted=COMBINED)
def test_whatever_is_combined_has_one_router_a_rule_for_everybody_and_subsets_that_exist(wanted: Any) -> None:
    found = {kind.split("/")[0]: spec for kind, spec in specs(read({"reviews": wanted})).items()}
    assert not {"HTTPRoute", "VirtualService"} <= found.keys()
    if "HTTPRoute" in found:
        assert "DestinationRule" not in found
        assert "matches" not in found["HTTPRoute"]["rules"][-1]
    if "VirtualService" in found:
        rules = found["VirtualService"]["http"]
        assert "match" not in rules[-1]
        named = {to["destination"].get("subset") for rule in rules for to in rule["route"]} - {None}
        declared = {subset["name"] for subset in found.get("DestinationRule", {}).get("subsets", [])}
        assert named <= declared


def test_a_service_that_somebody_else_deploys_tells_its_port_and_subsets() -> None:
    orders = {"port": 8080, "subsets": ["v1", "v2"], "canary": {"from": "v1", "to": "v2", "percent": 1}}
    (traffic,) = read({"orders": orders}, bookinfo=False)
    assert (traffic.service, traffic.port, traffic.subsets) == ("orders", 8080, ("v1", "v2"))


@pytest.mark.parametrize(
    ("path", "wanted", "accepted"),
    [
        ("reviews.colour", {"colour": "red"}, "one of these keys: routes, canary, timeout, retries, fault, "),
        ("reviews.port", {"port": 80}, "one of these keys: "),
        ("reviews.routes", {"routes": {}}, "a list of routes"),
        ("reviews.routes[0].subset", {"routes": [{}]}, "a subset of reviews: v1 or v2 or v3"),
        ("reviews.routes[0].subset", {"routes": [{"subset": "v4"}]}, "a subset of reviews: v1 or v2 or v3"),
        (
            "reviews.routes[1].weight",
            {"routes": [{"subset": "v1"}, {"subset": "v2", "weight": 101}]},
            "a whole percentage, 0 to 100",
        ),
        (
            "reviews.routes",
            {"routes": [{"subset": "v1", "weight": 90}]},
            "weights that add up to 100; those of the routes without headers add up to 90",
        ),
        (
            "reviews.routes",
            {"routes": [{"subset": "v1"}, {"subset": "v1", "headers": {"a": "b"}, "weight": 1}]},
            "weights that add up to 100; those of the routes with headers {'a': 'b'} add up to 1",
        ),
        ("reviews.routes[0].headers.end-user", {"routes": [{"subset": "v1", "headers": {"end-user": None}}]}, "the"),
        (
            "reviews.routes[0].headers.end-user",
            {"routes": [{"subset": "v1", "headers": {"end-user": ""}}]},
            "the exact ",
        ),
        ("reviews.routes[0].headers.End-User", {"routes": [{"subset": "v1", "headers": {"End-User": "j"}}]}, "a l"),
        ("reviews.canary.to", {"canary": {"from": "v1", "to": "v1", "percent": 5}}, "another subset than v1"),
        ("reviews.canary.percent", {"canary": {"from": "v1", "to": "v2"}}, "a whole percentage, 0 to 100"),
        (
            "reviews.canary",
            {**ROUTES, "canary": {"from": "v1", "to": "v2", "percent": 5}},
            "a canary or routes without headers, not both",
        ),
        ("reviews.timeout", {"timeout": "abc"}, "a duration above zero such as 500ms, 2s or 1m30s"),
        ("reviews.timeout", {"timeout": "0s"}, "a duration above zero"),
        ("reviews.retries.attempts", {"retries": {}}, "a whole number of attempts, 0 to 100"),
        ("reviews.retries.perTryTimeout", {"retries": {"attempts": 1, "perTryTimeout": "2"}}, "a duration"),
        ("reviews.retries.on", {"retries": {"attempts": 1, "on": "5xx, reset"}}, "Envoy's retry "),
        ("reviews.fault", {"fault": {"percent": 5}}, "a fault with delay (a duration), abort (an HTTP "),
        ("reviews.fault.percent", {"fault": {"abort": 500, "percent": 101}}, "a percentage, 0 to 100"),
        ("reviews.fault.abort", {"fault": {"abort": 600}}, "an HTTP status, 200 to 599"),
        ("reviews.fault.delay", {"fault": {"delay": 7}}, "a duration above zero"),
        ("reviews.fault.headers", {"fault": {"delay": "7s", "headers": ["jason"]}}, "an object of header "),
        ("reviews.fault", {"fault": {"delay": "7s"}, "timeout": "1s"}, "a fault or timeout and "),
        ("reviews.fault", {"fault": {"delay": "7s"}, "retries": {"attempts": 1}}, "a fault or timeout and "),
        ("reviews.mirror.subset", {"mirror": {"subset": "v4"}}, "a subset of reviews: v1 or v2 or v3"),
        ("reviews.mirror.percent", {"mirror": {"subset": "v2", "percent": 101}}, "a percentage, 0 to 100"),
        ("reviews.connectionPool.maxConnections", {"connectionPool": {"maxConnections": 0}}, "a whole number, 1 or"),
        (
            "reviews.outlierDetection.maxEjectionPercent",
            {"outlierDetection": {"maxEjectionPercent": 101}},
            "a whole percentage, 0 to 100",
        ),
        ("reviews.loadBalancer", {"loadBalancer": "BEST"}, "ROUND_ROBIN or LEAST_REQUEST or RANDOM"),
        (
            "reviews.hashHeader",
            {"hashHeader": "x-user", "loadBalancer": "RANDOM"},
            "hashHeader or loadBalancer, not both",
        ),
        ("reviews.localityFailover", {"localityFailover": {"a": "b"}}, "a failover together with outlierD"),
        ("reviews.localityFailover.a", {"localityFailover": {"a": "a"}}, "another region than the one that fails"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key_path(path: str, wanted: Any, accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("traffic", f".{path}", {"reviews": wanted}, accepted)):
        read({"reviews": wanted})


def test_a_mistyped_service_is_refused_with_those_that_there_are() -> None:
    message = (
        "config key istio-minikube:traffic.review is {}; accepted: traffic of a service that this stack deploys "
        "(details, productpage, ratings, reviews); any other needs its port, and for routes its subsets, too"
    )
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        read({"review": {}})


def test_a_service_without_subsets_has_no_routes() -> None:
    message = "traffic.orders.routes[0].subset is 'v1'; accepted: a subset of orders: none: this service has no subsets"
    with pytest.raises(pulumi.RunError, match=re.escape(message)):
        read({"orders": {"port": 80, **ROUTES}})


def test_traffic_of_a_service_of_the_users_own_is_said_in_one_place() -> None:
    with pytest.raises(pulumi.RunError, match=r"traffic\.orders is {}; accepted: .* where it is deployed, under serv"):
        read({"orders": {}}, elsewhere=("orders",))


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    accepted = ", ".join(["empty", *SCENARIOS])
    message = f"config key p:scenario is 'all-v2'; accepted: {accepted}"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        read_scenario(Value("p:scenario", "all-v2"), bookinfo=True)


@pytest.mark.parametrize("scenario", ["", *SCENARIOS])
def test_every_scenario_can_be_chosen(scenario: str) -> None:
    assert read_scenario(Value("p:scenario", scenario), bookinfo=True) == scenario


def test_without_bookinfo_there_is_no_scenario() -> None:
    with pytest.raises(pulumi.RunError, match=r"^config key p:scenario is 'all-v1'; accepted: empty$"):
        read_scenario(Value("p:scenario", "all-v1"), bookinfo=False)


def declared(wanted: Any) -> Mesh:
    (traffic,) = read({"reviews": wanted})

    def declare() -> None:
        istiod = k8s.core.v1.ConfigMap("istiod")
        TrafficPolicy("traffic", TrafficPolicyArgs(namespace="shop", traffic=traffic, requires=[istiod]))

    return composed(declare)


def test_an_http_route_waits_for_a_service_in_front_of_each_subset() -> None:
    mesh = declared(ROUTES)
    route = mesh.named("traffic-httproute")
    assert (route.inputs["apiVersion"], route.inputs["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert route.inputs["metadata"] == {"name": "reviews", "namespace": "shop"}
    assert route.dependencies == {"istiod", "traffic-v1", "traffic-v2", "traffic-v3"}
    assert mesh.inputs("traffic-v2")["metadata"] == {
        "name": "reviews-v2",
        "namespace": "shop",
        "annotations": {"pulumi.com/skipAwait": "true"},
    }
    assert mesh.inputs("traffic-v2")["spec"] == {
        "ports": [{"port": 9080, "name": "http"}],
        "selector": {"app": "reviews", "version": "v2"},
    }


def test_a_virtual_service_waits_for_the_subsets_it_names() -> None:
    mesh = declared({**ROUTES, "timeout": "1s"})
    assert mesh.names == {"istiod", "traffic", "traffic-destinationrule", "traffic-virtualservice"}
    assert mesh.inputs("traffic-destinationrule")["apiVersion"] == "networking.istio.io/v1"
    assert mesh.named("traffic-destinationrule").dependencies == {"istiod"}
    assert mesh.named("traffic-virtualservice").dependencies == {"istiod", "traffic-destinationrule"}


def test_everything_belongs_to_the_component_which_tells_its_kinds() -> None:
    mesh = declared(ROUTES)
    assert {r.parent for r in mesh.registrations if r.name.startswith("traffic-")} == {"traffic"}
    assert mesh.registered["traffic"] == {"kinds": ["HTTPRoute"]}
