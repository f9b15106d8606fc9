import io
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pulumi
import pytest
from rich.console import Console

from components.commands import UserError
from components.kube import RefusedError
from operations import engine
from operations import objects as apply
from operations.engine import Applier
from operations.view import View
from tests.unit.fake_api import serving

PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

group = pulumi.ComponentResource("shop:index:Group", "group")
options = pulumi.ResourceOptions(parent=group, provider=k8s.Provider("cluster"))
patch = k8s.core.v1.NamespacePatch("patch", metadata={"name": "default", "labels": {"a": "b"}}, opts=options)
config = k8s.core.v1.ConfigMap("config", metadata={"name": "config"}, opts=pulumi.ResourceOptions.merge(options,
    pulumi.ResourceOptions(depends_on=[patch])))
kept = k8s.core.v1.Secret("kept", metadata={"name": "kept"}, opts=pulumi.ResourceOptions.merge(options,
    pulumi.ResourceOptions(retain_on_delete=True, depends_on=[config])))
release = k8s.helm.v3.Release("release", name="istiod", namespace="istio-system", chart="x.tgz",
    opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[kept])))
check = local.Command("check", create="echo made", delete="touch gone",
    opts=pulumi.ResourceOptions(depends_on=[release]))
none = local.Command("none", delete="touch gone-too", opts=pulumi.ResourceOptions(depends_on=[check]))
local.Command("plain", create="true", opts=pulumi.ResourceOptions(depends_on=[none]))
pulumi.export("printed", check.stdout)
pulumi.export("uid", config.metadata.uid)
"""

MANIFEST = """
kind: ServiceAccount
metadata: {name: istiod}
---
# nothing but words
---
kind: Deployment
metadata: {name: istiod}
"""


@dataclass
class FakeApi:
    """Keeps what it is told; an object named in ``refuses`` is refused."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    applied: list[Mapping[str, Any]] = field(default_factory=list)
    refuses: str = ""
    stopped: Callable[[], bool] = apply.never
    kube: Mock = field(default_factory=lambda: Mock(metadata=Mock(return_value=[])))

    def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(("apply", manifest["metadata"]["name"]))
        self.applied.append(manifest)
        if manifest["metadata"]["name"] == self.refuses:
            raise RefusedError("the server answers 403: not you", 403)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "1a2b"}}

    def get(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """A workload of one pod, which is there."""
        self.calls.append(("get", manifest["metadata"]["name"]))
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 2}
        return {**manifest, "metadata": {**manifest["metadata"], "generation": 2}, "spec": {}, "status": counts}

    def delete(self, manifest: Mapping[str, Any]) -> None:
        self.calls.append(("delete", manifest["metadata"]["name"]))


@dataclass
class FakeHelm:
    calls: list[tuple[str, str]]
    fails: bool = False
    others: list[bool] = field(default_factory=list)
    deployed: bool | None = None

    def is_at_work(self, release: Mapping[str, Any]) -> bool:
        self.calls.append(("wait for", release["name"]))
        return self.others.pop()

    def install(self, release: Mapping[str, Any], *, deployed: bool) -> str:
        self.calls.append(("install", release["name"]))
        self.deployed = deployed
        if self.fails:
            raise UserError("helm upgrade says: no")
        return MANIFEST

    def uninstall(self, release: Mapping[str, Any]) -> None:
        self.calls.append(("uninstall", release["name"]))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nconfig: {text: {default: a}}\n")
    (tmp_path / "Pulumi.test.yaml").touch()
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def applier(project: Path, screen: io.StringIO) -> Applier:
    api = FakeApi()
    view = View(Console(file=screen, width=200), "test")
    return Applier(api=api, helm=FakeHelm(api.calls), view=view, folder=project)  # type: ignore[arg-type] # fakes


@pytest.fixture
def api(applier: Applier) -> FakeApi:
    return applier.api  # type: ignore[return-value] # a fake


def test_each_resource_is_made_in_order_and_its_outputs_are_the_live_objects(applier: Applier, api: FakeApi) -> None:
    assert engine.deploy(applier, "test") == {"printed": "made", "uid": "1a2b"}
    made = [("apply", "default"), ("apply", "config"), ("apply", "kept"), ("install", "istiod"), ("get", "istiod")]
    assert api.calls == made


def test_every_resource_that_is_made_is_shown_and_no_other(applier: Applier, screen: io.StringIO) -> None:
    engine.deploy(applier, "test")
    shown = [line.split(" (")[0] for line in screen.getvalue().splitlines()]
    assert shown == [
        "  ✓ patch NamespacePatch",
        "  ✓ config ConfigMap",
        "  ✓ kept Secret",
        "  ✓ release Release",
        "  ✓ check Command",
        "  ✓ none Command",
        "  ✓ plain Command",
    ]


def test_a_refusal_stops_the_run_and_names_the_resource(applier: Applier, api: FakeApi, screen: io.StringIO) -> None:
    api.refuses = "config"
    with pytest.raises(UserError) as failed:
        engine.deploy(applier, "test")
    assert str(failed.value) == "config (kubernetes:core/v1:ConfigMap): the server answers 403: not you"
    assert api.calls == [("apply", "default"), ("apply", "config")]
    assert "✗ config ConfigMap" in screen.getvalue()


def test_a_failing_chart_stops_the_run_and_names_the_release(applier: Applier) -> None:
    applier.helm = FakeHelm([], fails=True)  # type: ignore[assignment] # a fake
    with pytest.raises(UserError, match=r"^release \(kubernetes:helm.sh/v3:Release\): helm upgrade says: no$"):
        engine.deploy(applier, "test")


def helm_secret(status: str) -> dict[str, Any]:
    return {"labels": {"owner": "helm", "name": "istiod", "version": "2", "status": status}}


def test_a_release_that_was_left_pending_is_forgotten_once_no_helm_is_at_it(
    applier: Applier, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "POLL_SECONDS", 0)
    applier.helm.others = [False, True]  # type: ignore[attr-defined] # a fake
    api.kube.metadata.return_value = [helm_secret("pending-upgrade")]
    api.kube.delete = lambda path: api.calls.append(("delete", path))
    engine.deploy(applier, "test")
    assert api.calls[3:7] == [
        ("wait for", "istiod"),
        ("wait for", "istiod"),
        ("delete", "/api/v1/namespaces/istio-system/secrets/sh.helm.release.v1.istiod.v2"),
        ("install", "istiod"),
    ]


def test_a_release_that_the_helm_of_an_earlier_run_still_ends_is_not_forgotten(applier: Applier, api: FakeApi) -> None:
    applier.helm.others = [False]  # type: ignore[attr-defined] # a fake
    api.kube.metadata.side_effect = [[helm_secret("pending-install")], *[[helm_secret("deployed")]] * 2]
    engine.deploy(applier, "test")
    assert api.calls[3:5] == [("wait for", "istiod"), ("install", "istiod")]
    assert not api.kube.delete.called


@pytest.mark.parametrize(
    ("secrets", "deployed"),
    [
        ([], False),
        ([("1", "superseded"), ("10", "deployed"), ("9", "failed")], True),
        ([("2", "deployed"), ("10", "failed")], False),
    ],
)
def test_helm_is_told_whether_the_last_revision_is_whole(
    applier: Applier, api: FakeApi, secrets: list[tuple[str, str]], deployed: bool
) -> None:
    api.kube.metadata.return_value = [
        {"labels": {**helm_secret(status)["labels"], "version": number}} for number, status in secrets
    ]
    engine.deploy(applier, "test")
    assert applier.helm.deployed is deployed  # type: ignore[attr-defined] # a fake


def test_a_failing_command_stops_the_run_and_names_it(applier: Applier, project: Path) -> None:
    (project / "__main__.py").write_text(PROGRAM.replace("echo made", "echo wrong >&2; exit 1"))
    with pytest.raises(UserError, match=r"^check \(command:local:Command\): `.*` exits with 1:\nwrong$"):
        engine.deploy(applier, "test")


def test_after_a_failure_nothing_more_is_begun(applier: Applier, api: FakeApi) -> None:
    applier.failure = UserError("config: no")
    with pytest.raises(UserError, match=r"^config: no$"):
        engine.deploy(applier, "test")
    assert api.calls == []


def test_a_type_nobody_here_can_make_is_refused(applier: Applier, project: Path) -> None:
    (project / "__main__.py").write_text("import pulumi\npulumi.CustomResource('aws:s3:Bucket', 'bucket', {})")
    message = r"^bucket \(aws:s3:Bucket\): the rehearsal cannot make resources of this type; use the Pulumi CLI$"
    with pytest.raises(UserError, match=message):
        engine.deploy(applier, "test")


def test_what_the_program_refuses_comes_through(applier: Applier, project: Path) -> None:
    (project / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('set text')")
    with pytest.raises(pulumi.RunError, match=r"^set text$"):
        engine.deploy(applier, "test")


def test_an_object_is_looked_at_again_until_it_is_ready(
    applier: Applier, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "POLL_SECONDS", 0)
    monkeypatch.setattr(apply, "is_ready", lambda _, live: live.get("ready", False))
    api.get = Mock(side_effect=[{}, {"ready": True, "metadata": {"uid": "3c"}}] * 4)  # type: ignore[method-assign]
    assert engine.deploy(applier, "test")["uid"] == "3c"


@pytest.mark.parametrize(
    ("live", "complaint"),
    [
        ({"status": {"conditions": [{"type": "Available", "status": "False", "message": "no pods"}]}}, "no pods"),
        (None, "its conditions say nothing"),
    ],
    ids=["unready", "deleted by somebody"],
)
def test_an_object_that_never_is_ready_is_an_error_with_its_complaints(
    applier: Applier, api: FakeApi, monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | None, complaint: str
) -> None:
    monkeypatch.setattr(apply, "is_ready", lambda *_: False)
    monkeypatch.setattr(apply, "TIMEOUT_SECONDS", 0)
    api.get = Mock(return_value=live)  # type: ignore[method-assign]
    message = rf"^patch \(.*\): waited 0 s for Namespace default to be ready: {complaint}$"
    with pytest.raises(UserError, match=message):
        engine.deploy(applier, "test")


def test_a_releases_workloads_are_waited_for_in_its_namespace_and_for_its_timeout(
    applier: Applier, api: FakeApi, project: Path
) -> None:
    api.get = Mock(return_value={})  # type: ignore[method-assign] # a fake
    (project / "__main__.py").write_text(PROGRAM.replace('chart="x.tgz"', 'chart="x.tgz", timeout=0.01'))
    with pytest.raises(UserError, match=r"^release \(.*\): waited 0 s for Deployment istio-system/istiod to be"):
        engine.deploy(applier, "test")


def test_what_does_not_depend_on_each_other_goes_side_by_side(applier: Applier, api: FakeApi, project: Path) -> None:
    both = threading.Barrier(2, timeout=10)
    api.delete = Mock(side_effect=lambda _: both.wait())  # type: ignore[method-assign] # a fake
    maps = "".join(f"k8s.core.v1.ConfigMap('{name}', metadata={{'name': '{name}'}})\n" for name in "ab")
    (project / "__main__.py").write_text(f"import pulumi_kubernetes as k8s\n{maps}")
    engine.destroy(applier, "test")
    assert both.n_waiting == 0


def test_what_a_provider_stands_on_goes_after_what_it_made(applier: Applier, project: Path) -> None:
    (project / "__main__.py").write_text("""
import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local
cluster = local.Command("cluster", create="true", delete="touch gone")
provider = k8s.Provider("provider", opts=pulumi.ResourceOptions(depends_on=[cluster]))
k8s.core.v1.ConfigMap("config", metadata={"name": "config"}, opts=pulumi.ResourceOptions(provider=provider))
""")
    seen = []
    look = Mock(side_effect=lambda _: seen.append((project / "gone").exists()))
    applier.api.delete = look  # type: ignore[method-assign] # a fake
    engine.destroy(applier, "test")
    assert (seen, (project / "gone").exists()) == ([False], True)


def test_destroy_takes_away_what_is_declared_last_first_and_leaves_what_is_retained(
    applier: Applier, api: FakeApi, project: Path
) -> None:
    engine.destroy(applier, "test")
    assert api.calls == [("uninstall", "istiod"), ("delete", "config"), ("apply", "default")]
    assert sorted(path.name for path in project.glob("gone*")) == ["gone", "gone-too"]


def test_everything_that_is_taken_away_is_shown_and_nothing_else(applier: Applier, screen: io.StringIO) -> None:
    engine.destroy(applier, "test")
    shown = [line.split()[1] for line in screen.getvalue().splitlines()]
    assert shown == ["plain", "none", "check", "release", "config", "patch"]


def test_what_cannot_be_taken_away_stops_the_run_and_is_named(
    applier: Applier, api: FakeApi, screen: io.StringIO, project: Path
) -> None:
    (project / "__main__.py").write_text(PROGRAM.replace("touch gone-too", "echo stuck >&2; exit 1"))
    with pytest.raises(UserError, match=r"^none \(command:local:Command\): `.*` exits with 1:\nstuck$"):
        engine.destroy(applier, "test")
    assert api.calls == []
    assert "✗ none Command" in screen.getvalue()


def test_a_refused_deletion_names_the_object(applier: Applier, api: FakeApi) -> None:
    api.refuses = "default"
    with pytest.raises(UserError, match=r"^patch \(.*:NamespacePatch\): the server answers 403: not you$"):
        engine.destroy(applier, "test")


def test_destroy_gives_back_what_was_patched_by_applying_nothing(applier: Applier, api: FakeApi) -> None:
    engine.destroy(applier, "test")
    assert api.applied == [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}]


def test_one_failure_is_kept_where_several_fail_side_by_side(applier: Applier, api: FakeApi, project: Path) -> None:
    barrier = threading.Barrier(2)
    maps = "\n".join(f"k8s.core.v1.ConfigMap('{name}', metadata={{'name': '{name}'}})" for name in "ab")
    (project / "__main__.py").write_text(f"import pulumi_kubernetes as k8s\n{maps}")

    def refuse(_: Mapping[str, Any]) -> dict[str, Any]:
        barrier.wait(5)
        raise RefusedError("no", 403)

    api.apply = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(UserError, match=r"^[ab] \(kubernetes:core/v1:ConfigMap\): no$") as failed:
        engine.deploy(applier, "test")
    assert failed.value is applier.failure


def test_an_applier_is_made_for_one_context(applier: Applier, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = engine.applier(server.kubeconfig, "there", Path("helm"), applier.view, tmp_path)
        assert made.api.kube.where == server.where
    assert isinstance(made.helm, apply.Helm)
    assert (made.view, made.folder) == (applier.view, tmp_path)


# What the SDK does with every exception of the thread that Ctrl-C is raised in, while it looks for the source's lines.
SWALLOWED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except BaseException:
    pass
"""


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("run", [engine.deploy, engine.destroy])
def test_ctrl_c_that_something_swallows_ends_the_run_all_the_same(
    applier: Applier, api: FakeApi, project: Path, run: Callable[[Applier, str], object]
) -> None:
    (project / "__main__.py").write_text(SWALLOWED + PROGRAM)
    with pytest.raises(KeyboardInterrupt):
        run(applier, "test")
    assert api.calls == []
    assert list(project.glob("gone*")) == []


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_waiting_and_is_what_the_run_ends_with(
    applier: Applier, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        return manifest

    monkeypatch.setattr(apply, "is_ready", lambda *_: False)
    api.get = Mock(side_effect=look)  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.deploy(applier, "test")
    assert time.monotonic() - began < 5
    assert api.calls == [("apply", "default")]


def test_ctrl_c_that_is_ignored_as_in_a_background_job_stays_ignored(applier: Applier, project: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        (project / "__main__.py").write_text(SWALLOWED + PROGRAM)
        assert engine.deploy(applier, "test") == {"printed": "made", "uid": "1a2b"}
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_in_another_thread_leaves_signals_alone(applier: Applier) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(engine.deploy, applier, "test").result() == {"printed": "made", "uid": "1a2b"}


def test_a_failure_ends_what_is_waited_for_beside_it_and_is_the_one_that_is_told(
    applier: Applier, api: FakeApi, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    maps = "\n".join(f"k8s.core.v1.ConfigMap('{name}', metadata={{'name': '{name}'}})" for name in ("slow", "bad"))
    (project / "__main__.py").write_text(f"import pulumi_kubernetes as k8s\n{maps}")

    def put(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        if manifest["metadata"]["name"] == "bad":
            waits.wait(5)
            raise RefusedError("no", 403)
        return manifest

    def look(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        waits.set()
        return manifest

    monkeypatch.setattr(apply, "is_ready", lambda *_: False)
    api.apply, api.get = put, look  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    with pytest.raises(UserError, match=r"^bad \(kubernetes:core/v1:ConfigMap\): no$"):
        engine.deploy(applier, "test")
    assert time.monotonic() - began < 5


def test_the_api_waits_no_longer_than_the_run(applier: Applier, api: FakeApi) -> None:
    assert not api.stopped()
    applier.failure = UserError("no")
    assert api.stopped()
