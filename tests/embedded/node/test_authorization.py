"""Tokens of two issuers, and rules by path, method, claim, namespace, account and CIDR, by requests through Envoys."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, Mesh
from tests.embedded.node.tokens import AUDIENCE, Issuer

PRODUCTS = "/api/v1/products"
PRODUCT, REVIEWS = f"{PRODUCTS}/0", f"{PRODUCTS}/0/reviews"
PATIENCE = 120


@dataclass(frozen=True, kw_only=True)
class Issuers:
    shop: Issuer
    partner: Issuer


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Issuers:
    def issuer(name: str) -> Issuer:
        return Issuer.in_folder(tmp_path_factory.mktemp(name), f"https://{name}.example")

    return Issuers(shop=issuer("shop"), partner=issuer("partner"))


def to(*paths: str, **operation: Any) -> list[dict[str, Any]]:
    return [{"operation": {"paths": list(paths), **operation}}]


POLICIES = {
    # By claim, at the Gateway.
    "admins": {
        "gateway": "bookinfo-gateway",
        "action": "DENY",
        "rules": [{"to": to(PRODUCTS), "when": [{"key": "request.auth.claims[groups]", "notValues": ["admins"]}]}],
    },
    # By the claim that the Gateway has made a header, and by the token that it has handed on.
    "header": {
        "service": "productpage",
        "action": "DENY",
        "rules": [
            {"to": to(REVIEWS), "when": [{"key": "request.headers[x-user]", "notValues": ["jason"]}]},
            {"to": to(PRODUCT), "from": [{"source": {"notRequestPrincipals": ["https://shop.example/*"]}}]},
        ],
    },
    # By namespace, path and method.
    "readers": {
        "service": "details",
        "rules": [{"from": [{"source": {"namespaces": [NAMESPACE]}}], "to": to("/details/*", methods=["GET"])}],
    },
    # By CIDR: no pod has an address of these documentation's networks.
    "networks": {
        "service": "reviews",
        "action": "DENY",
        "rules": [
            {"to": to("/reviews/1"), "from": [{"source": {"notIpBlocks": ["203.0.113.0/24"]}}]},
            {"to": to("/reviews/2"), "from": [{"source": {"ipBlocks": ["203.0.113.0/24"]}}]},
        ],
    },
    # By account.
    "only-reviews": {
        "service": "ratings",
        "rules": [{"from": [{"source": {"serviceAccounts": ["bookinfo-reviews"]}}]}],
    },
}
ENFORCED = {name: {**policy, "dryRun": False} for name, policy in POLICIES.items()}


def security(issuers: Issuers, **more: Any) -> str:
    shop = {"issuer": issuers.shop.name, "jwks": issuers.shop.jwks, "forwardOriginalToken": True}
    shop["outputClaimToHeaders"] = [{"header": "x-user", "claim": "sub"}]
    partner = {"issuer": issuers.partner.name, "jwks": issuers.partner.jwks, "forwardOriginalToken": True}
    partner |= {"audiences": [AUDIENCE], "fromHeaders": [{"name": "x-partner"}], "fromCookies": ["partner"]}
    jwt = {"issuers": [shop, partner], "services": ["productpage"], "required": False}
    return json.dumps({"jwt": jwt, "policies": ENFORCED, **more})


@pytest.fixture(scope="module", autouse=True)
def tried(mesh: Mesh, issuers: Issuers) -> None:
    """The mesh with the policies in force, and the denial of all other calls tried."""
    mesh.up(security=security(issuers, authorization="dry-run"))
    eventually(lambda: mesh.request(PRODUCTS).status == 403 and mesh.request().status == 200, PATIENCE)


def answers(ask: Callable[[], int], status: int) -> None:
    """A proxy takes a moment to hear of what has changed, and then answers the same every time."""
    seen: list[int] = []

    def settled() -> bool:
        seen[:] = [ask() for _ in range(3)]
        return seen == [status] * 3

    try:
        eventually(settled, PATIENCE)
    except AssertionError as late:
        raise AssertionError(f"the last answers are {seen}, not {status}") from late


def test_a_claim_decides_at_the_gateway(mesh: Mesh, issuers: Issuers) -> None:
    for claims, status in (({"groups": ["admins", "users"]}, 200), ({"groups": ["users"]}, 403), ({}, 403)):
        headers = issuers.shop.bearer(sub="jason", **claims)
        answers(lambda headers=headers: mesh.request(PRODUCTS, headers=headers).status, status)  # type: ignore[misc]


def test_a_token_that_is_not_good_is_refused_though_none_need_be_given(
    mesh: Mesh, issuers: Issuers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forged = Issuer.in_folder(tmp_path_factory.mktemp("forged"), issuers.shop.name)
    answers(lambda: mesh.request(headers=forged.bearer(sub="jason")).status, 401)
    answers(lambda: mesh.request().status, 200)


def test_each_issuer_has_its_audiences_and_the_places_of_its_tokens(mesh: Mesh, issuers: Issuers) -> None:
    wanted = issuers.partner.token(sub="ann", groups=["admins"])
    for place in ({"x-partner": wanted}, {"Cookie": f"partner={wanted}"}):
        answers(lambda place=place: mesh.request(PRODUCTS, headers=place).status, 200)  # type: ignore[misc]
    other = issuers.partner.token(sub="ann", aud="elsewhere", groups=["admins"])
    answers(lambda: mesh.request(PRODUCTS, headers={"x-partner": other}).status, 403)


def test_a_claim_comes_as_a_header_which_nobody_else_can_set(mesh: Mesh, issuers: Issuers) -> None:
    answers(lambda: mesh.request(REVIEWS, headers=issuers.shop.bearer(sub="jason")).status, 200)
    answers(lambda: mesh.request(REVIEWS, headers=issuers.shop.bearer(sub="ann")).status, 403)
    forged = {**issuers.shop.bearer(sub="ann"), "x-user": "jason"}
    answers(lambda: mesh.request(REVIEWS, headers=forged).status, 403)
    answers(lambda: mesh.request(REVIEWS, headers={"x-user": "jason"}).status, 403)


def test_a_service_sees_the_token_that_the_gateway_hands_on(mesh: Mesh, issuers: Issuers) -> None:
    answers(lambda: mesh.request(PRODUCT, headers=issuers.shop.bearer(sub="jason")).status, 200)
    partner = {"x-partner": issuers.partner.token(sub="jason")}
    answers(lambda: mesh.request(PRODUCT, headers=partner).status, 403)
    answers(lambda: mesh.request(PRODUCT).status, 403)


def test_namespace_path_and_method_decide_at_a_service(mesh: Mesh) -> None:
    answers(lambda: int(mesh.get(f"http://details.{NAMESPACE}:9080/details/0")["status"]), 200)
    answers(lambda: int(mesh.get(f"http://details.{NAMESPACE}:9080/health")["status"]), 403)
    answers(lambda: int(mesh.get(f"http://details.{NAMESPACE}:9080/details/0", inside=False)["status"]), 403)


def test_an_address_decides_at_a_service(mesh: Mesh) -> None:
    for product, status in ((0, 200), (1, 403), (2, 200)):
        url = f"http://reviews.{NAMESPACE}:9080/reviews/{product}"
        answers(lambda url=url: int(mesh.get(url)["status"]), status)  # type: ignore[misc]


def test_an_account_decides_at_a_service(mesh: Mesh, issuers: Issuers) -> None:
    answers(lambda: int(mesh.get(f"http://ratings.{NAMESPACE}:9080/ratings/0")["status"]), 403)
    reviews = mesh.request(REVIEWS, headers=issuers.shop.bearer(sub="jason")).body
    assert "unavailable" not in reviews


PAGE = f"http://productpage.{NAMESPACE}:9080/productpage"


def would_be_denied(mesh: Mesh) -> int:
    """How many requests to productpage a dry run would have denied, by its Envoy's own count."""
    command = ["pilot-agent", "request", "GET", "stats?filter=shadow_denied"]
    where = f"--namespace={NAMESPACE}"
    printed = mesh.kubectl("exec", where, "deployment/productpage-v1", "--container=istio-proxy", "--", *command)
    # The agent says things of its own in between.
    return sum(
        int(count) for count in re.findall(r"istio_dry_run_allow_\.shadow_denied: (\d+)$", printed, re.MULTILINE)
    )


def test_a_dry_run_denies_nothing_and_counts_what_it_would_deny_until_it_is_enforced(
    mesh: Mesh, issuers: Issuers
) -> None:
    counted = would_be_denied(mesh)
    answers(lambda: int(mesh.get(PAGE)["status"]), 200)
    eventually(lambda: would_be_denied(mesh) >= counted + 3, PATIENCE)
    mesh.up(security=security(issuers, authorization=True))
    answers(lambda: int(mesh.get(PAGE)["status"]), 403)
    answers(lambda: mesh.request().status, 200)
    policies = mesh.kubectl("get", "authorizationpolicies", f"--namespace={NAMESPACE}", "--output=name")
    assert "deny-by-default\n" in policies
    assert "-dry-run" not in policies
