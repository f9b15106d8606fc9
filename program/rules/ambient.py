"""What does not go together with the ambient data plane: pure rules."""

import pulumi

from components.versions import Version
from program.settings import Settings

# Ambient is stable, and its charts know platforms such as minikube, from there on:
# https://istio.io/latest/blog/2024/ambient-reaches-ga/
FIRST = Version(1, 24)


def refuse_misfits(settings: Settings) -> None:
    """Refuse what ambient cannot do, or what this program says in a way that only sidecars understand.

    Raises:
        pulumi.RunError: names the key and what to do.
    """
    if settings.data_plane != "ambient":
        return
    allow_from = [service.name for service in settings.services if service.allow_from]
    misfits = {
        f"istioVersion {settings.istio_version}: ambient is stable from Istio {FIRST.line} on": settings.istio < FIRST,
        "revisions: every node has one ztunnel, which cannot be moved namespace by namespace": settings.revisions,
        f"revision {settings.revision}: pods without a sidecar are injected by no revision": settings.revision,
        "security.authorization: its rules name callers, which a waypoint hides": settings.security.authorization,
        f"allowFrom of {', '.join(allow_from)}: its rule names callers, which a waypoint hides": allow_from,
        "security.networkPolicies: they would stop the tunnel's port 15008": settings.security.network_policies,
    }
    if found := [misfit for misfit, applies in misfits.items() if applies]:
        raise pulumi.RunError(
            f"dataPlane ambient does not go together with {'; '.join(found)}. Unset or change that, or set dataPlane "
            "to sidecar"
        )
