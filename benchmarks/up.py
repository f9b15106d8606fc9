"""From an empty cluster to Bookinfo in the mesh: the program against the tutorial's steps by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import ISTIO, child, fresh_cluster, quietly, settings
from embedded import toolchain
from embedded.cluster import CONTEXT, Cluster
from operations import pulumi_cli
from operations.evaluate import PROJECT
from operations.render import render

STACK = "embedded"
Way = Callable[[Cluster], None]
# The tutorial's steps 3 and 6 as files to apply, by the components whose objects are in them.
FILES = {"ingress.yaml": {"ingress"}, "bookinfo.yaml": {"bookinfo", "exposure"}}


def write_manifests(cluster: Cluster) -> None:
    """Write what a person would apply by kubectl into the cluster's folder, as the program renders it."""
    _, objects = render(STACK, settings(cluster))
    for file, components in FILES.items():
        manifests = [dict(item.manifest) for item in objects if item.resource.parent in components]
        (cluster.root / file).write_text(yaml.safe_dump_all(manifests))


def by_hand(cluster: Cluster) -> None:
    """The tutorial, each step once the one before is through."""
    tools = toolchain.ensure("cluster").cluster
    place = ("--kubeconfig", str(cluster.kubeconfig))
    helm = (str(tools / "helm"), *place, "--kube-context", CONTEXT, "--namespace", "istio-system", "install", "--wait")
    kubectl = (str(tools / "kubectl"), *place, "--context", CONTEXT)

    def apply(path: Path) -> None:
        quietly(*kubectl, "apply", "--filename", str(path))

    def wait(namespace: str) -> None:
        condition = ("--for=condition=Ready", "pod", "--all", "--timeout=300s")
        quietly(*kubectl, "--namespace", namespace, "rollout", "status", "deployment")
        quietly(*kubectl, "--namespace", namespace, "wait", *condition)

    quietly(*helm, "--create-namespace", "istio-base", str(cluster.root / "charts" / f"base-{ISTIO}.tgz"))
    quietly(*helm, "istiod", str(cluster.root / "charts" / f"istiod-{ISTIO}.tgz"))
    apply(cluster.root / "ingress.yaml")
    wait("istio-system")
    apply(Path(settings(cluster)["gatewayApiManifest"]))
    quietly(*kubectl, "wait", "--for=condition=Established", "crd", "--all")
    quietly(*kubectl, "label", "namespace", "default", "istio-injection=enabled")
    apply(cluster.root / "bookinfo.yaml")
    wait("default")


def offline(cluster: Cluster) -> None:
    """The program by the offline engine."""
    config = [f"{key}={value}" for key, value in settings(cluster).items()]
    child("up", PROJECT, STACK, *config, kubeconfig=cluster.kubeconfig)


def by_pulumi(binary: Path) -> Way:
    """The program by ``pulumi up`` on a new stack."""

    def up(cluster: Cluster) -> None:
        cli = pulumi_cli.Cli(binary=binary, stack=STACK, state=cluster.root / "state")
        cli.up(settings(cluster), quiet=True)

    return up


def results(runs: int) -> Iterator[Result]:
    """By the offline engine, and by the Pulumi CLI where there is one."""
    yield _against_by_hand("offline engine", offline, 0.8, runs)
    if binary := pulumi_cli.found():
        yield _against_by_hand("pulumi up", by_pulumi(binary), 1.2, runs)


def _against_by_hand(name: str, way: Way, target: float, runs: int) -> Result:
    ours, reference = alternate(lambda: _from_nothing(way), lambda: _from_nothing(by_hand), runs)
    return Result(name=f"up from nothing, {name}, against by hand", ours=ours, reference=reference, target=target)


def _from_nothing(way: Way) -> float:
    with fresh_cluster() as cluster:
        write_manifests(cluster)
        return timed(lambda: way(cluster))
