"""Hosts outside the mesh: the objects that tell Istio of them, and what is refused."""

import json
import re
from typing import Any

import pulumi
import pytest

from components.traffic.egress import ExternalHost, TlsOrigination, destination_rule, object_name, service_entry
from tests.unit.conftest import Run
from tests.unit.loading import loaded, refusal

API = "api.example.com"
HOSTS = [
    {"host": API},
    {"host": "*.example.org", "ports": {"443": "HTTPS", "80": "HTTP"}},
    {"host": "plain.example", "ports": {"80": "HTTP"}, "tls": {}},
]


def read(**entry: Any) -> ExternalHost:
    (host,) = loaded(egress=json.dumps([entry])).egress
    return host


@pytest.mark.parametrize(
    ("host", "spec"),
    [
        (
            ExternalHost(host=API, ports={443: "TLS"}),
            {"ports": [{"number": 443, "name": "tls-443", "protocol": "TLS"}], "resolution": "DNS"},
        ),
        (
            ExternalHost(host="*.example.com", ports={80: "HTTP", 443: "HTTPS"}),
            {
                "ports": [
                    {"number": 80, "name": "http-80", "protocol": "HTTP"},
                    {"number": 443, "name": "https-443", "protocol": "HTTPS"},
                ],
                "resolution": "NONE",
            },
        ),
        (
            ExternalHost(host=API, ports={50051: "GRPC"}, addresses=["192.0.2.1", "2001:db8::1"]),
            {
                "ports": [{"number": 50051, "name": "grpc-50051", "protocol": "GRPC"}],
                "resolution": "STATIC",
                "endpoints": [{"address": "192.0.2.1"}, {"address": "2001:db8::1"}],
            },
        ),
        (
            ExternalHost(host=API, ports={5432: "TCP"}, addresses=["192.0.2.0/24"]),
            {
                "ports": [{"number": 5432, "name": "tcp-5432", "protocol": "TCP"}],
                "resolution": "NONE",
                "addresses": ["192.0.2.0/24"],
            },
        ),
        (
            ExternalHost(host=API, ports={80: "HTTP", 443: "TLS"}, tls=TlsOrigination(port=8443)),
            {
                "ports": [
                    {"number": 80, "name": "http-80", "protocol": "HTTP", "targetPort": 8443},
                    {"number": 443, "name": "tls-443", "protocol": "TLS"},
                ],
                "resolution": "DNS",
            },
        ),
    ],
    ids=["by name", "any below a domain", "at addresses", "a connection without a name", "encrypted on the way out"],
)
def test_a_host_is_a_service_of_the_mesh_in_the_stacks_namespaces(host: ExternalHost, spec: dict[str, Any]) -> None:
    around = {"hosts": [host.host], "location": "MESH_EXTERNAL", "exportTo": ["default", "shop"]}
    assert service_entry(host, ["shop", "default"]) == {**around, **spec}


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        (TlsOrigination(), {"sni": API, "subjectAltNames": [API]}),
        (
            TlsOrigination(sni="b.example", ca_certificates="/etc/ca.pem"),
            {"sni": "b.example", "subjectAltNames": ["b.example"], "caCertificates": "/etc/ca.pem"},
        ),
        (TlsOrigination(insecure_skip_verify=True), {"sni": API, "insecureSkipVerify": True}),
    ],
)
def test_plain_requests_leave_encrypted_for_a_host_that_proves_its_name(
    tls: TlsOrigination, said: dict[str, Any]
) -> None:
    host = ExternalHost(host=API, ports={80: "HTTP", 8080: "HTTP2", 443: "TLS"}, tls=tls)
    settings = {"mode": "SIMPLE", **said}
    assert destination_rule(host, ["shop"]) == {
        "host": API,
        "trafficPolicy": {
            "portLevelSettings": [
                {"port": {"number": 80}, "tls": settings},
                {"port": {"number": 8080}, "tls": settings},
            ]
        },
        "exportTo": ["shop"],
    }


def test_objects_are_named_after_the_host() -> None:
    assert [object_name(host) for host in (API, "*.example.com")] == [API, "any.example.com"]


def test_each_host_has_its_objects_and_what_encrypts_comes_before_what_lets_out(run: Run) -> None:
    mesh = run(egress=json.dumps(HOSTS))
    kinds = ("ServiceEntry", "DestinationRule")
    tokens = [f"kubernetes:networking.istio.io/v1:{kind}" for kind in kinds]
    registered = {each.name: each.inputs for each in mesh.registrations if each.token in tokens}
    objects = {name: (inputs["kind"], inputs["metadata"]) for name, inputs in registered.items()}
    assert objects == {
        f"egress-{name}-{kind.lower()}": (kind, {"name": name, "namespace": "default"})
        for name, kind in (
            (API, "ServiceEntry"),
            ("any.example.org", "ServiceEntry"),
            ("plain.example", "ServiceEntry"),
            ("plain.example", "DestinationRule"),
        )
    }
    assert "egress-plain.example-destinationrule" in mesh.named("egress-plain.example-serviceentry").dependencies
    assert "istio-istiod" in mesh.behind(f"egress-{API}-serviceentry")


def test_egress_gateways_are_told_of_hosts_too(run: Run) -> None:
    gateways = {"out": {"kind": "egress", "namespace": "ways-out"}, "in": {"namespace": "ways-in"}}
    mesh = run(egress=json.dumps([{"host": API}]), gateways=json.dumps(gateways))
    assert mesh.inputs(f"egress-{API}-serviceentry")["spec"]["exportTo"] == ["default", "ways-out"]


@pytest.mark.parametrize("policy", ["REGISTRY_ONLY", "ALLOW_ANY"])
def test_one_key_says_what_the_mesh_lets_out(run: Run, policy: str) -> None:
    mesh = run(outboundTrafficPolicy=policy, istioValues='{"meshConfig": {"accessLogFile": "/dev/stdout"}}')
    assert mesh.inputs("istio-istiod")["values"]["meshConfig"] == {
        "outboundTrafficPolicy": {"mode": policy},
        "accessLogFile": "/dev/stdout",
    }


def test_without_the_keys_nothing_is_said(dev: Any) -> None:
    assert "egress" not in dev.names
    assert "meshConfig" not in dev.inputs("istio-istiod")["values"]


def test_what_is_configured_is_read() -> None:
    assert read(host=API) == ExternalHost(host=API, ports={443: "TLS"})
    whole = {
        "host": API,
        "ports": {"80": "HTTP"},
        "addresses": ["192.0.2.1"],
        "tls": {"port": "8443", "sni": "b.example", "caCertificates": "/ca.pem", "insecureSkipVerify": True},
    }
    tls = TlsOrigination(port=8443, sni="b.example", ca_certificates="/ca.pem", insecure_skip_verify=True)
    assert read(**whole) == ExternalHost(host=API, ports={80: "HTTP"}, addresses=("192.0.2.1",), tls=tls)


LONG = ".".join(["a" * 63] * 4)
OUT = {"out": {"kind": "egress", "service": {"ports": [{"name": "tls-8443", "port": 9443}]}}}
AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "compatibility": "warn"}


@pytest.mark.parametrize(
    ("path", "entry", "accepted"),
    [
        ("host", {}, "a DNS name such as api.example.com, or *.example.com"),
        ("host", {"host": "https://a.example"}, "a DNS name"),
        ("host", {"host": "localhost"}, "a DNS name"),
        ("host", {"host": LONG}, "a DNS name"),
        ("host", {"host": "a.*.example"}, "a DNS name"),
        ("port", {"host": API, "port": 443}, "one of these keys: host, ports, addresses, tls"),
        ("ports", {"host": API, "ports": {}}, "an object of ports and protocols"),
        ("ports.0", {"host": API, "ports": {"0": "TLS"}}, "a port's number, 1 to 65535"),
        ("ports.443", {"host": API, "ports": {"443": "SSL"}}, "HTTP or HTTP2 or GRPC or TLS"),
        (
            "addresses",
            {"host": API, "ports": {"5432": "TCP"}},
            "addresses or CIDRs beside TCP, as nothing else tells whose",
        ),
        (
            "ports",
            {"host": API, "ports": {"5432": "TCP", "80": "HTTP"}, "addresses": ["192.0.2.1"]},
            "TCP for all of a host's ports or for none",
        ),
        ("addresses", {"host": API, "addresses": ["192.0.2.0/24"]}, "single addresses, not 192.0.2.0/24, but for TCP"),
        (
            "addresses[0]",
            {"host": API, "addresses": ["192.0.2.300"]},
            "an address such as 192.0.2.10, or for TCP a CIDR (",
        ),
        (
            "addresses",
            {"host": "*.example.com", "addresses": ["192.0.2.1"]},
            "nothing beside *., whose hosts are where they say",
        ),
        ("tls", {"host": API, "tls": {}}, "nothing but for a whole name with a port of HTTP"),
        (
            "tls",
            {"host": "*.example.com", "ports": {"80": "HTTP"}, "tls": {}},
            "nothing but for a whole name with a port of HTTP",
        ),
        (
            "tls.caCertificates",
            {"host": API, "ports": {"80": "HTTP"}, "tls": {"caCertificates": "ca.pem"}},
            "a path in the proxy's container",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key_path(path: str, entry: dict[str, Any], accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("egress", f"[0].{path}", [entry], accepted)):
        read(**entry)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"egress": json.dumps([{"host": API}, {"host": API}])},
            "egress[1].host is 'api.example.com'; accepted: a host that no other entry has; give it all of its ports",
        ),
        *(
            (
                {
                    "gateways": json.dumps(OUT),
                    "egress": json.dumps(
                        [{"host": "a.example"}, {"host": API, "ports": {port: "TLS"}, "gateway": "out"}]
                    ),
                },
                f"egress[1].ports is {{{port}: 'TLS'}}; accepted: {accepted}",
            )
            for port, accepted in (
                ("8443", "ports of which no two have one name, as two have tls-8443, at gateway out"),
                ("15001", "ports beside 15000 to 15099, which are istio-proxy's own, not 15001, at gateway out"),
            )
        ),
        ({"outboundTrafficPolicy": "NONE"}, "outboundTrafficPolicy is 'NONE'; accepted: ALLOW_ANY or REGISTRY_ONLY"),
        (
            {
                "outboundTrafficPolicy": "REGISTRY_ONLY",
                "istioValues": '{"meshConfig": {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}}',
            },
            "outboundTrafficPolicy is 'REGISTRY_ONLY'; accepted: nothing beside istioValues.meshConfig.outbound",
        ),
        (
            {**AMBIENT, "outboundTrafficPolicy": "REGISTRY_ONLY"},
            "outboundTrafficPolicy is 'REGISTRY_ONLY'; accepted: nothing with dataPlane ambient, whose ztunnel lets",
        ),
        (
            {**AMBIENT, "egress": json.dumps([{"host": API}])},
            'egress is \'[{"host": "api.example.com"}]\'; accepted: an empty list with dataPlane ambient',
        ),
    ],
)
def test_what_does_not_go_together_is_refused(config: dict[str, str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(f'config key istio-minikube:{told}')}"):
        loaded(**config)
