"""What istiod says of its proxies, through a forwarded port of a fake API server."""

import json
from typing import Any

import pytest

from components.commands.mesh_check import Cluster
from components.commands.mesh_pods import Problem
from components.commands.mesh_sync import REFUSED, Pending, parse, pending, problem, stuck
from components.kube import Kube, UnreachableError
from tests.unit.fake_api import FakeApi
from tests.unit.test_command_mesh_check import check, make_right, run_by

PROXY = "details-v1-a.default"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
KEYS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
SYNCED = {"proxy": PROXY, "cluster_sent": "a", "cluster_acked": "a", "listener_sent": "b", "listener_acked": "b"}
LATE = {**SYNCED, "listener_sent": "c"}
REFUSING = {**LATE, "resources": {LISTENER: {"sent": "c", "acked": "b", "lastError": "no\n such  filter"}}}


def silent() -> str:
    raise AssertionError("the log is not needed")


@pytest.mark.parametrize("proxy", [SYNCED, {"proxy": "ztunnel-a.istio-system"}, {**SYNCED, "resources": None}])
def test_who_has_acknowledged_all_that_was_sent_is_not_waited_for(proxy: dict[str, Any]) -> None:
    assert pending([proxy], silent) == []


def test_a_refusal_is_told_with_its_words_and_of_any_type() -> None:
    other = {**SYNCED, "resources": {KEYS: {"sent": "d", "acked": "d", "lastError": "no key"}}}
    assert pending([REFUSING, other], silent) == [
        Pending(PROXY, "Listener", "c", "no\n such  filter"),
        Pending(PROXY, "Secret", "", "no key"),
    ]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        ("info\tads\tADS:CDS: ACK ERROR details-v1-a.default-7 Internal:of clusters", ""),
        ("info\tads\tADS:LDS: ACK ERROR details-v1-aa.default-7 Internal:of another", ""),
        (
            "ADS:LDS: ACK ERROR details-v1-a.default-7 X:first\nADS:LDS: ACK ERROR details-v1-a.default-9 X:last",
            "last",
        ),
    ],
)
def test_an_istiod_that_keeps_no_errors_has_written_them_into_its_log(log: str, error: str) -> None:
    assert pending([LATE], lambda: log) == [Pending(PROXY, "Listener", "c", error)]


def test_what_is_on_its_way_is_not_stuck_and_what_was_refused_is() -> None:
    late, later, refusal = (
        Pending(PROXY, "Listener", sent, error) for sent, error in (("c", ""), ("d", ""), ("d", "no"))
    )
    assert stuck([late], [later]) == []
    assert stuck([late], [late]) == [late]
    assert stuck([late], [refusal]) == [refusal]


def test_a_refusal_names_the_proxy_the_type_and_what_it_said() -> None:
    assert problem(Pending(PROXY, "Listener", "c", "no\n such  filter")) == Problem(
        "istio-proxy", PROXY, "refuses its configuration of type Listener: no such filter", REFUSED
    )
    assert problem(Pending(PROXY, "Listener", "c", "")) == Problem(
        "istio-proxy",
        PROXY,
        "has not taken its configuration of type Listener",
        "kubectl logs details-v1-a -n default -c istio-proxy",
    )


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"name": "a"}]'])
def test_what_is_no_list_of_proxies_is_not_taken_for_one(body: str) -> None:
    with pytest.raises(ValueError, match=r"list of proxies|Expecting value"):
        parse(body)


# --- through a forwarded port


ISTIOD = "/api/v1/namespaces/istio-system/pods/istiod-a"
PORT = f"{ISTIOD}/portforward?ports=15014"


def says(api: FakeApi, *proxies: dict[str, Any], log: str = "") -> None:
    """Have istiod say this of its proxies, and have written this."""
    api.ports[PORT] = (200, json.dumps(proxies))
    api.answer(f"{ISTIOD}/log?container=discovery&tailLines=2000", log)


@pytest.fixture
def asked(api: FakeApi) -> FakeApi:
    """A mesh that is right, with one istiod that is ready and may be asked."""
    make_right(api)
    there, ready = {"namespace": "istio-system"}, {"conditions": [{"type": "Ready", "status": "True"}]}
    istiod = {**there, "labels": {"app": "istiod"}}
    pods = [
        {"metadata": {**istiod, "name": "istiod-a"}, "status": ready},
        {"metadata": {**istiod, "name": "istiod-starting"}, "status": {}},
        {"metadata": {**there, "name": "gateway-a"}, "status": ready},
    ]
    api.answer("/api/v1/namespaces/istio-system/pods", {"items": pods})
    says(api, SYNCED)
    return api


def test_istiod_is_asked_on_its_own_loopback_and_a_mesh_in_step_is_right(asked: FakeApi) -> None:
    done = check(asked.kubeconfig)
    assert done.returncode == 0, done.stderr
    assert "istiod is not asked" not in done.stderr
    assert [each.split(b"\r\n")[0] for each in asked.forwarded] == [b"\0GET /debug/syncz HTTP/1.1"]


def test_a_refused_configuration_fails_the_check_with_what_the_proxy_said(asked: FakeApi) -> None:
    says(asked, LATE, log="ADS:LDS: ACK ERROR details-v1-a.default-1 Internal:unknown filter x")
    done = check(asked.kubeconfig)
    assert (done.returncode, done.stdout) == (1, "")
    row = done.stderr.splitlines()[-1]
    assert row.startswith(
        f"istio-proxy  {PROXY}  refuses its configuration of type Listener: unknown filter x  it goes on"
    )


def test_a_proxy_that_does_not_take_its_configuration_fails_the_check(asked: FakeApi) -> None:
    says(asked, LATE)
    done = check(asked.kubeconfig)
    assert (done.returncode, "has not taken its configuration of type Listener" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("gateway-a.istio-system", 1),
        ("gateway-gone.istio-system", 0),
        ("details-v1-gone.default", 0),
        ("a.elsewhere", 0),
    ],
)
def test_only_proxies_of_the_namespace_and_of_istios_own_that_are_there_count(
    asked: FakeApi, proxy: str, code: int
) -> None:
    says(asked, {**REFUSING, "proxy": proxy})
    assert check(asked.kubeconfig).returncode == code


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "forwards no port 15014 of /api/v1/namespaces/istio-system/pods/istiod-a: "),
        ((401, ""), "istiod-a answers 401 to /debug/syncz"),
        ((200, "<html>"), "Expecting value"),
    ],
)
def test_where_istiod_cannot_be_asked_the_check_says_so_once_and_does_not_fail(
    asked: FakeApi, answer: tuple[int, str] | None, told: str
) -> None:
    asked.ports = {PORT: answer} if answer else {}
    done = check(asked.kubeconfig)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("istiod is not asked whether proxies took"))
    assert told in line


def test_simulated_pods_are_not_expected_to_answer(asked: FakeApi) -> None:
    asked.ports.clear()
    run_by(asked, "kwok://0.8")
    assert "istiod is not asked" not in check(asked.kubeconfig).stderr


def test_a_port_that_does_not_speak_http_is_told(asked: FakeApi) -> None:
    asked.ports[PORT] = (200, "")
    kube = Kube(asked.kubeconfig, "there")
    assert kube.forwarded(ISTIOD, 15014, "/x") == (200, "")
    asked.ports.clear()
    with pytest.raises(UnreachableError, match=r"forwards no port 15014 of .*/istiod-a: .*404"):
        kube.forwarded(ISTIOD, 15014, "/x")
    assert Cluster(str(asked.kubeconfig), "there").pending(()) == []
