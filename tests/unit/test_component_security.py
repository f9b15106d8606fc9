import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.commands import UserError, self_signed
from components.mesh.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from components.mesh.mesh_check import Page
from components.python import program
from components.security.authorization import Allow, allow_spec, bookinfo_allows, open_gateway_spec
from components.security.gateway_certificate import (
    CertificateSource,
    CertManager,
    ExistingSecret,
    GatewayCertificate,
    GatewayCertificateArgs,
    SelfSigned,
)
from components.security.ingress_jwt import Jwt, request_authentication_spec, require_token_spec
from components.security.network_isolation import NetworkIsolationArgs, isolation_spec
from components.security.network_isolation import gateway_spec as gateway_network_spec
from components.security.peer_authentications import MutualTls, PortException, exception_spec
from components.security.security import NetworkPolicies, Security, SecurityArgs, SecurityConfig
from components.workloads.exposure import gateway_spec
from program.config import security as security_config
from program.config.values import Value
from tests.unit.conftest import Run
from tests.unit.loading import refusal
from tests.unit.recording import Mesh, composed

GATEWAY = "bookinfo-gateway"
TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}
JWT = Jwt(issuer="https://issuer.example", jwks_uri="https://issuer.example/keys")
PAGE = Page(service="productpage", namespace="shop", port=9080, path="/productpage", title="Simple Bookstore App")


def read(wanted: Any, *, bookinfo: bool = True, istio_values: dict[str, Any] | None = None) -> SecurityConfig:
    value = Value("istio-minikube:security", wanted)
    return security_config.read(value, bookinfo=bookinfo, istio_values=istio_values or {})


def security(config: SecurityConfig, allows: Sequence[Allow] = (), gateway: str = GATEWAY) -> Mesh:
    def declare() -> None:
        namespaces = {"shop": "shop", "other": "other"}
        args = SecurityArgs(
            config=config, namespace="shop", namespaces=namespaces, gateway=gateway, allows=allows, requires=[]
        )
        Security("security", args)

    return composed(declare)


def objects(mesh: Mesh) -> dict[str, Any]:
    """What was declared, as Kind/namespace/name -> spec."""
    return {
        "/".join((inputs["kind"], inputs["metadata"]["namespace"], inputs["metadata"]["name"])): inputs["spec"]
        for inputs in (each.inputs for each in mesh.registrations if each.custom)
        if "spec" in inputs and "namespace" in inputs["metadata"]
    }


# What the configuration means


def test_without_configuration_nothing_is_wanted_and_nothing_declared() -> None:
    assert read({}) == SecurityConfig()
    assert objects(security(SecurityConfig())) == {}


@pytest.mark.parametrize(
    ("wanted", "config"),
    [
        ({"mtls": {}}, SecurityConfig(mutual_tls=MutualTls(mode="STRICT", scope="mesh"))),
        (
            {"mtls": {"mode": "PERMISSIVE", "scope": "namespace"}},
            SecurityConfig(mutual_tls=MutualTls(mode="PERMISSIVE", scope="namespace")),
        ),
        (
            {"mtls": {"exceptions": {"plain": {"selector": {"app": "ratings"}, "ports": {"9080": "DISABLE"}}}}},
            SecurityConfig(
                mutual_tls=MutualTls(
                    exceptions=(PortException(name="plain", selector={"app": "ratings"}, ports={9080: "DISABLE"}),)
                )
            ),
        ),
        ({"authorization": True}, SecurityConfig(authorization=True)),
        (
            {"jwt": {"issuer": JWT.issuer, "jwksUri": JWT.jwks_uri, "audiences": ["a", "b"]}},
            SecurityConfig(jwt=Jwt(issuer=JWT.issuer, jwks_uri=JWT.jwks_uri, audiences=("a", "b"))),
        ),
        (
            {"jwt": {"issuer": "me", "jwks": {"keys": [{"kty": "RSA", "e": "AQAB"}]}}},
            SecurityConfig(jwt=Jwt(issuer="me", jwks='{"keys": [{"e": "AQAB", "kty": "RSA"}]}')),
        ),
        ({"tls": {"selfSigned": True}}, SecurityConfig(tls=SelfSigned(host="localhost"))),
        ({"tls": {"selfSigned": True, "host": "a.example"}}, SecurityConfig(tls=SelfSigned(host="a.example"))),
        ({"tls": {"secret": "mine"}}, SecurityConfig(tls=ExistingSecret(name="mine"))),
        (
            {"tls": {"certManager": {"issuer": "le"}, "host": "a.example"}},
            SecurityConfig(tls=CertManager(host="a.example", issuer="le", kind="ClusterIssuer")),
        ),
        (
            {"tls": {"certManager": {"issuer": "le", "kind": "Issuer"}, "host": "a.example"}},
            SecurityConfig(tls=CertManager(host="a.example", issuer="le", kind="Issuer")),
        ),
        ({"podSecurity": {"warn": "restricted"}}, SecurityConfig(pod_security={"warn": "restricted"})),
        ({"networkPolicies": {}}, SecurityConfig(network_policies=NetworkPolicies())),
        (
            {"networkPolicies": {"egress": ["10.0.0.0/8", "2001:db8::/64"]}},
            SecurityConfig(network_policies=NetworkPolicies(egress=("10.0.0.0/8", "2001:db8::/64"))),
        ),
    ],
)
def test_each_key_is_read(wanted: dict[str, Any], config: SecurityConfig) -> None:
    assert read(wanted) == config


KEYS = {"jwksUri": "https://a.example"}
EXCEPTION = {"selector": {"app": "ratings"}, "ports": {"9080": "PERMISSIVE"}}


@pytest.mark.parametrize(
    ("path", "wanted", "accepted"),
    [
        ("mTLS", {"mTLS": {}}, "one of these keys: mtls, authorization, jwt, tls"),
        ("mtls.mode", {"mtls": {"mode": "strict"}}, "STRICT or PERMISSIVE"),
        ("mtls.scope", {"mtls": {"scope": "pod"}}, "mesh or namespace"),
        (
            "mtls.exceptions.plain.selector",
            {"mtls": {"exceptions": {"plain": {"ports": {"9080": "DISABLE"}}}}},
            "labels of the pods, such as {app: ratings}, as Istio takes ports only together with a selector",
        ),
        (
            "mtls.exceptions.plain.ports",
            {"mtls": {"exceptions": {"plain": {"selector": {"app": "ratings"}}}}},
            "one port or more",
        ),
        (
            "mtls.exceptions.plain.ports.http",
            {"mtls": {"exceptions": {"plain": {**EXCEPTION, "ports": {"http": "DISABLE"}}}}},
            "a port's number, 1 to 65535",
        ),
        (
            "mtls.exceptions.plain.ports.9080",
            {"mtls": {"exceptions": {"plain": {**EXCEPTION, "ports": {"9080": "OFF"}}}}},
            "STRICT or PERMISSIVE or DISABLE",
        ),
        (
            "mtls.exceptions.default",
            {"mtls": {"exceptions": {"default": EXCEPTION}}},
            "a DNS-1123 label other than default",
        ),
        ("authorization", {"authorization": "yes"}, "true or false"),
        ("jwt.issuer", {"jwt": KEYS}, "the tokens' issuer"),
        ("jwt.jwksUri", {"jwt": {"issuer": "i"}}, "the address of the issuer's keys"),
        (
            "jwt.jwksUri",
            {"jwt": {"issuer": "i", **KEYS, "jwks": {"keys": [{}]}}},
            "the address of the issuer's keys, or",
        ),
        ("jwt.jwksUri", {"jwt": {"issuer": "i", "jwksUri": "a.example"}}, "an address"),
        ("jwt.jwks", {"jwt": {"issuer": "i", "jwks": {"keys": []}}}, "the issuer's keys"),
        ("jwt.audiences[0]", {"jwt": {"issuer": "i", **KEYS, "audiences": [""]}}, "an audience"),
        ("tls", {"tls": {}}, "one of selfSigned: true, secret: NAME or certManager"),
        ("tls", {"tls": {"selfSigned": True, "secret": "mine"}}, "one of selfSigned: true, secret: NAME"),
        ("tls.selfSigned", {"tls": {"selfSigned": False}}, "true, or another source"),
        ("tls.secret", {"tls": {"secret": "my secret"}}, "the name of a Secret"),
        ("tls.host", {"tls": {"secret": "mine", "host": "a"}}, "nothing beside secret"),
        ("tls.host", {"tls": {"certManager": {"issuer": "le"}}}, "a DNS name"),
        (
            "tls.certManager.issuer",
            {"tls": {"certManager": {"kind": "Issuer"}, "host": "a.example"}},
            "the name of an issuer",
        ),
        ("podSecurity.warn", {"podSecurity": {"warn": "strict"}}, "privileged or baseline"),
        ("podSecurity.enforce", {"podSecurity": {"enforce": "baseline"}}, "privileged, as each pod's istio-init needs"),
        ("networkPolicies.egress[0]", {"networkPolicies": {"egress": ["10.0.0.1"]}}, "a CIDR"),
        ("networkPolicies.egress[0]", {"networkPolicies": {"egress": ["10.0.0.1/8"]}}, "a CIDR"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key_path(path: str, wanted: dict[str, Any], accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("security", f".{path}", wanted, accepted)):
        read(wanted)


@pytest.mark.parametrize(("key", "wanted"), [("jwt", {"issuer": "i", **KEYS}), ("tls", {"secret": "mine"})])
def test_what_is_for_bookinfos_gateway_is_refused_without_bookinfo(key: str, wanted: dict[str, Any]) -> None:
    with pytest.raises(pulumi.RunError, match=rf"security.{key} is .*; accepted: nothing while bookinfo is false"):
        read({key: wanted}, bookinfo=False)


CNI = {"pilot": {"cni": {"enabled": True}}}


def test_pods_may_be_held_to_a_standard_where_istios_cni_plugin_needs_no_privilege_of_them() -> None:
    assert read({"podSecurity": {"enforce": "baseline"}}, istio_values=CNI).pod_security == {"enforce": "baseline"}
    restricted = read({"podSecurity": {"enforce": "restricted"}}, istio_values=CNI, bookinfo=False)
    assert restricted.pod_security == {"enforce": "restricted"}


def test_bookinfos_pods_cannot_be_held_to_the_restricted_standard() -> None:
    with pytest.raises(
        pulumi.RunError, match=r"podSecurity.enforce is 'restricted'; accepted: privileged or baseline while"
    ):
        read({"podSecurity": {"enforce": "restricted"}}, istio_values=CNI)


# What is declared


def test_mutual_tls_in_the_mesh_is_said_in_istios_own_namespace() -> None:
    config = SecurityConfig(mutual_tls=MutualTls())
    assert objects(security(config)) == {"PeerAuthentication/istio-system/default": {"mtls": {"mode": "STRICT"}}}


def test_mutual_tls_in_the_namespace_is_said_there_with_its_exceptions() -> None:
    exception = PortException(name="plain", selector={"app": "ratings"}, ports={9080: "PERMISSIVE", 15000: "DISABLE"})
    config = SecurityConfig(mutual_tls=MutualTls(scope="namespace", exceptions=(exception,)))
    spec = {
        "selector": {"matchLabels": {"app": "ratings"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"9080": {"mode": "PERMISSIVE"}, "15000": {"mode": "DISABLE"}},
    }
    assert exception_spec(MutualTls(), exception) == spec
    assert objects(security(config)) == {
        "PeerAuthentication/shop/default": {"mtls": {"mode": "STRICT"}},
        "PeerAuthentication/other/default": {"mtls": {"mode": "STRICT"}},
        "PeerAuthentication/shop/plain": spec,
    }


def allowed(app: str, account: str, port: str = "9080") -> dict[str, Any]:
    return {
        "selector": {"matchLabels": {"app": app}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": [f"cluster.local/ns/{account}"]}}],
                "to": [{"operation": {"ports": [port]}}],
            }
        ],
    }


BOOKINFO = {
    "AuthorizationPolicy/shop/allow-productpage": allowed("productpage", "shop/sa/bookinfo-gateway-istio"),
    "AuthorizationPolicy/shop/allow-details": allowed("details", "shop/sa/bookinfo-productpage"),
    "AuthorizationPolicy/shop/allow-reviews": allowed("reviews", "shop/sa/bookinfo-productpage"),
    "AuthorizationPolicy/shop/allow-ratings": allowed("ratings", "shop/sa/bookinfo-reviews"),
}


def test_with_authorization_only_bookinfos_real_calls_are_allowed() -> None:
    assert objects(security(SecurityConfig(authorization=True))) == {
        **BOOKINFO,
        "AuthorizationPolicy/shop/allow-bookinfo-gateway": {"targetRefs": [TARGET], "action": "ALLOW", "rules": [{}]},
        "AuthorizationPolicy/shop/deny-by-default": {},
        "AuthorizationPolicy/other/deny-by-default": {},
    }
    assert open_gateway_spec(GATEWAY) == {"targetRefs": [TARGET], "action": "ALLOW", "rules": [{}]}
    assert [allow.service for allow in bookinfo_allows("shop", GATEWAY)] == [
        "productpage",
        "details",
        "reviews",
        "ratings",
    ]


def test_everything_is_denied_only_when_all_allowances_are_there() -> None:
    mesh = security(SecurityConfig(authorization=True))
    allowances = {name for name in mesh.names if "-authorization-allow-" in name}
    assert len(allowances) == 5
    for denial in ("security-authorization-deny-by-default", "security-authorization-deny-by-default-other"):
        assert allowances <= mesh.named(denial).dependencies


def test_without_bookinfo_authorization_denies_all_but_what_services_allow() -> None:
    orders = Allow(service="orders", namespace="other", port=8080, callers=("web", "shop/web"))
    found = objects(security(SecurityConfig(authorization=True), [orders], gateway=""))
    spec = allowed("orders", "other/sa/web", "8080")
    spec["rules"][0]["from"][0]["source"]["principals"].append("cluster.local/ns/shop/sa/web")
    assert found == {
        "AuthorizationPolicy/other/allow-orders": spec,
        "AuthorizationPolicy/shop/deny-by-default": {},
        "AuthorizationPolicy/other/deny-by-default": {},
    }


def test_a_service_that_says_who_may_call_it_is_guarded_without_any_other_security() -> None:
    orders = Allow(service="orders", namespace="other", port=8080, callers=("web",))
    found = objects(security(SecurityConfig(), [orders]))
    assert found == {"AuthorizationPolicy/other/allow-orders": allowed("orders", "other/sa/web", "8080")}


def test_a_service_that_nobody_may_call_has_a_policy_without_a_rule() -> None:
    nobody = Allow(service="orders", namespace="other", port=8080, callers=())
    assert allow_spec(nobody) == {"selector": {"matchLabels": {"app": "orders"}}, "action": "ALLOW"}


@pytest.mark.parametrize(
    ("jwt", "rule"),
    [
        (JWT, {"issuer": JWT.issuer, "jwksUri": JWT.jwks_uri}),
        (Jwt(issuer="me", jwks="{}", audiences=("a",)), {"issuer": "me", "jwks": "{}", "audiences": ["a"]}),
    ],
)
def test_tokens_are_looked_at_where_requests_enter(jwt: Jwt, rule: dict[str, Any]) -> None:
    assert request_authentication_spec(GATEWAY, jwt) == {"targetRefs": [TARGET], "jwtRules": [rule]}


@pytest.mark.parametrize(("tls", "port"), [(None, "80"), (ExistingSecret(name="mine"), "443")])
def test_a_request_without_a_token_is_denied_on_the_gateways_port(tls: CertificateSource | None, port: str) -> None:
    denial = {
        "targetRefs": [TARGET],
        "action": "DENY",
        "rules": [
            {
                "from": [{"source": {"notRequestPrincipals": ["*"]}}],
                "to": [{"operation": {"ports": [port]}}],
            }
        ],
    }
    assert require_token_spec(GATEWAY, int(port)) == denial
    assert objects(security(SecurityConfig(jwt=JWT, tls=tls))) == {
        f"RequestAuthentication/shop/{GATEWAY}": request_authentication_spec(GATEWAY, JWT),
        f"AuthorizationPolicy/shop/{GATEWAY}-require-token": denial,
    }


def test_no_token_is_asked_for_before_tokens_are_looked_at() -> None:
    mesh = security(SecurityConfig(jwt=JWT))
    assert "security-jwt-request-authentication" in mesh.named("security-jwt-require-token").dependencies


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def test_network_policies_keep_packets_in_the_namespace_but_for_what_the_mesh_needs() -> None:
    args = NetworkIsolationArgs(
        namespace="shop",
        caller_namespaces=["other"],
        called_namespaces=["stock"],
        egress=["192.168.49.2/32"],
        dns=["10.96.0.10", "fd00::a"],
    )
    dns = {"matchExpressions": [{"key": "k8s-app", "operator": "In", "values": ["kube-dns", "node-local-dns"]}]}
    cached = ["169.254.20.10/32", "169.254.169.254/32", "10.96.0.10/32", "fd00::a/128"]
    assert isolation_spec(args) == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}, namespace("other")]}, {"ports": tcp(15020, 15021, 15090)}],
        "egress": [
            {"to": [{"podSelector": {}}, namespace("stock"), {"ipBlock": {"cidr": "192.168.49.2/32"}}]},
            {
                "to": [
                    {**namespace("kube-system"), "podSelector": dns},
                    *({"ipBlock": {"cidr": cidr}} for cidr in cached),
                ],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            },
            {"to": [namespace("istio-system")], "ports": tcp(15012, 4317)},
        ],
    }


def test_network_policies_let_anybody_at_the_gateways_port() -> None:
    assert gateway_network_spec(GATEWAY, 443) == {
        "podSelector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": GATEWAY}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": tcp(443)}],
    }


def test_network_policies_know_the_namespaces_that_may_call_and_the_gateways_port() -> None:
    config = SecurityConfig(network_policies=NetworkPolicies(egress=("10.0.0.0/8",)), tls=ExistingSecret(name="mine"))
    orders = Allow(service="orders", namespace="shop", port=8080, callers=("web", "other/web", "another/web"))
    elsewhere = Allow(service="stock", namespace="other", port=8080, callers=("far/web",))
    found = objects(security(config, [orders, elsewhere]))
    args = NetworkIsolationArgs(namespace="shop", caller_namespaces=["another", "other"], egress=["10.0.0.0/8"])
    assert found["NetworkPolicy/shop/mesh-isolation"] == isolation_spec(args)
    assert found[f"NetworkPolicy/shop/allow-{GATEWAY}"] == gateway_network_spec(GATEWAY, 80, 443)
    there = NetworkIsolationArgs(
        namespace="other", caller_namespaces=["far"], called_namespaces=["shop"], egress=["10.0.0.0/8"]
    )
    assert found["NetworkPolicy/other/mesh-isolation"] == isolation_spec(there)
    assert f"NetworkPolicy/other/allow-{GATEWAY}" not in found


def test_a_namespace_carries_its_pod_security_labels_even_when_it_is_somebody_elses() -> None:
    def declare() -> None:
        levels = {"enforce": "baseline", "warn": "restricted"}
        InjectedNamespace("it", InjectedNamespaceArgs(namespace="default", exists=True, pod_security=levels))

    assert composed(declare).inputs("it-namespace")["metadata"]["labels"] == {
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": "baseline",
        "pod-security.kubernetes.io/warn": "restricted",
    }


# The certificate


def certificate(source: CertificateSource, answers: dict[str, Any] | None = None) -> Mesh:
    def declare() -> None:
        GatewayCertificate("tls", GatewayCertificateArgs(namespace="shop", gateway=GATEWAY, source=source))

    return composed(declare, answers)


def test_a_self_signed_certificate_becomes_a_secret_and_is_never_shown() -> None:
    printed = json.dumps({"certificate": "CERT", "key": "KEY"})
    mesh = certificate(SelfSigned(host="a.example"), {"tls-self-signed": {"stdout": printed}})
    command = mesh.inputs("tls-self-signed")
    assert command["create"] == f"{program('self_signed')} --host=a.example"
    assert command["logging"] == "stderr"
    assert command["triggers"] == ["a.example"]
    assert list(mesh.options("tls-self-signed").additionalSecretOutputs) == ["stdout"]
    # A stack of an earlier version calls the module by another name: no new key for that, but one for another host.
    assert list(mesh.options("tls-self-signed").ignoreChanges) == ["create"]
    secret = mesh.inputs("tls-secret")
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"] == {"name": f"{GATEWAY}-tls", "namespace": "shop"}
    assert secret["stringData"] == {"tls.crt": "CERT", "tls.key": "KEY"}
    assert mesh.registered["tls"] == {"secret": f"{GATEWAY}-tls"}


def test_cert_manager_is_asked_for_a_certificate() -> None:
    mesh = certificate(CertManager(host="a.example", issuer="le", kind="ClusterIssuer"))
    assert mesh.inputs("tls-certificate")["apiVersion"] == "cert-manager.io/v1"
    assert objects(mesh) == {
        f"Certificate/shop/{GATEWAY}-tls": {
            "secretName": f"{GATEWAY}-tls",
            "dnsNames": ["a.example"],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "le"},
        }
    }
    assert mesh.registered["tls"] == {"secret": f"{GATEWAY}-tls"}


def test_a_secret_that_exists_is_named_and_nothing_is_made() -> None:
    mesh = certificate(ExistingSecret(name="mine"))
    assert not [each for each in mesh.registrations if each.custom]
    assert mesh.registered["tls"] == {"secret": "mine"}


def test_cert_managers_certificate_is_waited_for_by_a_command_that_says_what_is_missing() -> None:
    mesh = certificate(CertManager(host="a.example", issuer="le", kind="ClusterIssuer"))
    ready = mesh.named("tls-ready")
    assert ready.inputs["create"] == ready.inputs["update"]
    words = f"--kubeconfig= --context= --namespace=shop --name={GATEWAY}-tls"
    assert ready.inputs["create"] == f"{program('certificate')} {words}"
    assert "tls-certificate" in ready.dependencies


def test_challenges_are_answered_where_everything_else_is_denied() -> None:
    tls = CertManager(host="a.example", issuer="le", kind="ClusterIssuer")
    solvers = {
        "selector": {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}},
        "action": "ALLOW",
        "rules": [{}],
    }
    name = "AuthorizationPolicy/shop/allow-challenges"
    assert objects(security(SecurityConfig(authorization=True, tls=tls)))[name] == solvers
    assert name not in objects(security(SecurityConfig(tls=tls)))
    assert name not in objects(security(SecurityConfig(authorization=True, tls=ExistingSecret(name="mine"))))


def test_with_a_certificate_the_gateway_speaks_https_and_redirects_http() -> None:
    http, listener = gateway_spec("mine")["listeners"]
    assert http == {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    assert listener == {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": "mine"}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }


def test_the_command_makes_a_certificate_that_is_good_for_its_host(tmp_path: Path) -> None:
    made = self_signed.make("a.example")
    file = tmp_path / "tls.crt"
    file.write_text(made["certificate"])
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(file), "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert "DNS:a.example" in shown
    assert made["key"].startswith("-----BEGIN PRIVATE KEY-----")


def test_the_command_prints_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert self_signed.main(["--host=localhost"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"certificate", "key"}


def test_without_openssl_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"openssl is not on PATH.*security.tls.secret"):
        self_signed.make("localhost")


def test_what_openssl_refuses_is_told_in_its_own_words() -> None:
    with pytest.raises(UserError, match=r"openssl made no certificate for a/b=c,=: .*"):
        self_signed.make("a/b=c,=")


# The mesh's check


@pytest.mark.parametrize(
    ("config", "service", "port"),
    [
        (SecurityConfig(), "productpage", 9080),
        (SecurityConfig(mutual_tls=MutualTls(mode="PERMISSIVE")), "productpage", 9080),
        (SecurityConfig(tls=ExistingSecret(name="mine")), "productpage", 9080),
        (SecurityConfig(mutual_tls=MutualTls()), "bookinfo-gateway-istio", 80),
        (SecurityConfig(authorization=True), "bookinfo-gateway-istio", 80),
        (SecurityConfig(network_policies=NetworkPolicies()), "bookinfo-gateway-istio", 80),
        (SecurityConfig(mutual_tls=MutualTls(), tls=ExistingSecret(name="mine")), "https:bookinfo-gateway-istio", 443),
    ],
)
def test_the_check_asks_for_the_page_where_plain_text_is_taken(config: SecurityConfig, service: str, port: int) -> None:
    page = config.page_to_check(PAGE, GATEWAY)
    assert page is not None
    assert (page.service, page.port) == (service, port)
    assert (page.namespace, page.path, page.title) == (PAGE.namespace, PAGE.path, PAGE.title)


# The program


def checked_pages(mesh: Mesh) -> Any:
    return json.loads(mesh.inputs("mesh-check-command")["stdin"])["pages"]


def test_the_programs_check_goes_through_the_gateway_and_waits_for_the_policies(run: Run) -> None:
    mesh = run(security=json.dumps({"mtls": {}, "tls": {"secret": "mine"}}))
    (page,) = checked_pages(mesh)
    assert page["service"] == "https:bookinfo-gateway-istio"
    assert "security-mtls-default" in mesh.named("mesh-check-command").dependencies
    assert mesh.outputs["productPage"] == "https://localhost:8443/productpage"
    assert mesh.outputs["commands"]["portForward"].endswith("port-forward service/bookinfo-gateway-istio 8443:443")


def test_the_program_says_that_it_cannot_check_the_page_without_a_token(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    mesh = run(security=json.dumps({"jwt": {"issuer": "i", "jwksUri": "https://a.example"}}))
    assert checked_pages(mesh) == []
    assert "page is not asked for when the mesh is checked, as security.jwt asks for a token" in caplog.text


def test_the_program_passes_on_who_may_call_a_users_service(run: Run) -> None:
    orders = {"name": "orders", "image": "a.example/orders:1", "port": 8080, "allowFrom": ["bookinfo-productpage"]}
    found = objects(run(services=json.dumps([orders])))
    assert found["AuthorizationPolicy/default/allow-orders"] == allowed(
        "orders", "default/sa/bookinfo-productpage", "8080"
    )


def test_a_namespace_that_no_output_stands_for_is_taken_by_its_name() -> None:
    def declare() -> None:
        config = SecurityConfig(mutual_tls=MutualTls(scope="namespace"), authorization=True)
        Security("security", SecurityArgs(config=config, namespace="shop"))

    mesh = composed(declare)
    places = {each.inputs["metadata"]["namespace"] for each in mesh.registrations if each.custom}
    assert places == {"shop"}
