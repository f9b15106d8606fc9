"""Many Bookinfos on the cluster: what each costs as they become more."""

import json
from collections.abc import Iterator

from benchmarks.measure import Result, timed
from benchmarks.setting import PROGRAMS, cli, simulated_cluster
from components.kube import APPLY, Kube
from embedded.access import CONTEXT
from embedded.cluster import Cluster
from embedded.simulated import node_manifest

COPIES = (1, 10, 50)
STEPS = ("up", "up again", "down")
TARGET = 1.2
# The cluster's own node has room for 110 pods; 50 Bookinfos have 300.
MORE_NODES = 4


def results(runs: int) -> Iterator[Result]:
    """By step: the seconds that one Bookinfo costs among many, against one among fewer.

    Not of one alone going down: a namespace takes half a second or, if Kubernetes looks too early, five more.
    """
    with simulated_cluster() as cluster:
        _add_nodes(cluster)
        _life(cluster, 1)  # the first ever on a cluster also meets its cold caches
        took = [{copies: _life(cluster, copies) for copies in COPIES} for _ in range(runs)]
    for few, many, steps in ((1, 10, STEPS[:2]), (10, 50, STEPS)):
        for step, name in enumerate(steps):
            yield Result(
                name=f"{name} on a cluster per Bookinfo, {many} against {few}",
                ours=[run[many][step] / many for run in took],
                reference=[run[few][step] / few for run in took],
                target=TARGET,
            )


def _life(cluster: Cluster, copies: int) -> list[float]:
    """Seconds of each step."""
    many = cli(cluster.root, "bench", PROGRAMS / "many")
    overrides = {"kubeconfig": str(cluster.kubeconfig), "copies": str(copies)}
    return [
        timed(lambda: many.up(overrides, quiet=True)),
        timed(lambda: many.up(overrides, quiet=True)),
        timed(many.destroy),
    ]


def _add_nodes(cluster: Cluster) -> None:
    kube = Kube(cluster.kubeconfig, CONTEXT)
    for number in range(MORE_NODES):
        name = f"more-{number}"
        node = json.loads(json.dumps(node_manifest()).replace("embedded", name))
        for part in ("", "/status"):
            kube.request("PATCH", f"/api/v1/nodes/{name}{part}?fieldManager=bench&force=true", node, content_type=APPLY)
