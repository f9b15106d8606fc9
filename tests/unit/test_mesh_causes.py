"""What no waiting puts right: the cause and the remedy at once."""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from components.commands import UserError, injection
from components.commands.injection import main
from components.commands.mesh_causes import cannot_redirect, hopeless, unreachable
from components.commands.mesh_check import check_mesh
from components.commands.mesh_pods import Problem, State
from components.commands.mesh_sync import Pending
from components.commands.proxies import RUNNING
from tests.unit.clock import Clock
from tests.unit.conftest import Run
from tests.unit.fake_api import FakeApi
from tests.unit.test_command_mesh_check import CHECK, UNREADY, deployment, pod, state, status

CALL = 'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": failed to call webhook: '
POST = 'Post "https://istiod.istio-system.svc:443/inject?timeout=10s": '


@pytest.mark.parametrize(
    ("said", "cause", "remedy"),
    [
        (
            "context deadline exceeded",
            "the API server does not reach istiod's pods on port 15017",
            "firewall-rules update",
        ),
        ("dial tcp 10.0.0.9:15017: i/o timeout", "the API server does not reach istiod's pods on port 15017", "on EKS"),
        ("Address is not allowed", "the API server may not connect to pods", "overlay on EKS"),
        (
            "dial tcp 10.0.0.9:15017: connect: connection refused",
            "istiod does not answer",
            "kubectl get pods -n istio-system",
        ),
        ('no endpoints available for service "istiod"', "istiod does not answer", "kubectl get pods"),
        ("x509: certificate signed by unknown authority", "istiod's certificate is not the one", "rollout restart"),
        ("the server could not do it", "istiod's webhook fails: ", "kubectl logs"),
    ],
)
def test_a_webhook_that_cannot_be_called_is_told_by_cause_and_remedy(said: str, cause: str, remedy: str) -> None:
    found = unreachable(CALL + POST + said)
    assert found is not None
    assert found[0].startswith(cause)
    assert remedy in found[1]


@pytest.mark.parametrize("said", ["exceeded quota", 'failed calling webhook "x.example": context deadline exceeded'])
def test_any_other_refusal_is_somebody_elses(said: str) -> None:
    assert unreachable(said) is None


@pytest.mark.parametrize(
    ("log", "cause", "remedy"),
    [
        (
            "iptables-restore v1.8: can't initialize iptables table `nat': Table does not exist",
            "no modules",
            "modprobe",
        ),
        ("x\niptables v1.8: Permission denied (you must be root)\n", "may not change its network", "CNI plugin"),
        ("first\nsomething else\n", "istio-init fails: something else", "kubectl logs POD"),
        ("", "istio-init fails: it has written nothing", "kubectl logs POD"),
    ],
)
def test_an_istio_init_that_fails_is_told_by_what_it_has_written(log: str, cause: str, remedy: str) -> None:
    wrong, what_to_do = cannot_redirect(log)
    assert cause in wrong
    assert remedy in what_to_do


FAILED = status("istio-init", ready=False)
FAILED["lastState"] = {"terminated": {"exitCode": 255}}
FAILING = pod(initContainerStatuses=[FAILED], conditions=UNREADY)
REFUSED = deployment(conditions=({"type": "ReplicaFailure", "status": "True", "message": CALL + "i/o timeout"},))


def written(*_: str) -> str:
    return "iptables: Permission denied"


def test_what_is_hopeless_is_told_of_each_workload() -> None:
    (init,) = hopeless(CHECK, state(FAILING), written)
    assert init[:3] == ("details-v1", "details-v1-a", "the pod may not change its network")
    (webhook,) = hopeless(CHECK, state(of=REFUSED), written)
    assert webhook[:3] == ("details-v1", "-", "the API server does not reach istiod's pods on port 15017")


@pytest.mark.parametrize(
    "seen",
    [
        state(pod()),
        state(pod(conditions=UNREADY)),
        state(pod(initContainerStatuses=[status("istio-init", ready=False)], conditions=UNREADY)),
        state(pod(initContainerStatuses=[{**FAILED, "ready": True}])),
        state(pod(initContainerStatuses=[{**FAILED, "name": "migrate"}], conditions=UNREADY)),
    ],
)
def test_what_may_become_right_is_not_hopeless(seen: State) -> None:
    assert hopeless(CHECK, seen, written) == []


class Doomed:
    """A cluster whose pods fail in istio-init, and from a time on no longer."""

    def __init__(self, clock: Clock, until: float = 1e9) -> None:
        self.clock, self.until = clock, until

    def state(self, *_: str) -> State:
        return state(FAILING if self.clock.now < self.until else pod())

    def log(self, *_: str) -> str:
        return written()

    def pending(self, _: Collection[str]) -> list[Pending]:
        return []


def test_the_check_gives_up_long_before_its_time_where_it_is_hopeless(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    check = replace(CHECK, pages=(), timeout_seconds=600)
    with pytest.raises(UserError, match=r"however long one waits:\n.*\n.*the pod may not change its network"):
        check_mesh(check, Doomed(clock), clock.monotonic, clock.sleep)  # type: ignore[arg-type]
    assert clock.now < 20
    clock.now = 0
    check_mesh(check, Doomed(clock, until=10), clock.monotonic, clock.sleep)  # type: ignore[arg-type]
    assert json.loads(capsys.readouterr().out)["pods"]


def test_a_problem_is_a_row_of_four() -> None:
    assert Problem._fields == ("workload", "pod", "wrong", "remedy")


# Before there is any pod


PATH = "/api/v1/namespaces/shop/pods?dryRun=All"


def made(*containers: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name} for name in containers]}}


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "POLL_SECONDS", 0)
    monkeypatch.setattr(injection, "PATIENCE_SECONDS", 0.0)


def ran(api: FakeApi, *pods: dict[str, Any]) -> int:
    api.answer(RUNNING.format(namespace=""), {"items": pods})
    return main([f"--kubeconfig={api.kubeconfig}", "--context=there", "shop"])


def test_a_pod_that_gets_its_sidecar_is_asked_for_and_not_kept(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer(PATH, made("none", "istio-proxy"), method="POST")
    assert ran(api) == 0
    assert capsys.readouterr().out == "shop\n"
    native = {"spec": {"containers": [{"name": "none"}], "initContainers": [{"name": "istio-proxy"}]}}
    api.answer(PATH, native, method="POST")
    assert ran(api) == 0


def test_a_webhook_out_of_reach_fails_the_update_before_any_deployment(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer(PATH, {"message": CALL + POST + "context deadline exceeded"}, 500, "POST")
    assert ran(api) == 1
    told = capsys.readouterr().err
    assert told.startswith("namespace shop: the API server does not reach istiod's pods on port 15017: let the control")


def test_a_pod_without_a_sidecar_is_told_too(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(PATH, made("none"), method="POST")
    assert ran(api) == 1
    assert "a pod gets no istio-proxy: `istioctl analyze -n shop`" in capsys.readouterr().err


def test_after_an_upgrade_pods_of_others_with_an_old_proxy_are_told_of(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    def injected(version: str) -> dict[str, Any]:
        status = {"sidecar.istio.io/status": '{"revision": "default"}'}
        proxy = {"name": "istio-proxy", "image": f"docker.io/istio/proxyv2:{version}"}
        metadata = {"name": "web", "namespace": "shop", "annotations": status}
        return {"metadata": metadata, "spec": {"containers": [proxy]}}

    api.answer(PATH, injected("1.24.6"), method="POST")
    assert ran(api, injected("1.23.0")) == 0
    told = capsys.readouterr()
    assert told.out == "shop\n"
    assert "shop       web  1.23.0, revision default  1.24.6, revision default  create it again" in told.err


def test_what_somebody_else_refuses_tells_nothing(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answer(PATH, {"message": "exceeded quota"}, 403, "POST")
    assert ran(api) == 0
    assert "cannot be told, as a plain one is refused" in capsys.readouterr().err


def test_no_workload_and_no_gateway_is_made_before_pods_get_sidecars(run: Run) -> None:
    mesh = run()
    for name in ("bookinfo-productpage-v1", "ingress-deployment"):
        assert "injection-check-command" in mesh.behind(name)
    assert {"namespace-namespace", "istio-istiod"} <= mesh.behind("injection-check-command")
    assert mesh.inputs("injection-check-command")["create"].endswith(
        " '--kubeconfig=~/.kube/config' --context=minikube default"
    )
    assert "injection-check" not in run(dataPlane="ambient", istioVersion="1.24.6", compatibility="warn").names


def test_the_check_waits_for_the_pods_in_pulumis_place(run: Run) -> None:
    mesh = run()
    skipped = mesh.inputs("bookinfo-productpage-v1")["metadata"]["annotations"]
    assert skipped == {"pulumi.com/skipAwait": "true"}
    assert json.loads(mesh.inputs("mesh-check-command")["stdin"])["timeoutSeconds"] == 600
