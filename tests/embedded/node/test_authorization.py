"""Tokens of two issuers, and rules by path, method, claim, namespace, account and CIDR, by requests through Envoys."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from components.chart_values import merged
from operations.manifests.declared import settings_of
from tests.embedded.kube import eventually
from tests.embedded.node import echo
from tests.embedded.node.mesh import NAMESPACE, OUTSIDE, Mesh
from tests.embedded.node.tokens import AUDIENCE, Issuer

PRODUCTS = "/api/v1/products"
PRODUCT, REVIEWS = f"{PRODUCTS}/0", f"{PRODUCTS}/0/reviews"
PATIENCE = 120


@dataclass(frozen=True, kw_only=True)
class Issuers:
    """Two issuers, and where the second one's keys are asked for."""

    shop: Issuer
    partner: Issuer
    keys: str


@pytest.fixture(scope="module")
def issuers(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuers]:
    def issuer(name: str) -> Issuer:
        return Issuer.in_folder(tmp_path_factory.mktemp(name), f"https://{name}.example")

    partner = issuer("partner")
    address = echo.run(mesh.kubectl, "keys", echo.answering(json.dumps(partner.jwks)))
    yield Issuers(shop=issuer("shop"), partner=partner, keys=f"http://{address}:{echo.PLAIN}/keys")
    mesh.kubectl("delete", "pod/keys", f"--namespace={OUTSIDE}", "--grace-period=1")


def to(*paths: str, **operation: Any) -> list[dict[str, Any]]:
    return [{"operation": {"paths": list(paths), **operation}}]


POLICIES = {
    # By claim, at the Gateway, whose pods listen on the port itself.
    "admins": {
        "gateway": "bookinfo-gateway",
        "action": "DENY",
        "rules": [
            {"to": to(PRODUCTS, ports=[80]), "when": [{"key": "request.auth.claims[groups]", "notValues": ["admins"]}]}
        ],
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
PAGES = "pages"
OTHERS = {
    "tried": {"gateway": "bookinfo-gateway", "action": "DENY", "rules": [{"to": to("/logout")}], "dryRun": True},
    "audited": {"service": "reviews", "action": "AUDIT", "rules": [{"to": to("/reviews/2")}]},
    # Whether productpage would answer the same request decides.
    "asked": {
        "service": "reviews",
        "action": "CUSTOM",
        "provider": PAGES,
        "rules": [{"to": to("/health", "/reviews/3")}],
    },
}


def istio_values() -> str:
    """The stack's, and an authorizer that istiod tells proxies of."""
    asked = {"service": f"productpage.{NAMESPACE}.svc.cluster.local", "port": 9080}
    mesh_config = {"extensionProviders": [{"name": PAGES, "envoyExtAuthzHttp": asked}]}
    return json.dumps(merged(json.loads(settings_of("embedded")["istioValues"]), {"meshConfig": mesh_config}))


def up(mesh: Mesh, issuers: Issuers, *, required: object, authorization: object) -> None:
    shop = {"issuer": issuers.shop.name, "jwks": issuers.shop.jwks, "forwardOriginalToken": True}
    shop["outputClaimToHeaders"] = [{"header": "x-user", "claim": "sub"}]
    partner = {"issuer": issuers.partner.name, "jwksUri": issuers.keys, "timeout": "5s", "forwardOriginalToken": True}
    partner |= {"audiences": [AUDIENCE], "fromHeaders": [{"name": "x-partner"}], "fromCookies": ["partner"]}
    jwt = {"issuers": [shop, partner], "services": ["productpage"], "required": required}
    security = {"jwt": jwt, "policies": {**ENFORCED, **OTHERS}, "authorization": authorization}
    mesh.up(security=json.dumps(security), istioValues=istio_values())


@pytest.fixture(scope="module", autouse=True)
def tried(mesh: Mesh, issuers: Issuers) -> None:
    """The mesh with the policies in force, and the denial of all other calls tried."""
    up(mesh, issuers, required=False, authorization="dry-run")
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


def at_proxy(mesh: Mesh, deployment: str, path: str) -> str:
    """What the Envoy of a Deployment tells of itself."""
    command = ["exec", f"deployment/{deployment}", f"--namespace={NAMESPACE}", "--container=istio-proxy", "--"]
    return mesh.kubectl(*command, "pilot-agent", "request", "GET", path)


def counted(mesh: Mesh, deployment: str, name: str) -> int:
    """What the Envoy of a Deployment has counted of its policies by this name."""
    printed = at_proxy(mesh, deployment, "stats?filter=shadow_denied")
    # The agent says things of its own in between.
    return sum(int(count) for count in re.findall(rf"\b{name}: (\d+)$", printed, re.MULTILINE))


DENIED_BY_ALLOW, DENIED_BY_DENY = (rf"istio_dry_run_{each}_\.shadow_denied" for each in ("allow", "deny"))


def counts(mesh: Mesh, deployment: str, name: str, ask: Callable[[], int], status: int) -> None:
    """Requests have this answer, and the Envoy counts each."""
    before = counted(mesh, deployment, name)
    answers(ask, status)
    # Those that were answered before the Envoy knew of the policy were not counted.
    eventually(lambda: ask() == status and counted(mesh, deployment, name) >= before + 3, PATIENCE)


def test_a_denial_that_is_tried_denies_nothing_and_counts(mesh: Mesh) -> None:
    counts(mesh, "bookinfo-gateway-istio", DENIED_BY_DENY, lambda: mesh.request("/logout").status, 302)


def test_what_is_audited_is_answered(mesh: Mesh) -> None:
    answers(lambda: int(mesh.get(f"http://reviews.{NAMESPACE}:9080/reviews/2")["status"]), 200)
    # Nothing else tells that the proxy looks at it.
    looks = re.compile(r'"action": "LOG",\s+"policies": {\s+"ns\[bookinfo\]-policy\[audited\]')
    eventually(lambda: looks.search(at_proxy(mesh, "reviews-v1", "config_dump")), PATIENCE)


def test_an_authorizer_decides_what_is_asked_of_it(mesh: Mesh) -> None:
    for path, status in (("health", 200), ("reviews/3", 404), ("reviews/0", 200)):
        url = f"http://reviews.{NAMESPACE}:9080/{path}"
        answers(lambda url=url: int(mesh.get(url)["status"]), status)  # type: ignore[misc]


def test_a_dry_run_denies_nothing_and_counts_what_it_would_deny_until_it_is_enforced(
    mesh: Mesh, issuers: Issuers
) -> None:
    counts(mesh, "productpage-v1", DENIED_BY_ALLOW, lambda: int(mesh.get(PAGE)["status"]), 200)
    up(mesh, issuers, required="dry-run", authorization=True)
    answers(lambda: int(mesh.get(PAGE)["status"]), 403)
    # Nor is a token demanded yet.
    counts(mesh, "bookinfo-gateway-istio", DENIED_BY_DENY, lambda: mesh.request().status, 200)
    policies = mesh.kubectl("get", "authorizationpolicies", f"--namespace={NAMESPACE}", "--output=name")
    assert "deny-by-default\n" in policies
    assert "deny-by-default-dry-run\n" not in policies
