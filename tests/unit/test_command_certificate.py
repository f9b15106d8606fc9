"""Waiting for cert-manager, and saying what it waits for."""

import json
from dataclasses import replace
from typing import Any

import pytest

from components.commands.certificate import ACME, API, main
from components.security.gateway_certificate import CertManager
from program.lookup import Cluster
from program.preflight import plan
from tests.unit.conftest import Run
from tests.unit.fake_api import FakeApi
from tests.unit.test_preflight import SETTINGS

PATH = f"{API}/namespaces/shop/certificates/front-tls"
ISSUER = f"{API}/clusterissuers/le"
CERTIFICATE = {
    "secretName": "front-tls",
    "dnsNames": ["a.example"],
    "issuerRef": {"kind": "ClusterIssuer", "name": "le"},
}
TLS = json.dumps({"tls": {"certManager": {"issuer": "le"}, "host": "a.example"}})


def conditioned(status: str, message: str = "", generation: int = 2) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "message": message, "observedGeneration": generation}
    return {"metadata": {"name": "front-tls", "generation": 2}, "spec": CERTIFICATE, "status": {"conditions": [ready]}}


def ran(api: FakeApi, timeout: float) -> int:
    place = [f"--kubeconfig={api.kubeconfig}", "--context=there", "--namespace=shop", "--name=front-tls"]
    return main([*place, f"--timeout={timeout}"])


def test_a_certificate_that_is_issued_is_waited_for_no_longer(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(PATH, conditioned("True"))
    assert ran(api, 60) == 0
    assert capsys.readouterr().out == "front-tls\n"


def test_what_is_missing_is_said_of_each_object(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(PATH, conditioned("False", "Issuing certificate as Secret does not exist"))
    api.answer(ISSUER, conditioned("True"))
    order = {"metadata": {"name": "front-tls-1"}, "status": {"state": "pending"}}
    challenge = {
        "metadata": {"name": "front-tls-1-2"},
        "status": {"state": "pending", "reason": "wrong status code '404'"},
    }
    api.answer(f"{ACME}/namespaces/shop/orders", {"items": [order]})
    api.answer(f"{ACME}/namespaces/shop/challenges", {"items": [challenge]})
    assert ran(api, 0) == 1
    assert capsys.readouterr().err.splitlines() == [
        "the certificate is not issued after 0 s:",
        "Certificate shop/front-tls: Issuing certificate as Secret does not exist",
        "Order front-tls-1 is pending: no reason is given",
        "Challenge front-tls-1-2 is pending: wrong status code '404'",
        "for HTTP-01, a.example must lead from outside to the Gateway's port 80, and the issuer's solver must name the "
        "Gateway in gatewayHTTPRoute.parentRefs",
    ]


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        (None, "ClusterIssuer le does not exist: create it, or set security.tls.certManager.issuer"),
        (conditioned("False", "account not registered"), "ClusterIssuer le: account not registered"),
    ],
)
def test_an_issuer_that_cannot_issue_is_named(
    api: FakeApi, capsys: pytest.CaptureFixture[str], issuer: Any, told: str
) -> None:
    api.answer(PATH, conditioned("False", "no"))
    if issuer:
        api.answer(ISSUER, issuer)
    assert ran(api, 0) == 1
    assert told in capsys.readouterr().err.splitlines()


def test_what_was_said_of_an_earlier_certificate_does_not_count(api: FakeApi) -> None:
    api.answer(PATH, conditioned("True", generation=1))
    assert ran(api, 0) == 1


def test_the_gateway_is_there_before_the_certificate_whose_challenges_it_answers(run: Run) -> None:
    mesh = run(security=TLS)
    gateway = mesh.inputs("exposure-gateway")["spec"]["listeners"][1]
    assert gateway["tls"]["certificateRefs"] == [{"kind": "Secret", "name": "bookinfo-gateway-tls"}]
    assert "exposure-gateway" in mesh.behind("gateway-certificate-certificate")
    assert "gateway-certificate-ready" not in mesh.behind("exposure-gateway")
    assert "gateway-certificate-ready" in mesh.behind("mesh-check-command")


def test_any_other_certificate_is_there_before_the_gateway(run: Run) -> None:
    mesh = run(security='{"tls": {"selfSigned": true}}')
    assert "gateway-certificate-secret" in mesh.behind("exposure-gateway")


def test_a_cluster_without_cert_manager_is_refused_before_anything_is_touched() -> None:
    tls = CertManager(host="a.example", issuer="le", kind="ClusterIssuer")
    settings = replace(SETTINGS, security=replace(SETTINGS.security, tls=tls))
    with pytest.raises(
        Exception, match=r"^security.tls.certManager is set, and the cluster has no CRD certificates\.cert"
    ):
        plan(settings, Cluster(identity="1a2b"))
    plan(settings, Cluster(identity="1a2b", cert_manager=True))
    plan(settings, Cluster())
