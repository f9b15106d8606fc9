"""Reads which of Istio's agents run on every node: the config key cni, and what dataPlane brings."""

from collections.abc import Collection, Mapping
from typing import Any

from components.mesh.ambient_data_plane import RELEASES
from components.mesh.cni import CHART
from components.versions import Version
from program.config.values import Value

# From there on the chart takes its values at the top, and knows platforms.
FIRST = Version(1, 24)


def charts(data_plane: str, *, cni: bool) -> tuple[str, ...]:
    """The charts of the agents."""
    return tuple(RELEASES) if data_plane == "ambient" else (CHART,) if cni else ()


def read_cni(value: Value, *, data_plane: str, versions: Collection[str], istio_values: Mapping[str, Any]) -> bool:
    """Whether Istio's CNI plugin is installed for sidecars.

    Args:
        value: the key ``cni``.
        data_plane: sidecar or ambient.
        versions: those of the istiods.
        istio_values: values of the istiod chart.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    if not value.boolean():
        return False
    if data_plane == "ambient":
        raise value.error("false with dataPlane ambient, which installs istio-cni itself")
    if old := [version for version in versions if Version.parse(version) < FIRST]:
        raise value.error(f"false with Istio {', '.join(old)}; true from Istio {FIRST.line} on")
    if usage(istio_values).get("enabled") not in (None, True):
        raise value.error("false where istioValues.pilot.cni.enabled says that istiod does not use the plugin")
    return True


def usage(istio_values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What istiod's values say of the CNI plugin."""
    pilot = istio_values.get("pilot")
    cni = pilot.get("cni") if isinstance(pilot, Mapping) else None
    return cni if isinstance(cni, Mapping) else {}


def uses_cni(istio_values: Mapping[str, Any]) -> bool:
    """Whether istiod leaves a pod's network to a CNI plugin that somebody else has installed."""
    return usage(istio_values).get("enabled") is True
