"""AuthorizationPolicies and tokens: what the configuration means, and what is refused by its key path."""

import re
from typing import Any

import pulumi
import pytest

from components.security.ingress_jwt import Jwt
from components.security.policy import Policy
from components.security.security import SecurityConfig
from program.config import security
from program.config.gateways import Gateway
from program.config.services import read_all
from program.config.values import Value

GATEWAY, INGRESS = "bookinfo-gateway", "istio-ingressgateway"
SHOP = {"issuer": "https://shop.example", "jwksUri": "https://shop.example/keys"}
PARTNER = {"issuer": "https://partner.example", "jwks": {"keys": [{"kty": "RSA"}]}}
SERVICES = [
    {"name": "orders", "image": "o:1", "port": 80, "namespace": "shop"},
    {"name": "web", "image": "w:1", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    {"name": "queue", "image": "q:1", "ports": [{"name": "tcp", "port": 9999}]},
]
EXTENSIONS = {"meshConfig": {"extensionProviders": [{"name": "opa", "envoyExtAuthzGrpc": {}}]}}
RULES: list[dict[str, Any]] = [{"from": [{"source": {"namespaces": ["web"]}}]}]
# Every field of a rule, as Istio has it.
SOURCE = {
    "principals": ["*", "cluster.local/ns/web/sa/page", "*/sa/page", "cluster.local/ns/web/*"],
    "requestPrincipals": ["https://shop.example/*"],
    "namespaces": ["web", "team-*"],
    "ipBlocks": ["10.0.0.0/8", "203.0.113.7"],
    "remoteIpBlocks": ["2001:db8::/64"],
    "notPrincipals": ["cluster.local/ns/web/sa/old"],
    "notRequestPrincipals": ["*/ann"],
    "notNamespaces": ["test"],
    "notIpBlocks": ["10.1.0.0/16"],
    "notRemoteIpBlocks": ["192.0.2.1"],
}
OPERATION = {
    "hosts": ["shop.example", "*.shop.example"],
    "ports": ["8080"],
    "methods": ["GET", "POST"],
    "paths": ["/api/*", "*/info", "/orders/{*}/items", "/files/{**}"],
    "notHosts": ["old.shop.example"],
    "notPorts": ["9090"],
    "notMethods": ["DELETE"],
    "notPaths": ["/admin*"],
}
WHEN = [
    {"key": "request.headers[x-user]", "values": ["jason"], "notValues": ["ann"]},
    {"key": "source.ip", "values": ["10.0.0.0/8"]},
    {"key": "source.namespace", "values": ["web"]},
    {"key": "source.principal", "notValues": ["cluster.local/ns/web/sa/old"]},
    {"key": "remote.ip", "values": ["203.0.113.7"]},
    {"key": "request.auth.principal", "values": ["https://shop.example/jason"]},
    {"key": "request.auth.audiences", "values": ["shop"]},
    {"key": "request.auth.presenter", "values": ["app"]},
    {"key": "request.auth.claims[groups]", "values": ["admins"]},
    {"key": "request.auth.claims[realm][roles]", "values": ["admins"]},
    {"key": "destination.ip", "values": ["10.1.2.3"]},
    {"key": "destination.port", "values": ["8080"]},
    {"key": "connection.sni", "values": ["shop.example"]},
    {"key": "experimental.envoy.filters.network.mysql_proxy[db.table]", "values": ["[select]"]},
]


def read(wanted: Any, *, bookinfo: bool = True, gateway: str = INGRESS) -> SecurityConfig:
    place = Gateway(name=gateway, namespace="istio-system", kind="ingress", service_type="LoadBalancer", replicas=1)
    services = read_all(Value("istio-minikube:services", SERVICES), "default")
    return security.read(
        Value("istio-minikube:security", wanted),
        bookinfo=bookinfo,
        istio_values=EXTENSIONS,
        services=services,
        gateways={gateway: place},
    )


def policy(wanted: Any, **more: Any) -> Policy:
    (found,) = read({"policies": {"readers": wanted}, **more}).policies
    return found


def test_rules_are_taken_as_istio_has_them() -> None:
    rule = {"from": [{"source": SOURCE}], "to": [{"operation": OPERATION}], "when": WHEN}
    found = policy({"gateway": GATEWAY, "action": "DENY", "rules": [rule, {}]}, jwt=SHOP)
    assert found == Policy(name="readers", gateway=GATEWAY, action="DENY", rules=(rule, {}))


def test_a_service_account_is_said_by_its_name_and_told_in_terms_of_every_version() -> None:
    source = {"serviceAccounts": ["page", "web/page"], "notServiceAccounts": ["old"], "principals": ["*/sa/any"]}
    (rule,) = policy({"service": "orders", "rules": [{"from": [{"source": source}]}]}).rules
    assert rule["from"] == [
        {
            "source": {
                "principals": ["*/sa/any", "cluster.local/ns/shop/sa/page", "cluster.local/ns/web/sa/page"],
                "notPrincipals": ["cluster.local/ns/shop/sa/old"],
            }
        }
    ]
    at_gateway = policy({"gateway": GATEWAY, "rules": [{"from": [{"source": {"serviceAccounts": ["page"]}}]}]})
    assert at_gateway.rules[0]["from"][0]["source"] == {"principals": ["cluster.local/ns/default/sa/page"]}


def test_a_policy_without_a_rule_allows_nothing() -> None:
    assert policy({"service": "orders", "rules": []}) == Policy(name="readers", service="orders")


@pytest.mark.parametrize(
    ("authorization", "said", "dry_run"),
    [(None, None, False), ("dry-run", None, True), ("dry-run", False, False), (True, True, True), (True, None, False)],
)
def test_a_policy_is_tried_where_it_says_so_or_all_authorization_is(
    authorization: Any, said: bool | None, dry_run: bool
) -> None:
    assert policy({"service": "orders", "rules": RULES, "dryRun": said}, authorization=authorization).dry_run is dry_run
    assert not policy({"service": "orders", "action": "AUDIT", "rules": RULES}, authorization=authorization).dry_run


def test_authorization_is_off_on_or_tried() -> None:
    found = [read({"authorization": value}) for value in (False, True, "true", "dry-run")]
    assert [(each.authorization, each.authorization_dry_run) for each in found] == [
        (False, False),
        (True, False),
        (True, False),
        (True, True),
    ]


def test_an_authorizer_of_ones_own_is_asked() -> None:
    rules = [{"to": [{"operation": {"paths": ["/admin*"]}}]}]
    found = policy({"service": "orders", "action": "CUSTOM", "provider": "opa", "rules": rules})
    assert (found.action, found.provider) == ("CUSTOM", "opa")


ACCOUNT = "a service account, as NAME or NAMESPACE/NAME"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (
            {"rules": RULES},
            " is {'rules': [{'from': [{'source': {'namespaces': ['web']}}]}]}; accepted: one of service: NAME",
        ),
        (
            {"service": "carts", "rules": RULES},
            ".service is 'carts'; accepted: one of this stack's services: details, ratings",
        ),
        (
            {"gateway": "mine", "rules": RULES},
            f".gateway is 'mine'; accepted: one of this stack's gateways: {GATEWAY}, {INGRESS}",
        ),
        (
            {"service": "orders", "action": "deny", "rules": RULES},
            ".action is 'deny'; accepted: ALLOW or DENY or AUDIT or CUSTOM",
        ),
        ({"service": "orders"}, ".rules is not set; accepted: one rule or more, such as"),
        ({"service": "orders", "action": "DENY", "rules": []}, ".rules is []; accepted: one rule or more, such as"),
        (
            {"service": "orders", "rules": [{"fro": []}]},
            ".rules[0].fro is []; accepted: one of these keys: from, to, when",
        ),
        ({"service": "orders", "rules": [{"from": []}]}, ".rules[0].from is []; accepted: a list such as [{source:"),
        (
            {"service": "orders", "rules": [{"from": [{"source": {}}]}]},
            ".rules[0].from[0].source is {}; accepted: one or more of principals, notPrincipals",
        ),
        (
            {"service": "orders", "rules": [{"from": [{"source": {"principals": ["web/page"]}}]}]},
            ".rules[0].from[0].source.principals[0] is 'web/page'; accepted: an identity as "
            "TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
        ),
        (
            {"service": "orders", "rules": [{"from": [{"source": {"serviceAccounts": ["a/b/c"]}}]}]},
            f".rules[0].from[0].source.serviceAccounts[0] is 'a/b/c'; accepted: {ACCOUNT}",
        ),
        (
            {"service": "orders", "rules": [{"from": [{"source": {"ipBlocks": ["10.0.0.0/33"]}}]}]},
            ".rules[0].from[0].source.ipBlocks[0] is '10.0.0.0/33'; accepted: a CIDR such as 203.0.113.0/24, or an "
            "IP address",
        ),
        (
            {"service": "orders", "rules": [{"from": [{"source": {"namespaces": []}}]}]},
            ".rules[0].from[0].source.namespaces is []; accepted: a list of one or more",
        ),
        (
            {"service": "orders", "rules": [{"to": [{"operation": {"paths": ["/a/*/b"]}}]}]},
            ".rules[0].to[0].operation.paths[0] is '/a/*/b'; accepted: a path such as /api/*, or a template",
        ),
        (
            {"service": "orders", "rules": [{"to": [{"operation": {"notPaths": ["admin"]}}]}]},
            ".rules[0].to[0].operation.notPaths[0] is 'admin'; accepted: a path such as /api/*, or a template",
        ),
        (
            {"service": "orders", "action": "DENY", "rules": [{"to": [{"operation": {"methods": ["post"]}}]}]},
            ".rules[0].to[0].operation.methods[0] is 'post'; accepted: a method such as GET",
        ),
        (
            {"service": "orders", "rules": [{"from": [{"source": {"principals": ["spiffe://a/ns/b/sa/c"]}}]}]},
            ".rules[0].from[0].source.principals[0] is 'spiffe://a/ns/b/sa/c'; accepted: an identity as "
            "TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
        ),
        (
            {"service": "orders", "rules": [None]},
            ".rules[0] is not set; accepted: a value, or {} for an object without a key",
        ),
        (
            {"service": "web", "action": "DENY", "rules": [{}, {"to": [{"operation": {"ports": [8080, 80]}}]}]},
            ".rules[1].to[0].operation.ports is '80'; accepted: ports of the containers: 8080 in the place of 80",
        ),
        (
            {
                "service": "web",
                "action": "DENY",
                "rules": [{"when": [{"key": "destination.port", "notValues": [8080, 80]}]}],
            },
            ".rules[0].when[0].notValues is '80'; accepted: ports of the containers: 8080 in the place of 80",
        ),
        (
            {"gateway": INGRESS, "action": "DENY", "rules": [{"to": [{"operation": {"ports": [9000, 443]}}]}]},
            ".rules[0].to[0].operation.ports is '443'; accepted: ports of the containers: 8443 in the place of 443",
        ),
        ({"service": "orders", "rules": [{"when": []}]}, ".rules[0].when is []; accepted: a list such as [{key: "),
        (
            {"service": "orders", "rules": [{"to": [{"operation": {"ports": ["http"]}}]}]},
            ".rules[0].to[0].operation.ports[0] is 'http'; accepted: a port's number",
        ),
        (
            {"service": "orders", "rules": [{"to": [{"operation": {"method": "GET"}}]}]},
            ".rules[0].to[0].operation.method is 'GET'; accepted: one of these keys: hosts, notHosts",
        ),
        (
            {"service": "orders", "rules": [{"when": [{"key": "request.path", "values": ["/"]}]}]},
            ".rules[0].when[0].key is 'request.path'; accepted: request.headers[NAME], source.ip",
        ),
        (
            {"service": "orders", "rules": [{"when": [{"key": "source.ip"}]}]},
            ".rules[0].when[0] is {'key': 'source.ip'}; accepted: values, notValues or both",
        ),
        (
            {"service": "orders", "rules": [{"when": [{"key": "source.ip", "values": ["here"]}]}]},
            ".rules[0].when[0].values[0] is 'here'; accepted: a CIDR such as 203.0.113.0/24",
        ),
        (
            {"service": "orders", "rules": [{"when": [{"key": "request.auth.claims[a]", "values": ["b"]}]}]},
            ".rules[0].when[0].key is 'request.auth.claims[a]'; accepted: nothing of tokens while orders looks at "
            "none: see security.jwt, and list orders in security.jwt.services",
        ),
        (
            {"gateway": GATEWAY, "rules": [{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}]},
            f".rules[0].from[0].source.notRequestPrincipals is ['*']; accepted: nothing of tokens while {GATEWAY} "
            "looks at none: see security.jwt",
        ),
        (
            {"service": "orders", "action": "CUSTOM", "provider": "opa", "rules": RULES},
            ".rules[0].from[0].source.namespaces is ['web']; accepted: nothing beside action: CUSTOM",
        ),
        (
            {"service": "orders", "action": "CUSTOM", "rules": [{}]},
            ".provider is not set; accepted: one of istioValues.meshConfig.extensionProviders by name: opa",
        ),
        (
            {"service": "orders", "provider": "opa", "rules": RULES},
            ".provider is 'opa'; accepted: a provider with action: CUSTOM alone",
        ),
        (
            {"service": "orders", "action": "AUDIT", "dryRun": True, "rules": RULES},
            ".dryRun is True; accepted: nothing beside AUDIT, which Istio does not try",
        ),
    ],
)
def test_what_istio_would_not_take_or_never_fit_is_refused(wanted: Any, told: str) -> None:
    message = f"config key istio-minikube:security.policies.readers{told}"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}"):
        policy(wanted)


@pytest.mark.parametrize(
    "name", ["allow-orders", "deny-by-default", "orders-require-token", "readers-dry-run", "Readers"]
)
def test_a_policy_takes_no_name_that_the_program_gives(name: str) -> None:
    message = f"config key istio-minikube:security.policies.{name} is '{name}'; accepted: a DNS-1123 label as its name"
    with pytest.raises(pulumi.RunError, match=re.escape(message)):
        read({"policies": {name: {"service": "orders", "rules": RULES}}})


def test_without_bookinfo_there_is_no_gateway_and_there_are_none_of_its_services() -> None:
    for target in ({"gateway": GATEWAY}, {"service": "reviews"}):
        with pytest.raises(
            pulumi.RunError, match=r"accepted: one of this stack's (gateways: istio-ingressgateway$|services: orders)"
        ):
            read({"policies": {"readers": {**target, "rules": RULES}}}, bookinfo=False)


# Tokens


EVERYTHING = {
    **SHOP,
    "audiences": ["shop"],
    "forwardOriginalToken": True,
    "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}, {"header": "x-role", "claim": "realm.role"}],
    "outputPayloadToHeader": "x-payload",
    "fromHeaders": [{"name": "x-token", "prefix": "Token "}, {"name": "x-other"}],
    "fromParams": ["token"],
    "fromCookies": ["session"],
    "timeout": "10s",
}


def test_an_issuer_says_where_its_tokens_are_and_what_becomes_of_them() -> None:
    assert read({"jwt": EVERYTHING}).jwt == Jwt(
        issuer="https://shop.example",
        jwks_uri="https://shop.example/keys",
        audiences=("shop",),
        forward_original_token=True,
        output_claim_to_headers={"x-user": "sub", "x-role": "realm.role"},
        output_payload_to_header="x-payload",
        from_headers={"x-token": "Token ", "x-other": ""},
        from_params=("token",),
        from_cookies=("session",),
        timeout="10s",
    )


def test_several_issuers_are_listed() -> None:
    found = read({"jwt": {"issuers": [EVERYTHING, PARTNER]}})
    assert [issuer.issuer for issuer in found.issuers] == ["https://shop.example", "https://partner.example"]
    assert found.jwt == read({"jwt": EVERYTHING}).jwt
    assert (found.jwt_required, found.jwt_dry_run, found.jwt_services) == (True, False, ())


def test_tokens_need_not_be_given_or_are_asked_for_to_try_it() -> None:
    optional, tried = (read({"jwt": {**SHOP, "required": required}}) for required in (False, "dry-run"))
    assert (optional.jwt_required, optional.jwt_dry_run) == (False, False)
    assert (tried.jwt_required, tried.jwt_dry_run) == (True, True)


def test_services_look_at_tokens_too() -> None:
    wanted = {"jwt": {**SHOP, "forwardOriginalToken": True, "services": ["orders", "productpage"]}}
    assert read(wanted).jwt_services == ("orders", "productpage")
    assert read({"jwt": {**SHOP, "services": ["orders"]}}, bookinfo=False).jwt_services == ("orders",)


def test_the_gateways_that_look_at_tokens_are_bookinfos_or_those_that_are_named() -> None:
    assert read({"jwt": SHOP}).jwt_gateways is None
    assert read({"jwt": {**SHOP, "gateways": [INGRESS]}}, bookinfo=False).jwt_gateways == (INGRESS,)
    assert read({"jwt": {**SHOP, "gateways": [], "services": ["orders"]}}).jwt_gateways == ()
    rules = [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]
    there = {"jwt": {**SHOP, "gateways": [INGRESS]}, "policies": {"mine": {"gateway": INGRESS, "rules": rules}}}
    assert read(there).policies[0].gateway == INGRESS
    with pytest.raises(pulumi.RunError, match=f"nothing of tokens while {GATEWAY} looks at none"):
        read({**there, "policies": {"mine": {"gateway": GATEWAY, "rules": rules}}})


def test_a_service_looks_at_no_tokens_because_a_gateway_of_its_name_does() -> None:
    rules = [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]
    wanted = {"jwt": {**SHOP, "gateways": ["orders"]}, "policies": {"mine": {"service": "orders", "rules": rules}}}
    with pytest.raises(pulumi.RunError, match="nothing of tokens while orders looks at none"):
        read(wanted, gateway="orders")


def test_tokens_that_nothing_looks_at_are_refused() -> None:
    everything: list[dict[str, Any]] = [{}, {"gateways": []}]
    for nowhere in everything:
        with pytest.raises(pulumi.RunError, match=r"security.jwt is .* or gateways or services that look at tokens$"):
            read({"jwt": {**SHOP, **nowhere}}, bookinfo=False)


@pytest.mark.parametrize(
    ("jwt", "told"),
    [
        ({**SHOP, "issuers": [PARTNER]}, f"issuer is {SHOP['issuer']!r}; accepted: this key in an entry of issuers"),
        ({"issuers": []}, "issuers is []; accepted: one issuer or more"),
        (
            {"issuers": [SHOP, SHOP]},
            f"issuers[1].issuer is {SHOP['issuer']!r}; accepted: an issuer that no other entry has",
        ),
        ({"issuers": [{"issuer": "a"}]}, "issuers[0].jwksUri is not set; accepted: the address of the issuer's keys"),
        (
            {"issuers": [{**SHOP, "required": True}]},
            "issuers[0].required is True; accepted: one of these keys: issuer, jwksUri",
        ),
        ({**SHOP, "required": "no"}, "required is 'no'; accepted: true or false or dry-run"),
        ({**SHOP, "forwardOriginalToken": 1}, "forwardOriginalToken is 1; accepted: true or false"),
        (
            {**SHOP, "outputClaimToHeaders": [{"header": "a"}]},
            "outputClaimToHeaders[0].claim is not set; accepted: the name of a claim",
        ),
        (
            {**SHOP, "outputClaimToHeaders": [{"header": "a b", "claim": "c"}]},
            "outputClaimToHeaders[0].header is 'a b'; accepted: the name of a header",
        ),
        ({**SHOP, "fromHeaders": [{"prefix": "a"}]}, "fromHeaders[0].name is not set; accepted: the name of a header"),
        (
            {**SHOP, "fromHeaders": [{"name": "x-a", "prefix": "A "}, {"name": "X-A", "prefix": "B "}]},
            "fromHeaders[1].name is 'X-A'; accepted: a header that no other entry has",
        ),
        (
            {**SHOP, "outputClaimToHeaders": [{"header": "a", "claim": "b"}, {"header": "a", "claim": "c"}]},
            "outputClaimToHeaders[1].header is 'a'; accepted: a header that no other entry has",
        ),
        ({**SHOP, "fromParams": [""]}, "fromParams[0] is ''; accepted: a name, such as token"),
        ({**SHOP, "fromCookies": ["a b"]}, "fromCookies[0] is 'a b'; accepted: a name, such as token"),
        (
            {"issuer": "a", "jwks": {"keys": ["n"]}},
            "jwks is {'keys': ['n']}; accepted: the issuer's keys as an object",
        ),
        ({**SHOP, "timeout": "1"}, "timeout is '1'; accepted: a duration above zero"),
        (
            {**SHOP, "gateways": ["mine"]},
            f"gateways[0] is 'mine'; accepted: one of this stack's gateways: {GATEWAY}, {INGRESS}",
        ),
        (
            {**SHOP, "services": ["carts"]},
            "services[0] is 'carts'; accepted: one of this stack's services over HTTP: details",
        ),
        (
            {**SHOP, "services": ["queue"]},
            "services[0] is 'queue'; accepted: one of this stack's services over HTTP: details",
        ),
        (
            {**SHOP, "services": ["orders"]},
            "services is ['orders']; accepted: services together with forwardOriginalToken: true of "
            "https://shop.example, as the Gateway else removes",
        ),
    ],
)
def test_a_token_that_nobody_could_tell_good_or_would_see_is_refused(jwt: Any, told: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(f'config key istio-minikube:security.jwt.{told}')}"):
        read({"jwt": jwt})
