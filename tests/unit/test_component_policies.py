"""Policies of services and of the Gateway, dry runs, and tokens of several issuers: exact objects."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.mesh.mesh_check import Page
from components.security.authorization import Allow, allow_spec
from components.security.ingress_jwt import Jwt, jwt_rule
from components.security.policy import Policy, Workload
from components.security.security import NetworkPolicies, Security, SecurityArgs, SecurityConfig
from tests.unit.recording import Mesh, composed

GATEWAY = "bookinfo-gateway"
TARGET = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}]}
RULES: list[dict[str, Any]] = [{"from": [{"source": {"namespaces": ["web"]}}]}]
ORDERS = Workload(namespace="other", selector={"component": "orders"}, ports=(8080, 9090), http_ports=(8080,))
EDGE = Workload(namespace="edge-system", selector={"istio": "edge"}, ports=(8080,), http_ports=(8080,))
DRY_RUN = {"istio.io/dry-run": "true"}
SHOP = Jwt(issuer="https://shop.example", jwks_uri="https://shop.example/keys")
PARTNER = Jwt(issuer="https://partner.example", jwks="{}")


def security(config: SecurityConfig, allows: Sequence[Allow] = (), gateway: str = GATEWAY) -> Mesh:
    def declare() -> None:
        args = SecurityArgs(
            config=config,
            namespace="shop",
            namespaces={"shop": "shop", "other": "other"},
            gateway=gateway,
            allows=allows,
            workloads={"orders": ORDERS},
            gateways={"edge": EDGE},
        )
        Security("security", args)

    return composed(declare)


def objects(mesh: Mesh) -> dict[str, Mapping[str, Any]]:
    """What was declared, as Kind/namespace/name -> inputs."""
    return {
        "/".join((inputs["kind"], inputs["metadata"]["namespace"], inputs["metadata"]["name"])): inputs
        for inputs in (each.inputs for each in mesh.registrations if each.custom)
    }


def specs(mesh: Mesh) -> dict[str, Any]:
    return {name: inputs["spec"] for name, inputs in objects(mesh).items()}


def test_a_policy_is_for_the_pods_of_a_service_where_they_are() -> None:
    config = SecurityConfig(policies=[Policy(name="readers", service="orders", rules=RULES)])
    assert specs(security(config)) == {
        "AuthorizationPolicy/other/readers": {
            "selector": {"matchLabels": {"component": "orders"}},
            "action": "ALLOW",
            "rules": RULES,
        }
    }


def test_a_policy_whose_name_is_its_authors_is_known_again_by_a_label() -> None:
    config = SecurityConfig(policies=[Policy(name="readers", service="orders", rules=RULES)])
    assert objects(security(config))["AuthorizationPolicy/other/readers"]["metadata"] == {
        "name": "readers",
        "namespace": "other",
        "labels": {"istio-minikube/policy": "true"},
    }
    listed = Allow(service="orders", namespace="other", port=8080, callers=("web",))
    assert (
        "labels"
        not in objects(security(SecurityConfig(), [listed]))["AuthorizationPolicy/other/allow-orders"]["metadata"]
    )


def test_a_service_that_nothing_else_is_known_of_has_its_name_as_a_label() -> None:
    config = SecurityConfig(policies=[Policy(name="readers", service="carts", rules=RULES)])
    assert specs(security(config))["AuthorizationPolicy/shop/readers"]["selector"] == {"matchLabels": {"app": "carts"}}


def test_a_policy_of_a_gateway_names_it() -> None:
    config = SecurityConfig(policies=[Policy(name="admins", gateway=GATEWAY, action="DENY", rules=[{}])])
    assert specs(security(config)) == {"AuthorizationPolicy/shop/admins": {**TARGET, "action": "DENY", "rules": [{}]}}


def test_gateways_that_are_not_bookinfos_are_named_by_their_pods() -> None:
    config = SecurityConfig(policies=[Policy(name="it", gateway="edge")], jwt=SHOP, jwt_gateways=["edge"])
    found = specs(security(config))
    assert found.keys() == {
        "AuthorizationPolicy/edge-system/it",
        "RequestAuthentication/edge-system/edge",
        "AuthorizationPolicy/edge-system/edge-require-token",
    }
    assert {str(spec["selector"]) for spec in found.values()} == {str({"matchLabels": {"istio": "edge"}})}
    demand = found["AuthorizationPolicy/edge-system/edge-require-token"]["rules"][0]
    assert demand["to"] == [{"operation": {"ports": ["8080"]}}]


def test_an_authorizer_of_ones_own_is_named() -> None:
    config = SecurityConfig(policies=[Policy(name="opa", gateway=GATEWAY, action="CUSTOM", provider="opa", rules=[{}])])
    spec = {**TARGET, "action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]}
    assert specs(security(config)) == {"AuthorizationPolicy/shop/opa": spec}


def test_a_policy_without_rules_allows_nothing() -> None:
    config = SecurityConfig(policies=[Policy(name="nobody", service="orders")])
    spec = {"selector": {"matchLabels": {"component": "orders"}}, "action": "ALLOW"}
    assert specs(security(config)) == {"AuthorizationPolicy/other/nobody": spec}


def test_a_dry_run_is_another_object_with_the_same_spec() -> None:
    tried = Policy(name="readers", service="orders", rules=RULES, dry_run=True)
    mesh = security(SecurityConfig(policies=[tried]))
    (name, inputs), *others = objects(mesh).items()
    assert not others
    assert (name, inputs["metadata"]["annotations"]) == ("AuthorizationPolicy/other/readers-dry-run", DRY_RUN)
    assert (
        inputs["spec"]
        == specs(security(SecurityConfig(policies=[Policy(**{**vars(tried), "dry_run": False})])))[
            "AuthorizationPolicy/other/readers"
        ]
    )
    assert "security-authorization-policy-readers-dry-run" in mesh.names


def test_a_dry_run_of_all_authorization_denies_nothing() -> None:
    orders = Allow(service="orders", namespace="other", port=8080, callers=("web",))
    enforced = specs(security(SecurityConfig(authorization=True), [orders]))
    tried = security(SecurityConfig(authorization=True, authorization_dry_run=True), [orders])
    assert specs(tried) == {f"{name}-dry-run": spec for name, spec in enforced.items()}
    assert [inputs["metadata"]["annotations"] for inputs in objects(tried).values()] == [DRY_RUN] * len(enforced)


def test_a_policy_that_is_enforced_stays_so_beside_a_dry_run_of_the_rest() -> None:
    config = SecurityConfig(
        authorization=True, authorization_dry_run=True, policies=[Policy(name="readers", service="orders")]
    )
    found = objects(security(config, gateway=""))
    assert found.keys() == {
        "AuthorizationPolicy/other/readers",
        "AuthorizationPolicy/shop/deny-by-default-dry-run",
        "AuthorizationPolicy/other/deny-by-default-dry-run",
    }
    assert "annotations" not in found["AuthorizationPolicy/other/readers"]["metadata"]


@pytest.mark.parametrize(
    ("policy", "is_open"),
    [
        (Policy(name="it", gateway=GATEWAY, rules=RULES), False),
        (Policy(name="it", gateway=GATEWAY, rules=RULES, dry_run=True), True),
        (Policy(name="it", gateway=GATEWAY, action="DENY", rules=RULES), True),
        (Policy(name="it", service="orders", rules=RULES), True),
    ],
)
def test_the_gateway_is_open_to_everybody_unless_a_policy_lists_who_may(policy: Policy, is_open: bool) -> None:
    found = objects(security(SecurityConfig(authorization=True, policies=[policy])))
    assert (f"AuthorizationPolicy/shop/allow-{GATEWAY}" in found) is is_open


def test_everything_is_denied_only_when_the_policies_that_allow_are_there() -> None:
    policies = [Policy(name="readers", service="orders", rules=RULES)]
    mesh = security(SecurityConfig(authorization=True, policies=policies, jwt=SHOP))
    denial = mesh.named("security-authorization-deny-by-default-other").dependencies
    assert "security-authorization-policy-readers" in denial
    # A rule of tokens fits no request before tokens are looked at.
    assert "security-jwt-request-authentication" in mesh.named("security-authorization-policy-readers").dependencies


def test_a_service_with_pods_and_ports_of_its_own_is_allowed_by_them() -> None:
    allow = Allow(
        service="orders", namespace="shop", port=80, callers=("web",), further_ports=(90,), selector={"a": "b"}
    )
    assert allow_spec(allow) == {
        "selector": {"matchLabels": {"a": "b"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}],
                "to": [{"operation": {"ports": ["80", "90"]}}],
            }
        ],
    }
    anywhere = Allow(service="orders", namespace="shop", port=0, callers=("web",))
    assert allow_spec(anywhere)["rules"] == [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}]


def test_network_policies_let_the_callers_of_a_policy_through() -> None:
    principals = ["cluster.local/ns/far/sa/web", "*/sa/any", "*"]
    rules = [{"from": [{"source": {"namespaces": ["web", "team-*"], "principals": principals}}]}, {}]
    policies = [
        Policy(name="readers", service="orders", rules=rules),
        Policy(name="nobody", service="orders", action="DENY", rules=[{"from": [{"source": {"namespaces": ["no"]}}]}]),
    ]
    found = specs(security(SecurityConfig(policies=policies, network_policies=NetworkPolicies()), gateway=""))
    (callers, _) = found["NetworkPolicy/other/mesh-isolation"]["ingress"]
    names = [each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for each in callers["from"][1:]]
    assert names == ["far", "web"]


def test_tokens_of_several_issuers_will_do() -> None:
    config = SecurityConfig(jwt=SHOP, other_issuers=[PARTNER])
    assert specs(security(config))[f"RequestAuthentication/shop/{GATEWAY}"] == {
        **TARGET,
        "jwtRules": [
            {"issuer": "https://shop.example", "jwksUri": "https://shop.example/keys"},
            {"issuer": "https://partner.example", "jwks": "{}"},
        ],
    }


def test_what_becomes_of_a_token_is_said_in_istios_terms() -> None:
    jwt = Jwt(
        issuer="me",
        jwks="{}",
        forward_original_token=True,
        output_claim_to_headers={"x-user": "sub"},
        output_payload_to_header="x-payload",
        from_headers={"x-token": "Token ", "x-other": ""},
        from_params=("token",),
        from_cookies=("session",),
        timeout="10s",
    )
    assert jwt_rule(jwt) == {
        "issuer": "me",
        "jwks": "{}",
        "forwardOriginalToken": True,
        "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
        "outputPayloadToHeader": "x-payload",
        "fromHeaders": [{"name": "x-token", "prefix": "Token "}, {"name": "x-other"}],
        "fromParams": ["token"],
        "fromCookies": ["session"],
        "timeout": "10s",
    }


def test_a_service_looks_at_tokens_on_its_ports_for_http() -> None:
    config = SecurityConfig(jwt=SHOP, jwt_services=["orders"])
    selector = {"selector": {"matchLabels": {"component": "orders"}}}
    found = specs(security(config, gateway=""))
    assert found == {
        "RequestAuthentication/other/orders": {
            **selector,
            "jwtRules": [{"issuer": "https://shop.example", "jwksUri": "https://shop.example/keys"}],
        },
        "AuthorizationPolicy/other/orders-require-token": {
            **selector,
            "action": "DENY",
            "rules": [
                {
                    "from": [{"source": {"notRequestPrincipals": ["*"]}}],
                    "to": [{"operation": {"ports": ["8080"]}}],
                }
            ],
        },
    }


def test_a_token_need_not_be_given_where_none_is_required() -> None:
    found = objects(security(SecurityConfig(jwt=SHOP, jwt_required=False)))
    assert found.keys() == {f"RequestAuthentication/shop/{GATEWAY}"}


def test_the_demand_for_a_token_can_be_tried() -> None:
    found = objects(security(SecurityConfig(jwt=SHOP, jwt_dry_run=True)))
    tried = found[f"AuthorizationPolicy/shop/{GATEWAY}-require-token-dry-run"]
    assert tried["metadata"]["annotations"] == DRY_RUN
    assert len(found) == 2


PAGE = Page(service="productpage", namespace="shop", port=9080, path="/productpage", title="Simple Bookstore App")
OPEN = (
    SecurityConfig(jwt=SHOP, jwt_required=False),
    SecurityConfig(jwt=SHOP, jwt_gateways=["edge"]),
    SecurityConfig(jwt=SHOP, jwt_dry_run=True),
    SecurityConfig(authorization=True, authorization_dry_run=True),
    SecurityConfig(policies=[Policy(name="it", gateway=GATEWAY, dry_run=True)]),
    SecurityConfig(policies=[Policy(name="it", service="productpage", action="AUDIT", rules=[{}])]),
    SecurityConfig(policies=[Policy(name="it", service="reviews")]),
)
GUARDED = (
    SecurityConfig(jwt=SHOP),
    SecurityConfig(jwt=SHOP, authorization=True),
    SecurityConfig(jwt=SHOP, jwt_gateways=[], jwt_services=["productpage"]),
    SecurityConfig(policies=[Policy(name="it", gateway=GATEWAY)]),
    SecurityConfig(policies=[Policy(name="it", service="productpage", action="DENY", rules=[{}])]),
)


@pytest.mark.parametrize(("config", "asked"), [*((each, PAGE) for each in OPEN), *((each, None) for each in GUARDED)])
def test_the_mesh_check_asks_for_the_page_unless_policies_or_tokens_decide_who_may(
    config: SecurityConfig, asked: Page | None
) -> None:
    assert config.page_to_check(PAGE, GATEWAY) == asked
