"""Istio's ambient data plane: what takes pods into the mesh without a sidecar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..chart_values import merged, release_values
from ..images import ImageSource, chart_image_values
from . import cni
from .istio_base import CHART_REPOSITORY, NAMESPACE, TIMEOUT_SECONDS, chart_source

PROFILE = {"profile": "ambient"}
# Helm's releases, which are their charts' DaemonSets too but for istio-cni-node.
RELEASES = {cni.CHART: cni.RELEASE, "ztunnel": "ztunnel"}


@dataclass(frozen=True, kw_only=True)
class AmbientDataPlaneArgs:
    """Which data plane, from where.

    Attributes:
        version: Istio's version, MAJOR.MINOR.PATCH; also the charts' version.
        chart_repository: the address of a Helm repository or of an OCI registry's folder (oci://HOST/PATH), or a local
            folder that holds NAME-VERSION.tgz.
        namespace: the namespace of istiod; an output of IstioBase.
        istiods: what must be ready before: ztunnel gets certificates and configuration from istiod.
        platform: Istio's name of what the nodes run, such as minikube or gke: where istio-cni finds network namespaces
            and CNI plugins; empty for any other.
        values: values of both charts: the ``global`` ones that istiod's chart is given too.
        cni_values: values of istio-cni's chart, over those.
        ztunnel_values: values of ztunnel's chart, over those.
        secret_charts: the charts, of ``RELEASES``, whose values are to be encrypted in the state and never shown.
        image_source: where images come from.
        former: the URN of istio-cni's release in the state, where another component has had it before; empty for none.

    Source: https://istio.io/latest/docs/ambient/install/helm/ and
    https://istio.io/latest/docs/ambient/install/platform-prerequisites/
    """

    version: str
    chart_repository: str = CHART_REPOSITORY
    namespace: pulumi.Input[str] = NAMESPACE
    istiods: Sequence[pulumi.Resource] = ()
    platform: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    cni_values: Mapping[str, Any] = field(default_factory=dict)
    ztunnel_values: Mapping[str, Any] = field(default_factory=dict)
    secret_charts: Sequence[str] = ()
    image_source: ImageSource = field(default_factory=ImageSource)
    former: str = ""


def chart_values(platform: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a chart of the data plane."""
    ours = {**PROFILE, "global": {"platform": platform}} if platform else PROFILE
    return merged(ours, values)


class AmbientDataPlane(pulumi.ComponentResource):
    """istio-cni, which redirects pods, and ztunnel, which encrypts what they send: both ready on every node.

    Example:
        AmbientDataPlane("ambient", AmbientDataPlaneArgs(version="1.30.3", istiods=[istio]), in_cluster)
    """

    releases: list[pulumi.Resource]

    def __init__(self, name: str, args: AmbientDataPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:AmbientDataPlane", name, None, opts)
        own = {"cni": args.cni_values, "ztunnel": args.ztunnel_values}
        self.releases = []
        for chart, release in RELEASES.items():
            self.releases.append(
                k8s.helm.v3.Release(
                    f"{name}-{chart}",
                    name=release,
                    namespace=args.namespace,
                    timeout=TIMEOUT_SECONDS,
                    **release_values(
                        merged(
                            chart_image_values(chart, args.version, args.image_source),
                            chart_values(args.platform, merged(args.values, own[chart])),
                        ),
                        args.version,
                        secret=chart in args.secret_charts,
                    ),
                    **chart_source(args.chart_repository, chart, args.version),
                    # ztunnel after istio-cni, which would otherwise redirect pods to nothing when it is upgraded.
                    opts=pulumi.ResourceOptions(
                        parent=self,
                        depends_on=[*args.istiods, *self.releases],
                        aliases=[args.former] if args.former and chart == cni.CHART else None,
                    ),
                )
            )
        self.register_outputs({"releases": list(RELEASES.values())})
