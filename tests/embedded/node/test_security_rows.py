"""What docs/security.md says a caller sees, by requests."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.kube import eventually
from tests.embedded.node.mesh import NAMESPACE, TITLE, Answer, Mesh
from tests.embedded.node.rows import row
from tests.embedded.node.tokens import AUDIENCE, ISSUER, Issuer

PATIENCE = 120
PORT = 9080
PAGE = f"http://productpage.{NAMESPACE}:{PORT}/productpage"
DETAILS = f"http://details.{NAMESPACE}:{PORT}/details/0"
DENIED = "RBAC: access denied"
MTLS = {"exceptions": {"details-plain": {"selector": {"app": "details"}, "ports": {str(PORT): "PERMISSIVE"}}}}
CHALLENGE = "/.well-known/acme-challenge/token"
SOLVER = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: solver, namespace: {NAMESPACE}}}
spec:
  parentRefs: [{{name: bookinfo-gateway, namespace: {NAMESPACE}, kind: Gateway}}]
  rules:
    - matches: [{{path: {{type: Exact, value: {CHALLENGE}}}}}]
      filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplaceFullPath, replaceFullPath: /health}}}}}}]
      backendRefs: [{{name: productpage, port: {PORT}}}]
"""


def up(mesh: Mesh, **security: Any) -> None:
    mesh.up(security=json.dumps(security))


def becomes(asked: Callable[[], Any], expected: Any) -> None:
    """Wait until an answer is the expected one five times in a row: several proxies may answer."""
    seen: list[Any] = []

    def is_expected() -> bool:
        seen.append(asked())
        return seen[-5:] == [expected] * 5

    try:
        eventually(is_expected, PATIENCE)
    except AssertionError as error:
        raise AssertionError(f"{seen[-1]!r} is not {expected!r}") from error


def outside(mesh: Mesh, url: str) -> tuple[int, str]:
    """What a pod without a sidecar gets: the status, and the body or what went wrong, in short."""
    answer = mesh.get(url, "-timeout=10s", inside=False)
    return answer["status"], short(answer.get("error") or answer.get("body") or "")


def workload(mesh: Mesh, deployment: str, url: str) -> tuple[int, str]:
    """What a shell in a container of Bookinfo gets."""
    container = deployment.partition("-")[0]
    command = ["exec", f"deployment/{deployment}", f"--namespace={NAMESPACE}", f"--container={container}", "--"]
    answer = json.loads(mesh.kubectl(*command, "bookinfo", "get", url))
    return answer["status"], short(answer.get("body") or "")


def browser(mesh: Mesh, token: str = "") -> tuple[int, str]:
    answer = mesh.request(headers={"Authorization": f"Bearer {token}"} if token else None)
    return answer.status, short(answer.body)


def short(text: str) -> str:
    for known in (TITLE, "connection reset by peer", "Client.Timeout exceeded", '"author"', '"ratings"'):
        if known in text:
            return known
    return text


SHOWN, RESET = (200, TITLE), (0, "connection reset by peer")


# --- mutual TLS alone


@pytest.fixture(scope="module")
def strict(mesh: Mesh) -> None:
    up(mesh, mtls=MTLS)


@pytest.mark.usefixtures("strict")
@row("security", "a pod without sidecar calls productpage")
def test_a_pod_without_sidecar_is_cut_off(mesh: Mesh) -> None:
    becomes(lambda: outside(mesh, PAGE), RESET)
    becomes(lambda: browser(mesh), SHOWN)


@pytest.mark.usefixtures("strict")
def test_at_an_excepted_port_it_is_served(mesh: Mesh) -> None:
    becomes(lambda: outside(mesh, DETAILS), (200, '"author"'))


# --- with authorization, and HTTPS at the Gateway


@pytest.fixture(scope="module")
def guarded(mesh: Mesh) -> None:
    up(mesh, mtls=MTLS, authorization=True, tls={"selfSigned": True})


@pytest.mark.usefixtures("guarded")
@row("security", "the same, at an excepted port")
def test_plain_text_proves_no_identity(mesh: Mesh) -> None:
    becomes(lambda: outside(mesh, DETAILS), (403, DENIED))
    becomes(lambda: outside(mesh, PAGE), RESET)


@pytest.mark.usefixtures("guarded")
@row("security", "the browser calls the Gateway", "`https://` at the Gateway")
def test_the_gateway_stays_open_and_may_call_the_page(mesh: Mesh) -> None:
    becomes(lambda: https(mesh, trusting=True), SHOWN)
    status, told = https(mesh, trusting=False)
    assert (status, "CERTIFICATE_VERIFY_FAILED" in told) == (0, True)


def https(mesh: Mesh, *, trusting: bool) -> tuple[int, str]:
    """The page over HTTPS, for a client that takes any certificate, or for one that does not."""
    context = ssl.create_default_context()
    if trusting:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = mesh.node.address("https").rpartition(":")[2]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"https://localhost:{port}/productpage", timeout=30) as answer:
            return answer.status, short(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.code, short(error.read().decode())
    except OSError as error:
        return 0, str(error)


@pytest.mark.usefixtures("guarded")
@row("security", "productpage calls ratings, or a shell in details calls reviews")
def test_who_is_not_listed_is_denied(mesh: Mesh) -> None:
    becomes(lambda: workload(mesh, "productpage-v1", f"http://ratings:{PORT}/ratings/0"), (403, DENIED))
    becomes(lambda: workload(mesh, "details-v1", f"http://reviews:{PORT}/reviews/0"), (403, DENIED))


@pytest.mark.usefixtures("guarded")
@row("security", "reviews calls ratings")
def test_who_is_listed_is_served(mesh: Mesh) -> None:
    becomes(lambda: workload(mesh, "reviews-v2", f"http://ratings:{PORT}/ratings/0"), (200, '"ratings"'))


@pytest.fixture
def solver(mesh: Mesh) -> Iterator[None]:
    """A route such as cert-manager makes while it is challenged."""
    mesh.kubectl.apply(SOLVER)
    yield
    mesh.kubectl("delete", "httproute", "solver", f"--namespace={NAMESPACE}")


@pytest.mark.usefixtures("guarded", "solver")
@row("security", "`http://` at the Gateway")
def test_http_is_sent_to_https_but_for_challenges(mesh: Mesh) -> None:
    def told(answer: Answer) -> tuple[int, str]:
        return answer.status, answer.headers.get("location", "")

    becomes(lambda: told(mesh.request(host="shop.example"))[0], 301)
    assert told(mesh.request(host="shop.example")) == (301, "https://shop.example/productpage")
    becomes(lambda: mesh.request(CHALLENGE).status, 200)
    assert mesh.request(CHALLENGE).body == "Product page is healthy"
    assert mesh.request(f"{CHALLENGE}-2").status == 301


# --- tokens, and packets


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer.in_folder(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def tokens(mesh: Mesh, issuer: Issuer) -> None:
    jwt = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": issuer.jwks}
    up(mesh, jwt=jwt, networkPolicies={})


@pytest.mark.usefixtures("tokens")
@row("security", "the browser, without a token")
def test_without_a_token_nobody_gets_in(mesh: Mesh) -> None:
    becomes(lambda: browser(mesh), (403, DENIED))


@pytest.mark.usefixtures("tokens")
@row("security", "with a bad signature, expired, or of another issuer")
def test_a_bad_token_is_refused_with_the_reason(mesh: Mesh, issuer: Issuer, tmp_path: Path) -> None:
    forger = Issuer.in_folder(tmp_path)
    becomes(lambda: browser(mesh, forger.token()), (401, "Jwt verification fails"))
    becomes(lambda: browser(mesh, issuer.token(lasts=-3600)), (401, "Jwt is expired"))
    becomes(lambda: browser(mesh, issuer.token(iss="https://elsewhere")), (401, "Jwt issuer is not configured"))


@pytest.mark.usefixtures("tokens")
@row("security", "with another audience")
def test_a_token_for_somebody_else_is_refused(mesh: Mesh, issuer: Issuer) -> None:
    becomes(lambda: browser(mesh, issuer.token(aud="elsewhere")), (403, "Audiences in Jwt are not allowed"))


@pytest.mark.usefixtures("tokens")
@row("security", "the browser, with `Authorization: Bearer TOKEN`")
def test_a_good_token_opens_the_page(mesh: Mesh, issuer: Issuer) -> None:
    becomes(lambda: browser(mesh, issuer.token()), SHOWN)


@pytest.mark.usefixtures("tokens")
@row("security", "a pod of another namespace calls details")
def test_a_packet_of_another_namespace_gets_no_answer(mesh: Mesh) -> None:
    def asked() -> tuple[int, str]:
        answer = mesh.get(DETAILS, "-timeout=1s", inside=False)
        return answer["status"], short(answer.get("error", ""))

    becomes(asked, (0, "Client.Timeout exceeded"))
    assert mesh.get(DETAILS)["status"] == 200
