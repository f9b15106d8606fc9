"""What does not go together with the ambient data plane: pure rules."""

from collections.abc import Mapping

import pulumi

from components.chart_values import merged
from components.versions import Version
from program.lookup import Cluster
from program.settings import Settings

# Ambient is stable, and its charts know platforms such as minikube, from there on:
# https://istio.io/latest/blog/2024/ambient-reaches-ga/
FIRST = Version(1, 24)


# Istio's name of a node whose containers Docker runs: it keeps network namespaces where no other runtime does.
DOCKER, DOCKERS_PLATFORM = "docker", "minikube"


def platform(settings: Settings, cluster: Cluster) -> str:
    """What istio-cni is told of the nodes; empty where it need not be told anything.

    Source: manifests/helm-profiles/platform-minikube.yaml of istio/istio, which is a path of Docker's.
    """
    if cluster.container_runtimes:
        return DOCKERS_PLATFORM if DOCKER in cluster.container_runtimes else ""
    return DOCKERS_PLATFORM if settings.cluster_mode == "minikube" else ""


def refuse_other_nodes(settings: Settings, cluster: Cluster) -> None:
    """Refuse nodes for which there is no one path of network namespaces, or another than the configuration's.

    Raises:
        pulumi.RunError: names the runtimes and the key.
    """
    if settings.data_plane != "ambient" or "cniNetnsDir" in settings.cni_values:
        return
    found = cluster.container_runtimes
    runtimes = ", ".join(sorted(found))
    if DOCKER in found and len(found) > 1:
        raise pulumi.RunError(
            f"the cluster's nodes run containers by {runtimes}, which keep network namespaces in different folders, "
            "and istio-cni knows one: use nodes of one runtime, or set dataPlane to sidecar"
        )
    shared = merged(settings.istio_values, settings.cni_values).get("global")
    said = shared.get("platform") if isinstance(shared, Mapping) else None
    if found and said == DOCKERS_PLATFORM and DOCKER not in found:
        raise pulumi.RunError(
            f"istioValues.global.platform is {said!r}, whose nodes run containers by Docker, and this cluster's run "
            f"them by {runtimes}: istio-cni would look for network namespaces in Docker's folder. Leave the key out"
        )


def refuse_misfits(settings: Settings) -> None:
    """Refuse what ambient cannot do, or what this program says in a way that only sidecars understand.

    Raises:
        pulumi.RunError: names the key and what to do.
    """
    if settings.data_plane != "ambient":
        return
    guarded = [policy.name for policy in settings.security.policies if policy.service]
    tokens = settings.security.jwt_services
    allow_from = [service.name for service in settings.services if service.allow_from]
    misfits = {
        f"istioVersion {settings.istio_version}: ambient is stable from Istio {FIRST.line} on": settings.istio < FIRST,
        "revisions: every node has one ztunnel, which cannot be moved namespace by namespace": settings.revisions,
        f"revision {settings.revision}: pods without a sidecar are injected by no revision": settings.revision,
        "security.authorization: its rules name callers, which a waypoint hides": settings.security.authorization,
        f"allowFrom of {', '.join(allow_from)}: its rule names callers, which a waypoint hides": allow_from,
        f"security.policies {', '.join(guarded)}: ztunnel, which sees no request, holds policies of pods": guarded,
        f"security.jwt.services {', '.join(tokens)}: ztunnel looks at no tokens": tokens,
        "security.networkPolicies: they would stop the tunnel's port 15008": settings.security.network_policies,
    }
    if found := [misfit for misfit, applies in misfits.items() if applies]:
        raise pulumi.RunError(
            f"dataPlane ambient does not go together with {'; '.join(found)}. Unset or change that, or set dataPlane "
            "to sidecar"
        )
