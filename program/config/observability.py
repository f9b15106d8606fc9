"""Reads the configuration of observability into an ``ObservabilityConfig``, and refuses what makes no sense."""

from collections.abc import Mapping
from typing import Any

from components.observability.addons import ADDONS, TRACES_PORT, AddonName, host
from components.observability.mesh_telemetry import METRICS, TRACING_PROVIDER, AccessLogs, Metrics, Tracing
from components.observability.observability import ObservabilityConfig
from program.config.values import DOMAIN, Value

TAG = r"[a-zA-Z_][a-zA-Z0-9_]*"
# Istio's own: https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Tracing
DEFAULT_SAMPLING = 1.0


def read(value: Value, *, istio_values: Mapping[str, Any]) -> ObservabilityConfig:
    """What is wanted.

    Args:
        value: the object ``observability``.
        istio_values: values of the istiod chart, which are laid over what tracing needs.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    keys = value.keys(
        "scope", "accessLogs", "accessLogFilter", "metrics", "tracing", *ADDONS, "chartRepository", "values"
    )
    addons = tuple(addon for addon in ADDONS if keys[addon].boolean(default=False))
    for addon in ("grafana", "kiali"):
        if addon in addons and "prometheus" not in addons:
            raise keys[addon].error(f"false, or prometheus: true beside it, which {addon} takes its figures from")
    tracing = _tracing(keys["tracing"], addons) if keys["tracing"].is_set or "jaeger" in addons else None
    if tracing and _replaces_provider(istio_values):
        source = keys["tracing"] if keys["tracing"].is_set else keys["jaeger"]
        raise source.error(
            f"nothing while istioValues.meshConfig.extensionProviders, which replaces this program's, has no provider "
            f"named {TRACING_PROVIDER}; add one there, or leave that key out"
        )
    return ObservabilityConfig(
        scope="mesh" if keys["scope"].choice("mesh", "namespace", default="mesh") == "mesh" else "namespace",
        access_logs=_access_logs(keys),
        metrics=_metrics(keys["metrics"]) if keys["metrics"].is_set else None,
        tracing=tracing,
        addons=addons,
        chart_repository=keys["chartRepository"].text(
            r"\S.*",
            "a folder that holds NAME-VERSION.tgz, the address of a Helm repository, or oci://HOST/PATH",
            default="",
        ),
        addon_values={addon: values.mapping() for addon, values in _addon_values(keys["values"], addons).items()},
    )


def _addon_values(value: Value, addons: tuple[AddonName, ...]) -> dict[str, Value]:
    """The user's own values for addons; for one that is not installed they are refused."""
    given = {addon: values for addon, values in value.keys(*ADDONS).items() if values.is_set}
    for addon, values in given.items():
        if addon not in addons:
            raise values.error(f"nothing without {addon}: true beside it")
    return given


def _replaces_provider(istio_values: Mapping[str, Any]) -> bool:
    """Whether the user's list of providers leaves out the one for traces: Helm merges objects and replaces lists."""
    mesh_config = istio_values.get("meshConfig")
    if not isinstance(mesh_config, Mapping):
        return "meshConfig" in istio_values  # null drops it as a whole
    providers = mesh_config.get("extensionProviders") or ()
    names = [provider.get("name") for provider in providers if isinstance(provider, Mapping)]
    return "extensionProviders" in mesh_config and TRACING_PROVIDER not in names


def _access_logs(keys: Mapping[str, Value]) -> AccessLogs | None:
    wanted = keys["accessLogs"].boolean(default=False)
    if keys["accessLogFilter"].is_set and not wanted:
        raise keys["accessLogFilter"].error("nothing without accessLogs: true")
    expression = keys["accessLogFilter"].text(r"\S.*", "a CEL expression such as response.code >= 400", default="")
    return AccessLogs(filter=expression) if wanted else None


def _metrics(value: Value) -> Metrics:
    keys = value.keys("disabled", "tags", "removeTags")
    tags = keys["tags"].entries("an object of tags and CEL expressions, such as {request_host: request.host}")
    removed = keys["removeTags"].items("a list of tags")
    metrics = Metrics(
        disabled=tuple(metric.choice(*METRICS) for metric in keys["disabled"].items("a list of metrics")),
        tags={
            Value(entry.path, tag).text(TAG, "a tag of letters, digits and underscores"): entry.text(
                r"\S.*", "a CEL expression such as request.host"
            )
            for tag, entry in tags.items()
        },
        removed_tags=tuple(tag.text(TAG, "a tag such as request_protocol") for tag in removed),
    )
    for tag in removed:
        if tag.seen in metrics.tags:
            raise tag.error("a tag that tags does not add")
    if metrics == Metrics():
        raise value.error("one or more of disabled, tags and removeTags")
    return metrics


def _tracing(value: Value, addons: tuple[AddonName, ...]) -> Tracing:
    keys = value.keys("sampling", "collector")
    collector = keys["collector"]
    if collector.is_set == ("jaeger" in addons):
        raise collector.error("HOST:PORT of a Service that takes OTLP over gRPC, or jaeger: true; not both")
    name, _, port = collector.text(
        rf"{DOMAIN}:\d+", "HOST:PORT, such as otel.monitoring.svc:4317", default=""
    ).partition(":")
    return Tracing(
        sampling=keys["sampling"].number("a percentage", least=0, most=100, default=DEFAULT_SAMPLING),
        host=name or host("jaeger"),
        port=Value(collector.path, port).port() if port else TRACES_PORT,
    )
