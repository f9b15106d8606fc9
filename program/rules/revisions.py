"""Whether the configured control planes can follow those that run: pure rules."""

import pulumi

from components import versions
from components.mesh.istio_base import NAMESPACE, istiod_release
from components.versions import Version
from program.control_planes import DEFAULT, ControlPlanes
from program.lookup import Cluster


def version_problems(planes: ControlPlanes, cluster: Cluster) -> list[str]:
    """What speaks against these versions; each entry says which path to take."""
    wanted = {revision: Version.parse(version) for revision, version in planes.istiods.items()}
    found = versions.canary_problems({revision or DEFAULT: version for revision, version in wanted.items()})
    for revision, version in wanted.items():
        if running := cluster.istiods.get(f"{NAMESPACE}/{istiod_release(revision)}"):
            found += versions.upgrade_problems(running=running, wanted=version)
    newest = max(filter(None, removed(planes, cluster).values()), default=None)
    if newest and newest > Version.parse(planes.base):
        found.append(
            f"Istio {newest} runs and has brought its CRDs, which never go back: set istioVersion to {newest}, also "
            "where revisions lists only older ones"
        )
    return found


def removed(planes: ControlPlanes, cluster: Cluster) -> dict[str, Version | None]:
    """The revisions of this stack that run and are no longer configured, by name (``default`` for the one without)."""
    wanted = {f"{NAMESPACE}/{istiod_release(revision)}" for revision in planes.istiods}
    unnamed = f"{NAMESPACE}/{istiod_release('')}"
    ours = cluster.own_istiods
    if cluster.namespaces.get(NAMESPACE) and not wanted & set(cluster.istiods):
        # An istiod by itself carries no mark, but this stack's namespace holds no other of its own.
        ours = frozenset(cluster.istiods)
    return {
        DEFAULT if istiod == unnamed else istiod.removeprefix(f"{unnamed}-"): cluster.istiods[istiod]
        for istiod in sorted(ours - wanted)
        if istiod.startswith(unnamed)
    }


def refuse_removal_in_use(planes: ControlPlanes, cluster: Cluster) -> None:
    """Pods whose istiod goes would get no configuration and no certificates any more.

    Raises:
        pulumi.RunError: names the revision and every pod.
    """
    for revision in removed(planes, cluster):
        if users := cluster.revision_users.get(revision):
            raise pulumi.RunError(
                f"revision {revision} is no longer configured, and {len(users)} pods still use it: "
                f"{', '.join(sorted(users))}. List it in revisions, move its namespaces to another (revision, "
                "namespaceRevisions, tags), restart pods that are not this stack's, run `up`, and remove it then"
            )


def refuse_new_first(planes: ControlPlanes, cluster: Cluster) -> None:
    """The first of several takes over the istiod that was there by itself, so it must not be a new one.

    Raises:
        pulumi.RunError: says which one is to be first.
    """
    if not planes.side_by_side:
        return
    running = [r for r in planes.istiods if f"{NAMESPACE}/{istiod_release(r)}" in cluster.istiods]
    first = next(iter(planes.istiods))
    if running and first not in running:
        raise pulumi.RunError(
            f"revisions begins with {first or DEFAULT}, which is new, while {running[0] or DEFAULT} runs: list what "
            "runs first, as the first takes over what istioVersion and revision have brought"
        )
