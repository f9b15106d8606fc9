"""What may be said of services from outside, and how what may not is refused."""

import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.security.gateway_certificate import CertManager, ExistingSecret, SelfSigned
from components.traffic.routes import (
    HeaderFilter,
    PathMatch,
    Redirect,
    RouteParent,
    RouteRule,
    UrlRewrite,
    ValueMatch,
)
from program.config.expose import Expose
from program.exposed import callers, exposed_at
from program.settings import Settings
from tests.unit.loading import loaded, refusal

GATEWAY = "istio-ingressgateway"
OTHERS = [{"name": "tcp-db", "port": 5432}, {"name": "dns", "port": 53, "protocol": "UDP"}]
PLAIN = Expose(protocol="HTTP", port=80, gateway=GATEWAY)


def service(name: str = "orders", **keys: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}, {"name": "api", "port": 90, "appProtocol": "grpc"}, *OTHERS]
    return {"name": name, "image": "registry.example/orders:1", "ports": ports, **keys}


def settings(*expose: dict[str, Any], **keys: Any) -> Settings:
    others = {key: json.dumps(value) for key, value in keys.items()}
    return loaded(services=json.dumps([service(expose=list(expose))]), **others)


def ruled(*rules: RouteRule) -> Expose:
    return replace(PLAIN, rules=rules)


REGULAR = PathMatch(type="RegularExpression", value="/[ab]")
HEADERS = {"x-env": ValueMatch(value="test"), "x-n": ValueMatch(type="RegularExpression", value="[0-9]+")}
FILTERED = RouteRule(
    headers=HEADERS,
    query_params={"v": ValueMatch(value="1")},
    request_headers=HeaderFilter(set={"a": "b"}, add={"c": "d"}, remove=("e",)),
    response_headers=HeaderFilter(remove=("server",)),
)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, PLAIN),
        ({"hosts": ["a.example", "*.b.example", "a.example"]}, replace(PLAIN, hosts=("a.example", "*.b.example"))),
        ({"paths": ["/a"]}, ruled(RouteRule(paths=(PathMatch(value="/a"),)))),
        (
            {"rules": [{"paths": [{"type": "Exact", "value": "/a"}], "methods": ["GET", "PUT"]}, {}]},
            ruled(RouteRule(paths=(PathMatch(type="Exact", value="/a"),), methods=("GET", "PUT")), RouteRule()),
        ),
        (
            {"paths": [{"type": "RegularExpression", "value": "/[ab]"}], "urlRewrite": {"hostname": "c.internal"}},
            ruled(RouteRule(paths=(REGULAR,), url_rewrite=UrlRewrite(hostname="c.internal"))),
        ),
        (
            {
                "headers": {"x-env": "test", "x-n": {"type": "RegularExpression", "value": "[0-9]+"}},
                "queryParams": {"v": "1"},
                "requestHeaders": {"set": {"a": "b"}, "add": {"c": "d"}, "remove": ["e"]},
                "responseHeaders": {"remove": ["server"]},
            },
            ruled(FILTERED),
        ),
        (
            {"redirect": {"scheme": "https", "port": "8443", "statusCode": 301}},
            ruled(RouteRule(redirect=Redirect(scheme="https", port=8443, status_code=301))),
        ),
        (
            {"hosts": ["a.example", "b.example"], "tls": {"selfSigned": True}, "httpsRedirect": False},
            replace(
                PLAIN,
                hosts=("a.example", "b.example"),
                tls={host: SelfSigned(host=host) for host in ("a.example", "b.example")},
                https_redirect=False,
            ),
        ),
        (
            {"hosts": ["a.example"], "tls": {"secret": "a-tls"}},
            replace(PLAIN, hosts=("a.example",), tls={"a.example": ExistingSecret(name="a-tls")}),
        ),
        (
            {"hosts": ["a.example"], "tls": {"certManager": {"issuer": "ca", "kind": "Issuer"}}},
            replace(
                PLAIN,
                hosts=("a.example",),
                tls={"a.example": CertManager(host="a.example", issuer="ca", kind="Issuer")},
            ),
        ),
        (
            {"protocol": "GRPC", "methods": ["shop.Orders", "shop.Orders/Get"]},
            replace(PLAIN, protocol="GRPC", port=90, rules=(RouteRule(methods=("shop.Orders", "shop.Orders/Get")),)),
        ),
        ({"protocol": "TCP", "listen": 9, "port": 5432}, replace(PLAIN, protocol="TCP", listen=9, port=5432)),
        (
            {"protocol": "TLS", "hosts": ["a.example"]},
            replace(PLAIN, protocol="TLS", hosts=("a.example",), listen=443),
        ),
        ({"gateway": "internal"}, replace(PLAIN, gateway="internal")),
        (
            {"gateway": {"name": "theirs", "namespace": "infra", "sectionName": "web"}},
            replace(PLAIN, gateway="", parent=RouteParent(name="theirs", namespace="infra", section_name="web")),
        ),
    ],
)
def test_a_way_is_read(said: dict[str, Any], read: Expose) -> None:
    (found,) = settings(said, gateways={"internal": {}}).services[0].expose
    assert found == read


QUOTED = "in quotes where it is a number, true or false"
PATHS = "a path from / on such as /orders, without //, . or .. in it"


@pytest.mark.parametrize(
    ("path", "said", "accepted"),
    [
        (
            "host",
            {"host": "a.example"},
            "one of these keys: protocol, port, gateway, hosts, tls, httpsRedirect, listen, rules, paths, "
            "methods, headers, queryParams, requestHeaders, responseHeaders, urlRewrite, redirect",
        ),
        ("protocol", {"protocol": "UDP"}, "HTTP or GRPC or TCP or TLS"),
        ("port", {"port": 81}, "a port of the service: 80, 90, 5432, 53"),
        ("port", {"port": 5432}, "a port that speaks HTTP, or protocol TCP or TLS, not the one named tcp-db"),
        (
            "port",
            {"protocol": "GRPC", "port": 80},
            "a port that speaks gRPC, by the name grpc or grpc-SOMETHING or by appProtocol grpc, not the one "
            "named http",
        ),
        ("port", {"protocol": "TCP", "listen": 53, "port": 53}, "a port that speaks TCP, not the one named dns"),
        (
            "gateway",
            {"gateway": "egress"},
            "the name of an ingress gateway (istio-ingressgateway, internal), or {name: NAME} of an existing Gateway",
        ),
        ("hosts[0]", {"hosts": ["A.example"]}, "a DNS name such as shop.example.com, or with * as its first label"),
        ("paths[0]", {"paths": ["orders"]}, PATHS),
        ("paths[0]", {"paths": ["/a/../b"]}, PATHS),
        ("paths[0].value", {"paths": [{"type": "Exact", "value": "/a//b"}]}, PATHS),
        (
            "methods[0]",
            {"methods": ["get"]},
            "GET or HEAD or POST or PUT or DELETE or CONNECT or OPTIONS or TRACE or PATCH",
        ),
        ("headers.a b", {"headers": {"a b": "c"}}, "the name of a header"),
        ("headers.X-A", {"headers": {"x-a": "1", "X-A": "2"}}, "a header that no other key names, in capitals or not"),
        ("headers.x-a", {"headers": {"x-a": True}}, f"the exact value of the header, {QUOTED}"),
        ("queryParams.a", {"queryParams": {"a": 1}}, f"the exact value of the parameter, {QUOTED}"),
        ("queryParams.a", {"queryParams": {"a": "b" * 1025}}, f"the exact value of the parameter, {QUOTED}"),
        ("headers", {"headers": dict.fromkeys("abcdefghijklmnopq", "1")}, "16 headers or fewer"),
        ("requestHeaders.set.a", {"requestHeaders": {"set": {"a": True}}}, f"the header's value, {QUOTED}"),
        ("requestHeaders.remove", {"requestHeaders": {"remove": [*"abcdefghijklmnopq"]}}, "16 headers or fewer"),
        ("paths[0]", {"paths": [5]}, PATHS),
        ("paths[0]", {"paths": ["/" + "a" * 1024]}, PATHS),
        (
            "paths[0].value",
            {"paths": [{"type": "RegularExpression", "value": "/(a"}]},
            "a regular expression (RE2) for the whole path (missing ), unterminated subpattern at position 1)",
        ),
        (
            "headers.a.value",
            {"headers": {"a": {"type": "RegularExpression", "value": "(?!b).*"}}},
            "a regular expression (RE2) for the header's value, which knows no (?!",
        ),
        (
            "gateway",
            {"gateway": 5},
            "the name of an ingress gateway (istio-ingressgateway, internal), or {name: NAME} of an existing Gateway",
        ),
        (
            "hosts[0]",
            {"hosts": ["a" * 63 + ".b" * 90]},
            "a DNS name such as shop.example.com, or with * as its first label",
        ),
        (
            "hosts",
            {"hosts": [f"{n}.example" for n in range(17)]},
            "16 hosts or fewer: list the others in an entry of their own",
        ),
        ("requestHeaders", {"requestHeaders": {}}, "one of set: {NAME: VALUE}, add: {NAME: VALUE} and remove: [NAME]"),
        ("urlRewrite", {"urlRewrite": {}}, "one of hostname, replacePrefixMatch and replaceFullPath"),
        (
            "redirect",
            {"redirect": {"statusCode": 301}},
            "one of scheme, hostname, port, replacePrefixMatch and replaceFullPath",
        ),
        ("redirect.statusCode", {"redirect": {"scheme": "https", "statusCode": 303}}, "an HTTP status, 301 to 302"),
        (
            "urlRewrite.replaceFullPath",
            {"urlRewrite": {"replacePrefixMatch": "/a", "replaceFullPath": "/b"}},
            "replacePrefixMatch or replaceFullPath, not both",
        ),
        (
            "paths",
            {"urlRewrite": {"replacePrefixMatch": "/a"}},
            "prefixes beside replacePrefixMatch, such as [/orders]",
        ),
        (
            "urlRewrite",
            {"urlRewrite": {"hostname": "a.b"}, "redirect": {"port": 1}},
            "urlRewrite or redirect, not both: what is redirected reaches no service",
        ),
        ("paths", {"paths": ["/a"], "rules": [{}]}, "nothing beside rules, each of which says it for itself"),
        ("hosts", {"tls": {"selfSigned": True}}, "one host or more beside tls, as each has a certificate of its own"),
        (
            "tls.host",
            {"hosts": ["a.example"], "tls": {"selfSigned": True, "host": "b.example"}},
            "one of these keys: selfSigned, secret, certManager",
        ),
        ("httpsRedirect", {"httpsRedirect": False}, "nothing without tls"),
        ("paths", {"protocol": "GRPC", "paths": ["/a"]}, "nothing with protocol GRPC"),
        (
            "rules[0].urlRewrite",
            {"protocol": "GRPC", "rules": [{"urlRewrite": {"hostname": "a.b"}}]},
            "nothing with protocol GRPC",
        ),
        (
            "methods[0]",
            {"protocol": "GRPC", "methods": ["/shop.Orders"]},
            "SERVICE or SERVICE/METHOD, such as shop.Orders/Get",
        ),
        ("listen", {"protocol": "TCP"}, "a port's number, 1 to 65535"),
        (
            "listen",
            {"protocol": "TCP", "listen": 443},
            "a port of the gateway's other than 80 and 443, where it speaks HTTP, and 15000 to 15099",
        ),
        ("hosts", {"protocol": "TCP", "listen": 9000, "hosts": ["a.b"]}, "nothing with protocol TCP"),
        (
            "hosts",
            {"protocol": "TLS"},
            "one host or more with protocol TLS, by which the gateway tells the services apart",
        ),
        (
            "tls",
            {"gateway": {"name": "theirs"}, "hosts": ["a.b"], "tls": {"selfSigned": True}},
            "nothing beside a Gateway that is not the stack's, whose own listeners decide it",
        ),
        (
            "gateway",
            {"gateway": {"name": "theirs"}, "protocol": "TLS", "hosts": ["a.b"]},
            "the name of one of this stack's gateways with protocol TLS",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(path: str, said: dict[str, Any], accepted: str) -> None:
    services = [service(expose=[said])]
    told = refusal("services", f"[0].expose[0].{path}", services, accepted)
    with pytest.raises(pulumi.RunError, match=f"{told}$"):
        load(services)


def refuse(told: str, *said: dict[str, Any], others: list[dict[str, Any]] | None = None) -> None:
    message = f"config key istio-minikube:{told}"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        load([service(expose=list(said)), *(others or [])])


def load(services: list[dict[str, Any]]) -> None:
    gateways = {"internal": {}, "egress": {"kind": "egress"}}
    loaded(services=json.dumps(services), gateways=json.dumps(gateways))


SELF_SIGNED = {"hosts": ["a.example"], "tls": {"selfSigned": True}}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            {"hosts": ["a.example"], "paths": ["/a"]},
            {"hosts": ["b.example", "a.example"], "paths": ["/b", "/a"]},
            "hosts is ['b.example', 'a.example']; accepted: hosts, paths, methods or headers other than those of "
            "services.orders.expose[0], as a request goes to one service",
        ),
        (
            {},
            {"paths": ["/"]},
            "hosts is []; accepted: hosts, paths, methods or headers other than those of "
            "services.orders.expose[0], as a request goes to one service",
        ),
        (
            SELF_SIGNED,
            {"hosts": ["a.example"], "tls": {"secret": "mine"}, "paths": ["/b"]},
            "tls is {'secret': 'mine'}; accepted: what services.orders.expose[0].tls says of a.example, "
            "as a host has one certificate; one of the two is enough",
        ),
        (
            SELF_SIGNED,
            {**SELF_SIGNED, "paths": ["/b"], "httpsRedirect": False},
            "httpsRedirect is False; accepted: what services.orders.expose[0] says of a.example, all of whose requests "
            "over HTTP are redirected or none",
        ),
        (
            {"hosts": ["*.example"], "tls": {"secret": "mine"}},
            {"hosts": ["wildcard.example"], "tls": {"secret": "mine"}},
            "hosts is 'wildcard.example'; accepted: not both *.example and this, which have one listener",
        ),
        (
            {"gateway": {"name": "theirs", "namespace": "default"}},
            {"gateway": {"name": "theirs"}},
            "hosts is []; accepted: hosts, paths, methods or headers other than those of services.orders.expose[0], as "
            "a request goes to one service",
        ),
        (
            {"protocol": "TCP", "listen": 8443},
            {"protocol": "TCP", "listen": 18443},
            "listen is 18443; accepted: ports of which no two have one target port, as two have 18443, at gateway "
            "istio-ingressgateway",
        ),
        (
            SELF_SIGNED,
            {"hosts": ["a.example", "b.example"], "paths": ["/b"]},
            "hosts is ['a.example', 'b.example']; accepted: hosts that are all redirected to HTTPS or none, as "
            "a.example is: list the others in an entry of their own",
        ),
        (
            {"protocol": "TCP", "listen": 9000},
            {"protocol": "TCP", "listen": 9000},
            "listen is 9000; accepted: a port other than that of services.orders.expose[0]",
        ),
        (
            {"protocol": "TLS", "hosts": ["a.example"]},
            {"protocol": "TLS", "hosts": ["a.example"]},
            "listen is 443; accepted: a host and port other than that of services.orders.expose[0]",
        ),
        (
            {"protocol": "TCP", "listen": 9000},
            {"protocol": "TLS", "hosts": ["a.example"], "listen": 9000},
            "listen is 9000; accepted: a port other than that of services.orders.expose[0]",
        ),
        (
            SELF_SIGNED,
            {"protocol": "TLS", "hosts": ["a.example"]},
            "hosts is 'a.example'; accepted: a host whose TLS no other service ends at the gateway with tls",
        ),
    ],
)
def test_what_two_services_cannot_say_together_is_refused(
    first: dict[str, Any], second: dict[str, Any], told: str
) -> None:
    refuse(f"services.web.expose[0].{told}", first, others=[service("web", expose=[second])])


def test_what_is_said_twice_is_taken_once() -> None:
    said = {"paths": ["/a", {"value": "/a"}], "methods": ["GET", "GET"], "requestHeaders": {"remove": ["a", "a"]}}
    (rule,) = settings(said).services[0].expose[0].rules
    assert (len(rule.paths), rule.methods, rule.request_headers) == (1, ("GET",), HeaderFilter(remove=("a",)))


def test_a_header_in_capitals_is_the_one_that_traffic_and_other_services_name() -> None:
    assert settings({"headers": {"X-User": "a"}}).services[0].expose[0].rules[0].headers == {
        "x-user": ValueMatch(value="a")
    }


def test_an_expression_that_the_proxies_know_and_python_does_not_is_taken() -> None:
    expression = r"/\p{L}+(?i)\\1"
    found = settings({"paths": [{"type": "RegularExpression", "value": expression}]}).services[0].expose[0].rules[0]
    assert found.paths == (PathMatch(type="RegularExpression", value=expression),)


def test_a_gateway_has_no_more_listeners_than_the_gateway_api_takes() -> None:
    ways = [
        {"hosts": [f"{way}-{host}.example" for host in range(16)], "tls": {"secret": "mine"}, "paths": [f"/{way}"]}
        for way in range(4)
    ]
    told = "63 hosts with a certificate at one gateway: show the others at another"
    refuse(f"services.orders.expose[3].hosts is {ways[3]['hosts']}; accepted: {told}", *ways)


def test_versions_that_a_gateway_cannot_tell_apart_are_refused() -> None:
    canary = {"canary": {"from": "v1", "to": "v2", "percent": 5}, "timeout": "1s"}
    orders = {**service(versions={"v1": "a/b:1", "v2": "a/b:2"}, traffic=canary, expose=[{}]), "image": None}
    with pytest.raises(pulumi.RunError, match=r"services\[0\]\.expose is .*; accepted: nothing while traffic has rout"):
        loaded(services=json.dumps([orders]))


def test_what_one_service_says_of_a_host_holds_for_all_behind_it() -> None:
    found = loaded(
        services=json.dumps(
            [
                service(expose=[SELF_SIGNED]),
                service("web", namespace="shop", expose=[{"hosts": ["a.example"], "paths": ["/web"]}]),
            ]
        )
    )
    at = exposed_at(found.gateways[GATEWAY], found.services)
    assert (at.redirected, list(at.certificates), at.namespaces) == (["a.example"], ["a.example"], ["default", "shop"])


def test_the_gateways_that_call_a_service_are_known_by_their_accounts() -> None:
    found = settings({}, {"gateway": "internal", "hosts": ["b.c"]}, {"gateway": {"name": "theirs"}}, gateways=INTERNAL)
    assert callers(found.services[0], found.gateways) == (
        "istio-system/istio-ingressgateway-service-account",
        "gateways/internal-service-account",
        "default/theirs-istio",
    )


INTERNAL = {"internal": {"namespace": "gateways"}}


def test_a_name_too_long_for_istios_gateway_is_refused() -> None:
    long = service("a" * 60, expose=[{"protocol": "TCP", "listen": 9000}])
    with pytest.raises(pulumi.RunError, match=r"a{60}\.name is .*; accepted: a shorter name, as Istio's Gateway would"):
        loaded(services=json.dumps([long]))
