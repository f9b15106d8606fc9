"""What a stack shows of its mesh: what proxies report, and where a person looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi

from ..images import ImageSource
from ..mesh.istio_base import NAMESPACE
from .addons import AddonName, Addons, AddonsArgs, port_forward
from .mesh_telemetry import AccessLogs, MeshTelemetry, MeshTelemetryArgs, Metrics, Tracing, tracing_values


@dataclass(frozen=True, kw_only=True)
class ObservabilityConfig:
    """The configuration of observability; a part that is None or empty is left as Istio has it.

    Attributes:
        scope: whose proxies report it: the whole mesh's, or the injected namespace's.
        access_logs: a line per request.
        metrics: how they differ from the standard.
        tracing: which requests are traced, and who takes the traces.
        addons: which of Prometheus, Grafana, Jaeger and Kiali are installed.
        chart_repository: a folder or an address with all their charts; empty for each one's own address.
        addon_values: values of each addon's chart, by addon.
    """

    scope: Literal["mesh", "namespace"] = "mesh"
    access_logs: AccessLogs | None = None
    metrics: Metrics | None = None
    tracing: Tracing | None = None
    addons: tuple[AddonName, ...] = ()
    chart_repository: str = ""
    addon_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def istiod_values(self) -> dict[str, Any]:
        """What the istiod chart must be told for this."""
        return tracing_values(self.tracing) if self.tracing else {}


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """What to observe, and where.

    Attributes:
        config: what is wanted.
        istio_namespace: the namespace of istiod; an output of IstioBase.
        namespace: the injected namespace.
        istio_version: Istio's version, MAJOR.MINOR.PATCH.
        kubectl: how a person calls kubectl on the cluster, for the commands.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.
        revision: the revision of the one istiod there is; empty for the one without a name, and for several.
        image_source: where images come from.
    """

    config: ObservabilityConfig
    istio_namespace: pulumi.Input[str] = NAMESPACE
    namespace: pulumi.Input[str]
    istio_version: str
    kubectl: str = "kubectl"
    requires: Sequence[pulumi.Resource] = ()
    revision: str = ""
    image_source: ImageSource = field(default_factory=ImageSource)


class Observability(pulumi.ComponentResource):
    """Telemetry and the addons, as far as they are wanted.

    Attributes:
        commands: how a person reaches each addon.

    Example:
        Observability(
            "observability",
            ObservabilityArgs(
                namespace=shop.namespace,
                istio_version="1.30.3",
                config=ObservabilityConfig(metrics=Metrics(removed_tags=["request_protocol"]), addons=["grafana"]),
                requires=[istio],
            ),
            in_cluster,
        )
    """

    commands: dict[str, str]

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Observability", name, None, opts)
        config = args.config
        if config.access_logs or config.metrics or config.tracing:
            MeshTelemetry(
                f"{name}-telemetry",
                MeshTelemetryArgs(
                    namespace=args.istio_namespace if config.scope == "mesh" else args.namespace,
                    access_logs=config.access_logs,
                    metrics=config.metrics,
                    tracing=config.tracing,
                    requires=args.requires,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        if config.addons:
            Addons(
                f"{name}-addons",
                AddonsArgs(
                    namespace=args.istio_namespace,
                    names=config.addons,
                    istio_version=args.istio_version,
                    revision=args.revision,
                    chart_repository=config.chart_repository,
                    values=config.addon_values,
                    image_source=args.image_source,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.commands = {addon: port_forward(addon, args.kubectl) for addon in config.addons}
        self.register_outputs({"commands": self.commands})
