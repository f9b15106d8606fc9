import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.kube import Kube
from operations.access import tunnel
from operations.access.tunnel import SERVICES
from tests.unit.fake_api import FakeApi
from tests.unit.fake_minikube import FakeMinikube

PROJECT = Path(__file__).parents[2]


def service(name: str, *ports: int, kind: str = "LoadBalancer", address: str = "10.101.3.4") -> dict[str, Any]:
    ingress = [{"ip": address}] if address else []
    return {
        "metadata": {"namespace": "default", "name": name},
        "spec": {"type": kind, "ports": [{"port": port} for port in ports]},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


@pytest.fixture
def settings(api: FakeApi) -> dict[str, str]:
    api.answer(SERVICES, {"items": [service("bookinfo-gateway-istio", 15021, 80)]})
    return {
        "clusterMode": "minikube",
        "minikubeProfile": "minikube",
        "ingressServiceType": "LoadBalancer",
        "namespace": "default",
        "kubeconfig": str(api.kubeconfig),
        "context": "there",
    }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMinikube:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return FakeMinikube.install(tmp_path / "bin")


@pytest.mark.parametrize(
    ("changed", "offered"),
    [({}, True), ({"ingressServiceType": "NodePort"}, False), ({"clusterMode": "existing"}, False)],
)
def test_a_tunnel_is_offered_where_a_loadbalancer_waits_for_it(
    settings: dict[str, str], changed: dict[str, str], offered: bool
) -> None:
    assert bool(tunnel.note({**settings, **changed})) is offered


def test_every_address_is_shown_and_the_pages_first_of_all_as_a_link(api: FakeApi, settings: dict[str, str]) -> None:
    services = [
        service("bookinfo-gateway-istio", 15021, 80),
        service("waiting", 80, address=""),
        service("inside", 80, kind="ClusterIP"),
        service("mine", 8443, address="10.101.9.9"),
    ]
    api.answer(SERVICES, {"items": services})
    assert tunnel.addresses(Kube(api.kubeconfig, "there"), settings) == [
        "default/bookinfo-gateway-istio: 10.101.3.4, ports 15021, 80",
        "The page: http://10.101.3.4/productpage",
        "default/mine: 10.101.9.9, ports 8443",
    ]


def test_a_page_behind_tls_is_shown_with_https(api: FakeApi, settings: dict[str, str]) -> None:
    api.answer(SERVICES, {"items": [service("bookinfo-gateway-istio", 15021, 443)]})
    assert "The page: https://10.101.3.4/productpage" in tunnel.addresses(Kube(api.kubeconfig, "there"), settings)


def test_while_the_api_server_does_not_answer_there_is_nothing_to_show(api: FakeApi, settings: dict[str, str]) -> None:
    assert tunnel.addresses(Kube(api.kubeconfig, "gone"), settings) == []


def test_a_tunnel_that_ends_by_itself_is_a_failure(machine: FakeMinikube, settings: dict[str, str]) -> None:
    machine.set(fails={"tunnel": (111, "X Exiting due to TUNNEL_ALREADY_RUNNING: Another tunnel process is running\n")})
    with pytest.raises(UserError, match=r"`minikube tunnel --profile=minikube` ended by itself \(exit code 111\)"):
        tunnel.run(settings)


def test_a_stack_without_minikube_has_no_tunnel(settings: dict[str, str]) -> None:
    with pytest.raises(UserError, match="clusterMode is existing; accepted for a tunnel: minikube"):
        tunnel.run({**settings, "clusterMode": "existing"})


@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C", "SIGINT to make tunnel alone"])
def test_it_shows_the_address_and_ends_when_the_person_ends_it(
    machine: FakeMinikube, settings: dict[str, str], to_all: bool
) -> None:
    code = f"from operations.access import tunnel; tunnel.run({settings!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout
    shown = [process.stdout.readline(), process.stdout.readline()]
    assert shown[1] == "The page: http://10.101.3.4/productpage\n"
    deadline = time.monotonic() + 60
    while not (machine.folder / "tunnelling").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "Ending the tunnel ...\n"
    assert process.returncode == 0
    assert machine.words == ["tunnel --profile=minikube"]
