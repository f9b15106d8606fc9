"""Jobs whose sidecars would never end: pure rules.

Source: https://istio.io/latest/blog/2023/native-sidecars/ and
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

from collections.abc import Mapping
from typing import Any

from components.versions import Version
from program.lookup import Cluster
from program.settings import Settings

# Native sidecars are on by default in Kubernetes from there on, and in Istio.
KUBERNETES, ISTIO = Version(1, 29), Version(1, 27)
SWITCH = "ENABLE_NATIVE_SIDECARS"


def job_warnings(settings: Settings, cluster: Cluster) -> list[str]:
    """A warning of the Jobs in the stack's namespaces that would run for ever, and what to do about them.

    The switch is not thrown here: istiod would restart, and the pods of every other workload change with it.
    """
    versions = settings.control_planes.versions.values()
    old = any(Version.parse(version) < ISTIO for version in versions)
    if settings.data_plane != "sidecar" or not old or not cluster.jobs or _is_on(settings.istio_values):
        return []
    native = (cluster.kubernetes or Version.parse(settings.kubernetes_version)) >= KUBERNETES
    remedy = (
        f"set istioValues.pilot.env.{SWITCH} to 'true', in quotes (restarts istiod)"
        if native
        else f"Kubernetes has native sidecars from {KUBERNETES.line} on"
    )
    return [
        f"{', '.join(cluster.jobs)} never complete once they have sidecars, which Istio before {ISTIO.line} does not "
        f"end with the pod: {remedy}, or label their pods sidecar.istio.io/inject: 'false'"
    ]


def _is_on(values: Mapping[str, Any]) -> bool:
    pilot = values.get("pilot")
    places = [values.get("env"), pilot.get("env") if isinstance(pilot, Mapping) else None]
    return any(isinstance(env, Mapping) and str(env.get(SWITCH)).lower() == "true" for env in places)
