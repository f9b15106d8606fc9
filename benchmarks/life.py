"""From nothing to the page that answers, and back: `make up` and `make destroy` against the same parts by hand."""

import compileall
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import STACK, kubectl, quietly, settings, silent, wait_for_page
from embedded import istio, kinds, toolchain
from embedded.access import CONTEXT
from embedded.node import obtain
from embedded.node.cluster import RealCluster
from embedded.record import Kind
from operations import engine, stacks
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT
from operations.manifests.render import render

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "vendor")
SETTLED_SECONDS = 40
"""Between up and destroy. Kubernetes' garbage collector looks for new kinds every 30 seconds, and a Gateway that goes
with all that depends on it, as Pulumi deletes it, waits for that. Whoever destroys later does not see it."""

FILES = {"ingress.yaml": {"ingress"}, "bookinfo.yaml": {"bookinfo", "exposure"}}
"""The tutorial's steps 3 and 6 as files to apply, by the components whose objects are in them."""


def results(runs: int) -> Iterator[Result]:
    """Up and down, everything built before."""
    toolchain.ensure(*obtain.GROUPS)
    engine.find(silent)
    ours, reference = alternate(by_the_program, by_hand, runs)
    for name, target, step in (
        ("nothing to the page that answers, against by hand", 1.0, 0),
        ("destroy, against by hand", 1.2, 1),
    ):
        took = [[each[step] for each in way] for way in (ours, reference)]
        yield Result(name=name, ours=took[0], reference=took[1], target=target)


def by_the_program() -> tuple[float, float]:
    """Seconds of `make up` until the page answers, and of `make destroy`, in a copy of the project."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(PROJECT, copy, ignore=LEFT_OUT)
        (copy / ".venv").symlink_to(sys.prefix)
        compileall.compile_dir(copy, quiet=1)
        cluster = RealCluster(copy / ".embedded", say=silent)

        def operate(command: str) -> None:
            words = (sys.executable, "-m", "operations", command, "--stack", STACK)
            quietly(*words, folder=copy, environment={**os.environ, "PATH": _path_without_pulumi()})

        def up() -> None:
            operate("up")
            wait_for_page(cluster)

        try:
            return timed(up), _settled(lambda: operate("destroy"))
        finally:
            cluster.delete()


def by_hand() -> tuple[float, float]:
    """Seconds of a person's steps, each once the one before is through, and of the way back."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = RealCluster(Path(folder) / "cluster", say=silent)
        _write_files(cluster.root)
        steps = Steps(cluster)
        try:
            return timed(steps.up), _settled(steps.down)
        finally:
            cluster.delete()


def _settled(work: Callable[[], object]) -> float:
    """Seconds of what is done to a mesh that has been there for a while."""
    time.sleep(SETTLED_SECONDS)
    return timed(work)


class Steps:
    """The tutorial, with helm and kubectl in the place of istioctl, as the program does."""

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster
        self.root = cluster.root
        self.gateway_api = Path(settings(self.root)["gatewayApiManifest"])

    def up(self) -> None:
        """From nothing to the page that answers."""
        self._embedded("start", f"--node={Kind.REAL}")
        self.cluster.publish(stacks.gateways("default"))
        self._helm("install", "istio-base", self._chart("base"), "--create-namespace", "--wait")
        self._helm("install", "istiod", self._chart("istiod"), f"--values={self.root / 'values.json'}", "--wait")
        self._kubectl("apply", f"--filename={self.root / 'ingress.yaml'}")
        self._wait("istio-system")
        self._kubectl("apply", "--server-side", f"--filename={self.gateway_api}")
        self._kubectl("wait", "--for=condition=Established", "crd", "--all")
        self._kubectl("label", "namespace", "default", "istio-injection=enabled")
        self._kubectl("apply", f"--filename={self.root / 'bookinfo.yaml'}")
        self._wait("default")
        wait_for_page(self.cluster)

    def down(self) -> None:
        """Back to nothing: what was applied, what was installed, its CRDs, the cluster."""
        self._kubectl("delete", f"--filename={self.root / 'bookinfo.yaml'}")
        self._kubectl("label", "namespace", "default", "istio-injection-")
        self._kubectl("delete", f"--filename={self.root / 'ingress.yaml'}")
        self._helm("uninstall", "istiod", "--wait")
        self._helm("uninstall", "istio-base", "--wait")
        self._kubectl("delete", "namespace", "istio-system")
        self._kubectl("delete", *self._istio_crds())
        self._kubectl("delete", f"--filename={self.gateway_api}")
        self._embedded("delete")

    def _istio_crds(self) -> list[str]:
        found = self._kubectl("get", "crd", "--output=name").splitlines()
        return [name for name in found if name.endswith(".istio.io")]

    def _chart(self, name: str) -> str:
        (archive,) = (self.root / "charts").glob(f"{name}-*.tgz")
        return str(archive)

    def _wait(self, namespace: str) -> None:
        self._kubectl("--namespace", namespace, "rollout", "status", "deployment", "--timeout=300s")

    def _embedded(self, command: str, *words: str) -> None:
        quietly(sys.executable, "-m", "embedded", command, f"--root={self.root}", *words)

    def _helm(self, *words: str) -> None:
        where = (f"--kubeconfig={self.cluster.kubeconfig}", f"--kube-context={CONTEXT}", "--namespace=istio-system")
        quietly(str(toolchain.ensure("cluster").cluster / "helm"), *where, *words)

    def _kubectl(self, *words: str) -> str:
        return kubectl(self.cluster, *words)


def _write_files(root: Path) -> None:
    """Everything that a person has downloaded or written before, in the cluster's folder."""
    kinds.choose(root, Kind.REAL)
    configuration = settings(root)
    stacks.write_artifacts(root, settings_of(STACK, configuration))
    _, objects = render(STACK, configuration)
    for file, components in FILES.items():
        manifests = [dict(item.manifest) for item in objects if item.resource.parent in components]
        (root / file).write_text(yaml.safe_dump_all(manifests))
    (root / "values.json").write_text(json.dumps(istio.VALUES))


def _path_without_pulumi() -> str:
    """PATH without the folders of minikube and of the Pulumi CLI: the machine is bare."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(
        each for each in folders if not any((Path(each) / tool).exists() for tool in ("minikube", "pulumi"))
    )
