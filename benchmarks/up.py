"""From an empty cluster to Bookinfo in the mesh: the program against the tutorial's steps by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.measure import Result, alternate, timed
from benchmarks.setting import ISTIO, cli, fresh_cluster, quietly, settings
from embedded import toolchain
from embedded.access import CONTEXT
from embedded.cluster import Cluster
from operations.manifests.render import render

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


def by_pulumi(cluster: Cluster) -> None:
    """The program by ``pulumi up`` on a new stack."""
    cli(cluster, STACK).up(settings(cluster), quiet=True)


def results(runs: int) -> Iterator[Result]:
    """From nothing to a checked mesh."""
    ours, reference = alternate(lambda: _from_nothing(by_pulumi), lambda: _from_nothing(by_hand), runs)
    yield Result(name="up from nothing, against by hand", ours=ours, reference=reference, target=1.2)


def _from_nothing(way: Way) -> float:
    with fresh_cluster() as cluster:
        write_manifests(cluster)
        return timed(lambda: way(cluster))
