"""What Istio's proxies report: access logs, metrics and traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

API_VERSION = "telemetry.istio.io/v1"
NAME = "mesh-default"
# The first two are built into Istio; the third is ours, and istiod has to be told of it.
ACCESS_LOG_PROVIDER = "envoy"
METRICS_PROVIDER = "prometheus"
TRACING_PROVIDER = "otel-tracing"
METRICS = (
    "REQUEST_COUNT",
    "REQUEST_DURATION",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "TCP_OPENED_CONNECTIONS",
    "TCP_CLOSED_CONNECTIONS",
    "TCP_SENT_BYTES",
    "TCP_RECEIVED_BYTES",
    "GRPC_REQUEST_MESSAGES",
    "GRPC_RESPONSE_MESSAGES",
)


@dataclass(frozen=True, kw_only=True)
class AccessLogs:
    """A line per request on each proxy's standard output.

    Attributes:
        filter: a CEL expression that picks some requests; empty for all.
    """

    filter: str = ""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """How the metrics differ from Istio's standard ones.

    Attributes:
        disabled: metrics that are not kept, of ``METRICS``.
        tags: further tags of every metric, each with the CEL expression of its value.
        removed_tags: standard tags that are not kept.
    """

    disabled: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    removed_tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Traces by OpenTelemetry.

    Attributes:
        sampling: per cent of the requests that are traced, 0 to 100.
        host: DNS name of the Service that takes them, OTLP over gRPC.
        port: its port, 1 to 65535.
    """

    sampling: float
    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class MeshTelemetryArgs:
    """What is reported, and by whom.

    Attributes:
        namespace: istio-system for all proxies of the mesh, another namespace for its own.
        requires: what must be there first: istiod, which brings the kind and checks the object.
        access_logs: None leaves them as they are.
        metrics: None leaves them as they are.
        tracing: None leaves it as it is.

    Source: https://istio.io/latest/docs/reference/config/telemetry/
    """

    namespace: pulumi.Input[str]
    requires: Sequence[pulumi.Resource] = ()
    access_logs: AccessLogs | None = None
    metrics: Metrics | None = None
    tracing: Tracing | None = None


def _access_logging(wanted: AccessLogs) -> dict[str, Any]:
    providers = {"providers": [{"name": ACCESS_LOG_PROVIDER}]}
    return {**providers, "filter": {"expression": wanted.filter}} if wanted.filter else providers


def _metrics(wanted: Metrics) -> dict[str, Any]:
    tags: dict[str, Any] = {name: {"operation": "UPSERT", "value": value} for name, value in wanted.tags.items()}
    tags |= {name: {"operation": "REMOVE"} for name in wanted.removed_tags}
    overrides: list[dict[str, Any]] = [{"match": {"metric": "ALL_METRICS"}, "tagOverrides": tags}] if tags else []
    overrides += [{"match": {"metric": metric}, "disabled": True} for metric in wanted.disabled]
    return {"providers": [{"name": METRICS_PROVIDER}], "overrides": overrides}


def telemetry_spec(args: MeshTelemetryArgs) -> dict[str, Any]:
    """The Telemetry's spec: only what is wanted."""
    spec: dict[str, Any] = {}
    if args.access_logs:
        spec["accessLogging"] = [_access_logging(args.access_logs)]
    if args.metrics:
        spec["metrics"] = [_metrics(args.metrics)]
    if args.tracing:
        providers = [{"name": TRACING_PROVIDER}]
        spec["tracing"] = [{"providers": providers, "randomSamplingPercentage": args.tracing.sampling}]
    return spec


def tracing_values(tracing: Tracing) -> dict[str, Any]:
    """The istiod chart's values that tell istiod of the provider which the Telemetry names.

    Source: https://istio.io/latest/docs/tasks/observability/distributed-tracing/opentelemetry/
    """
    provider = {"name": TRACING_PROVIDER, "opentelemetry": {"service": tracing.host, "port": tracing.port}}
    return {"meshConfig": {"enableTracing": True, "extensionProviders": [provider]}}


class MeshTelemetry(pulumi.ComponentResource):
    """One Telemetry object with everything that is configured of the proxies.

    Example:
        MeshTelemetry(
            "telemetry",
            MeshTelemetryArgs(
                namespace="istio-system",
                access_logs=AccessLogs(filter="response.code >= 500"),
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: MeshTelemetryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:MeshTelemetry", name, None, opts)
        k8s.apiextensions.CustomResource(
            f"{name}-telemetry",
            api_version=API_VERSION,
            kind="Telemetry",
            metadata={"name": NAME, "namespace": args.namespace},
            spec=telemetry_spec(args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        self.register_outputs({})
