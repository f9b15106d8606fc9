"""Prometheus, Grafana, Jaeger and Kiali by their own charts, small enough for the tutorial's node, beside istiod."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pulumi
import pulumi_kubernetes as k8s

from ..mesh.istio_base import NAMESPACE, TIMEOUT_SECONDS, chart_source
from ..versions import ADDON_CHARTS, ISTIO_DASHBOARDS, ISTIO_DASHBOARDS_REVISION

AddonName = Literal["prometheus", "grafana", "jaeger", "kiali"]
ADDONS: tuple[AddonName, ...] = get_args(AddonName)
# The Service of each has its name; the port is its page's, in the cluster and where it is forwarded to.
PORTS: dict[AddonName, int] = {"prometheus": 9090, "grafana": 3000, "jaeger": 16686, "kiali": 20001}
PATHS: dict[AddonName, str] = {"prometheus": "/", "grafana": "/", "jaeger": "/", "kiali": "/kiali"}
TRACES_PORT = 4317
# Processors and MiB that each requests: 0.16 and 704 in all, which the tutorial's 4 and 5500 hold beside Istio and
# Bookinfo; and the MiB at which it is ended.
REQUESTS: dict[AddonName, tuple[float, int]] = {
    "prometheus": (0.05, 384),
    "grafana": (0.05, 128),
    "jaeger": (0.05, 128),
    "kiali": (0.01, 64),
}
LIMITS: dict[AddonName, int] = {"prometheus": 1024, "grafana": 256, "jaeger": 512, "kiali": 512}
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}
DASHBOARD_FOLDER = "/var/lib/grafana/dashboards/istio"


@dataclass(frozen=True, kw_only=True)
class AddonsArgs:
    """Which of them, from where.

    Attributes:
        namespace: the namespace of istiod; an output of IstioBase.
        names: which.
        chart_repository: a local folder that holds NAME-VERSION.tgz, or the address of a Helm repository, for all of
            them; empty takes each from its maintainers.

    Source: the values in manifests/addons of istio/istio 1.23.0, and each chart's own.
    """

    namespace: pulumi.Input[str] = NAMESPACE
    names: Collection[AddonName]
    chart_repository: str = ""


def host(name: AddonName) -> str:
    """The DNS name of an addon's Service."""
    return f"{name}.{NAMESPACE}.svc.cluster.local"


def url(name: AddonName) -> str:
    """Where an addon is found inside the cluster."""
    return f"http://{host(name)}:{PORTS[name]}"


def resources(name: AddonName) -> dict[str, Any]:
    """The main container's requests and limit."""
    cpu, memory = REQUESTS[name]
    return {
        "requests": {"cpu": f"{cpu * 1000:.0f}m", "memory": f"{memory}Mi"},
        "limits": {"memory": f"{LIMITS[name]}Mi"},
    }


def prometheus_values(_: Collection[AddonName]) -> dict[str, Any]:
    """The server alone, on a volume that goes with its pod; it finds pods by their prometheus.io annotations."""
    others = ("alertmanager", "prometheus-pushgateway", "kube-state-metrics", "prometheus-node-exporter")
    return {
        **{other: {"enabled": False} for other in others},
        "server": {
            "fullnameOverride": "prometheus",
            "podLabels": NO_SIDECAR,
            "persistentVolume": {"enabled": False},
            "service": {"servicePort": PORTS["prometheus"]},
            "global": {"scrape_interval": "15s"},
            "retention": "6h",
            "resources": resources("prometheus"),
        },
    }


def grafana_values(names: Collection[AddonName]) -> dict[str, Any]:
    """Istio's dashboards, which the pod fetches from grafana.com; whoever reaches it may look, without a login."""
    provider = {"name": "istio", "folder": "Istio", "type": "file", "options": {"path": DASHBOARD_FOLDER}}
    sources: list[dict[str, Any]] = [
        {"name": "Prometheus", "type": "prometheus", "url": url("prometheus"), "access": "proxy", "isDefault": True}
    ]
    if "jaeger" in names:
        sources.append({"name": "Jaeger", "type": "jaeger", "url": url("jaeger"), "access": "proxy"})
    return {
        "rbac": {"create": False},
        "testFramework": {"enabled": False},
        "podLabels": NO_SIDECAR,
        "service": {"port": PORTS["grafana"]},
        "grafana.ini": {"auth.anonymous": {"enabled": True, "org_role": "Viewer"}},
        "datasources": {"datasources.yaml": {"apiVersion": 1, "datasources": sources}},
        "dashboardProviders": {"dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider]}},
        "dashboards": {
            "istio": {
                name: {"gnetId": number, "revision": ISTIO_DASHBOARDS_REVISION, "datasource": "Prometheus"}
                for name, number in ISTIO_DASHBOARDS.items()
            }
        },
        "resources": resources("grafana"),
    }


def jaeger_values(_: Collection[AddonName]) -> dict[str, Any]:
    """One pod that takes OTLP on 4317 and keeps traces in memory."""
    return {"jaeger": {"podLabels": NO_SIDECAR, "resources": resources("jaeger")}}


def kiali_values(names: Collection[AddonName]) -> dict[str, Any]:
    """Whoever reaches it may look and change nothing, without a login."""

    def service(name: AddonName) -> dict[str, Any]:
        enabled = {"enabled": name in names}
        here = {"in_cluster_url": url(name), "url": f"http://localhost:{PORTS[name]}"}
        return {**enabled, **here} if name in names else enabled

    tracing = {**service("jaeger"), "provider": "jaeger", "use_grpc": False} if "jaeger" in names else service("jaeger")
    return {
        "auth": {"strategy": "anonymous"},
        "deployment": {"pod_labels": NO_SIDECAR, "view_only_mode": True, "resources": resources("kiali")},
        "external_services": {
            "prometheus": {"url": url("prometheus")},
            "grafana": service("grafana"),
            "tracing": tracing,
        },
    }


VALUES: Mapping[AddonName, Callable[[Collection[AddonName]], dict[str, Any]]] = {
    "prometheus": prometheus_values,
    "grafana": grafana_values,
    "jaeger": jaeger_values,
    "kiali": kiali_values,
}


def port_forward(name: AddonName, kubectl: str) -> str:
    """What a person runs to reach an addon, and the page that is then there; ``kubectl`` is how they call it."""
    port = PORTS[name]
    return (
        f"{kubectl} --namespace {NAMESPACE} port-forward service/{name} {port}:{port}"
        f"  # http://localhost:{port}{PATHS[name]}"
    )


class Addons(pulumi.ComponentResource):
    """One Helm Release for each, named after it."""

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Addons", name, None, opts)
        for addon in args.names:
            chart = ADDON_CHARTS[addon]
            k8s.helm.v3.Release(
                f"{name}-{addon}",
                name=addon,
                namespace=args.namespace,
                values=VALUES[addon](args.names),
                timeout=TIMEOUT_SECONDS,
                **chart_source(args.chart_repository or chart.repository, chart.name, chart.version),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"names": list(args.names)})
