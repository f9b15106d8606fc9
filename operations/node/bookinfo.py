"""Which Bookinfo an embedded cluster runs: stand-ins, or upstream's own programs. Both have upstream's names."""

from enum import StrEnum

from components.commands import UserError
from embedded.images import upstream
from embedded.images.contents import BOOKINFO, workload_names
from embedded.kinds import AnyCluster
from embedded.node.cluster import RealCluster


class Bookinfo(StrEnum):
    """What is in Bookinfo's images: small STAND_IN programs, or UPSTREAM's in Python, Ruby, Java and JavaScript."""

    STAND_IN = "stand-in"
    UPSTREAM = "upstream"


def refuse_elsewhere(stack: str, mode: str, wanted: Bookinfo | None) -> None:
    """Refuse a choice where the images are not the project's to make.

    Raises:
        UserError: the stack has no embedded cluster.
    """
    if wanted and mode != "embedded":
        raise UserError(
            f"BOOKINFO={wanted} is for stacks with clusterMode embedded; that of stack {stack} is {mode}, whose nodes "
            "pull upstream's images"
        )


def provide(cluster: AnyCluster, wanted: Bookinfo) -> None:
    """Give a cluster these images of Bookinfo, building them where they are missing; pods that run keep theirs.

    Raises:
        UserError: its pods are simulated.
        EmbeddedError: a program of upstream's cannot be built; says which and why.
    """
    if not isinstance(cluster, RealCluster):
        raise UserError(f"BOOKINFO={wanted} needs pods that run; those of the cluster in {cluster.root} are simulated")
    if wanted is Bookinfo.UPSTREAM:
        changed = cluster.use(upstream.ensure())
    else:
        changed = cluster.unload([name for workload in BOOKINFO for name in workload_names(workload)])
    if changed and cluster.running():
        print(
            f"Bookinfo's images are now the {wanted} ones; pods that run already keep theirs until "
            "`make shell`, then `kubectl rollout restart deployment` in their namespace"
        )
