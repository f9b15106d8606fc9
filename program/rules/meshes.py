"""Whether this stack's mesh can be where another's is, or was: pure rules."""

import pulumi

from components.commands.adopt import VALIDATOR, cluster_objects
from components.mesh.ambient_data_plane import RELEASES as AGENTS
from components.mesh.ingress_gateway import NAME as INGRESS
from components.mesh.istio_base import BASE_RELEASE, NAMESPACE, istiod_release
from program.lookup import Cluster
from program.settings import Settings


def is_ours(cluster: Cluster) -> bool:
    """Whether the mesh in istio-system is this stack's: its namespace, its CRDs or its istiods are marked so."""
    return bool(cluster.namespaces.get(NAMESPACE) or any(cluster.istio_crds.values()) or cluster.own_istiods)


def foreign_releases(settings: Settings, cluster: Cluster) -> list[str]:
    """The Helm releases in istio-system that have the names of this stack's, and are somebody else's."""
    if is_ours(cluster):
        return []
    wanted = {
        BASE_RELEASE,
        INGRESS,
        *map(istiod_release, settings.control_planes.istiods),
        *settings.observability.addons,
    }
    wanted |= {AGENTS[chart] for chart in settings.node_agents}
    return sorted(wanted & cluster.traces.releases)


def refuse_others(settings: Settings, cluster: Cluster) -> None:
    """Refuse a mesh of the Sail operator's or the Helm CLI's, and what is left of a deleted one.

    Raises:
        pulumi.RunError: names what was found and what to do about it.
    """
    for istiod, owner in cluster.traces.sail.items():
        if istiod.startswith(f"{NAMESPACE}/"):
            raise pulumi.RunError(
                f"Deployment {istiod} is kept by the Sail operator for {owner}, which would undo what this stack does, "
                f"with adopt too: remove it with `kubectl delete {owner.lower().replace(' ', '/', 1)}`, or use another "
                "cluster"
            )
    found, kept = foreign_releases(settings, cluster), "with istiod left running"
    if others := _other_owners(settings, cluster):
        found, kept = sorted({*found, *others}), "whose istiod rolls once, as its pods' labels name the release"
    if found and not settings.adopt:
        version = next((str(version) for version in cluster.istiods.values() if version), "the one that runs")
        uninstall = " ".join(found)
        raise pulumi.RunError(
            f"Helm releases {', '.join(found)} in {NAMESPACE} are not this stack's: `helm install` makes them so, and "
            f"Helm gives no second release their names. To take them over, {kept}, set adopt to true "
            f"and istioVersion to {version} (another one restarts istiod), and run `make up`; destroy will then remove "
            f"it. Else remove them with `helm uninstall --namespace {NAMESPACE} {uninstall}`, or use another cluster"
        )
    _refuse_leftovers(settings, cluster)


def _other_owners(settings: Settings, cluster: Cluster) -> list[str]:
    """The names of releases, other than the stack's, that have its istiods."""
    istiods = {f"{NAMESPACE}/{istiod_release(revision)}" for revision in settings.control_planes.istiods}
    owners = {cluster.traces.owners.get(istiod, istiod) for istiod in istiods}
    return sorted(owner.rpartition("/")[2] for owner in owners - istiods)


def _refuse_leftovers(settings: Settings, cluster: Cluster) -> None:
    """Objects of the cluster that stay when somebody deletes the namespace of a mesh, or are another release's."""
    istiods = settings.control_planes.istiods
    expected: dict[str, str] = {}
    for revision in istiods:
        expected |= cluster_objects(f"{NAMESPACE}/{BASE_RELEASE}", f"{NAMESPACE}/{istiod_release(revision)}")
    found = cluster.traces.strays
    strays = {path: found[path] for path, release in expected.items() if found.get(path, release) != release}
    if not strays:
        return
    names = sorted("/".join(path.split("/")[-2:]) for path in strays)
    owners = ", ".join(sorted({release or "no Helm release" for release in strays.values()}))
    running = [istiod for istiod in cluster.istiods if not istiod.startswith(f"{NAMESPACE}/")]
    if running and VALIDATOR in strays:
        raise pulumi.RunError(
            f"{', '.join(names)} belong to {owners}, and istiod runs as {', '.join(running)}: a cluster has one such "
            "validator, and its mesh would lose it. Remove that mesh first, or use another cluster"
        )
    if not settings.adopt:
        raise pulumi.RunError(
            f"{', '.join(names)} belong to {owners} and are left of an Istio that is gone, and Helm refuses to make "
            f"them: remove them with `kubectl delete {' '.join(names)}`, or set adopt to true to take them over"
        )
