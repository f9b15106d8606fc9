"""The proxy of a namespace in ambient mode, for everything that needs to understand HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.exposure import API_VERSION, WAIT_FOR

NAME = "waypoint"
GATEWAY_CLASS = "istio-waypoint"
WAYPOINT_FOR = "istio.io/waypoint-for"
HBONE_PORT = 15008


@dataclass(frozen=True, kw_only=True)
class WaypointArgs:
    """Where it is.

    Attributes:
        namespace: its namespace, which names it by the label istio.io/use-waypoint.
        requires: what must be there before a Gateway can be made: the Gateway API's CRDs and istiod.

    Source: https://istio.io/latest/docs/ambient/usage/waypoint/
    """

    namespace: pulumi.Input[str]
    requires: Sequence[pulumi.Resource] = ()


def waypoint_spec() -> dict[str, Any]:
    """The Gateway's spec, as ``istioctl waypoint generate`` writes it."""
    return {
        "gatewayClassName": GATEWAY_CLASS,
        "listeners": [{"name": "mesh", "port": HBONE_PORT, "protocol": "HBONE"}],
    }


class Waypoint(pulumi.ComponentResource):
    """A Gateway named waypoint, for which istiod creates a Deployment; for the namespace's Services.

    Attributes:
        gateway: its name, once it is programmed; for InjectedNamespace.

    Example:
        Waypoint("waypoint", WaypointArgs(namespace=shop.namespace, requires=[gateway_api, istio]), in_cluster)
    """

    gateway: pulumi.Output[str]

    def __init__(self, name: str, args: WaypointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Waypoint", name, None, opts)
        gateway = k8s.apiextensions.CustomResource(
            f"{name}-gateway",
            api_version=API_VERSION,
            kind="Gateway",
            metadata={
                "name": NAME,
                "namespace": args.namespace,
                "labels": {WAYPOINT_FOR: "service"},
                # Its Service is a ClusterIP, so its address does not depend on the cluster.
                "annotations": {WAIT_FOR: "condition=Programmed"},
            },
            spec=waypoint_spec(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        self.gateway = gateway.id.apply(lambda _: NAME)
        self.register_outputs({"gateway": self.gateway})
