"""Prometheus, Grafana, Jaeger and Kiali by their own charts, small enough for the tutorial's node, beside istiod."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pulumi
import pulumi_kubernetes as k8s

from ..chart_values import merged, release_values
from ..images import ImageSource
from ..mesh.istio_base import NAMESPACE, TIMEOUT_SECONDS, chart_source, istiod_release
from ..versions import ADDON_IMAGES, ISTIO_DASHBOARDS, ISTIO_DASHBOARDS_REVISION, Version, addon_chart

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
LIMITS: dict[AddonName, int] = {"prometheus": 1024, "grafana": 512, "jaeger": 512, "kiali": 512}
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}
# Kiali's configuration: addresses were renamed in its version 2, and names of istiod's objects, which it has found by
# itself since, were dropped between 2.12 and 2.17. Source: config/config.go of kiali/kiali.
KIALI_RENAMES, KIALI_FINDS_ISTIOD = Version(2, 0), Version(2, 17)
DASHBOARD_FOLDER = "/var/lib/grafana/dashboards/istio"


@dataclass(frozen=True, kw_only=True)
class AddonsArgs:
    """Which of them, from where.

    Attributes:
        namespace: the namespace of istiod; an output of IstioBase.
        names: which.
        istio_version: Istio's version, MAJOR.MINOR.PATCH, on which Kiali's depends.
        revision: the revision of the one istiod there is; empty for the one without a name, and for several.
        chart_repository: a local folder that holds NAME-VERSION.tgz, or the address of a Helm repository or of an OCI
            registry's folder (oci://HOST/PATH), for all of them; empty takes each from its maintainers.
        values: values of each chart, by addon, merged over this component's.
        image_source: where images come from.

    Source: the values in manifests/addons of istio/istio 1.23.0 to 1.31.0, and each chart's own.
    """

    namespace: pulumi.Input[str] = NAMESPACE
    names: Collection[AddonName]
    istio_version: str
    revision: str = ""
    chart_repository: str = ""
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    image_source: ImageSource = field(default_factory=ImageSource)

    @property
    def istio(self) -> Version:
        """``istio_version``, to be compared."""
        return Version.parse(self.istio_version)


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


def prometheus_values(_: AddonsArgs) -> dict[str, Any]:
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


def grafana_values(args: AddonsArgs) -> dict[str, Any]:
    """Istio's dashboards, which the pod fetches from grafana.com; whoever reaches it may look, without a login."""
    provider = {"name": "istio", "folder": "Istio", "type": "file", "options": {"path": DASHBOARD_FOLDER}}
    sources: list[dict[str, Any]] = [
        {"name": "Prometheus", "type": "prometheus", "url": url("prometheus"), "access": "proxy", "isDefault": True}
    ]
    if "jaeger" in args.names:
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


def jaeger_values(_: AddonsArgs) -> dict[str, Any]:
    """One pod that takes OTLP on 4317 and keeps traces in memory."""
    return {"jaeger": {"podLabels": NO_SIDECAR, "resources": resources("jaeger")}}


def kiali_values(args: AddonsArgs) -> dict[str, Any]:
    """Whoever reaches it may look and change nothing, without a login."""
    version = Version.parse(addon_chart("kiali", args.istio).version)
    inside, outside = ("internal_url", "external_url") if version >= KIALI_RENAMES else ("in_cluster_url", "url")

    def service(name: AddonName) -> dict[str, Any]:
        if name not in args.names:
            return {"enabled": False}
        return {"enabled": True, inside: url(name), outside: f"http://localhost:{PORTS[name]}"}

    services: dict[str, Any] = {
        "prometheus": {"url": url("prometheus")},
        "grafana": service("grafana"),
        "tracing": service("jaeger") | ({"provider": "jaeger", "use_grpc": False} if "jaeger" in args.names else {}),
    }
    if args.revision and version < KIALI_FINDS_ISTIOD:
        # Without a revision, and for several side by side, each is found under its own.
        services["istio"] = {
            "config_map_name": f"istio-{args.revision}",
            "istio_sidecar_injector_config_map_name": f"istio-sidecar-injector-{args.revision}",
            "istiod_deployment_name": istiod_release(args.revision),
        }
    return {
        "auth": {"strategy": "anonymous"},
        "deployment": {
            "pod_labels": NO_SIDECAR,
            "view_only_mode": True,
            "resources": resources("kiali"),
            # As Istio has it: who may reach it is said by the cluster's owner, not by a chart.
            "network_policy": {"enabled": False},
        },
        "external_services": services,
    }


VALUES: Mapping[AddonName, Callable[[AddonsArgs], dict[str, Any]]] = {
    "prometheus": prometheus_values,
    "grafana": grafana_values,
    "jaeger": jaeger_values,
    "kiali": kiali_values,
}


def image_values(addon: AddonName, source: ImageSource) -> dict[str, Any]:
    """What an addon's chart must be told so that its images come from ``source``; nothing where they stay."""
    images = [source.moved(image) for image in ADDON_IMAGES[addon]]
    secrets = list(source.pull_secrets)
    values: dict[str, Any] = {}
    if images != list(ADDON_IMAGES[addon]):
        values = _image_names(addon, images)
    if secrets:
        places: dict[AddonName, dict[str, Any]] = {
            "prometheus": {"imagePullSecrets": source.pull_secret_refs},
            "grafana": {"image": {"pullSecrets": secrets}},
            "jaeger": {"jaeger": {"image": {"pullSecrets": secrets}}},
            "kiali": {"deployment": {"image_pull_secrets": secrets}},
        }
        values = merged(values, places[addon])
    return values


def _image_names(addon: AddonName, images: list[str]) -> dict[str, Any]:
    first = images[0]
    if addon == "prometheus":
        reloader = {"prometheus": {"image": {"repository": images[1]}}}
        return {"server": {"image": {"repository": first}}, "configmapReload": reloader}
    if addon == "grafana":
        grafana, curl = (dict(zip(("registry", "repository"), image.split("/", 1), strict=True)) for image in images)
        return {"image": grafana, "downloadDashboardsImage": curl}
    if addon == "jaeger":
        return {"jaeger": {"image": {"repository": first}}}
    return {"deployment": {"image_name": first}}


def chart_values(addon: AddonName, args: AddonsArgs) -> dict[str, Any]:
    """Values of an addon's chart, the user's own over ours."""
    ours = merged(VALUES[addon](args), image_values(addon, args.image_source))
    return merged(ours, args.values.get(addon, {}))


def port_forward(name: AddonName, kubectl: str) -> str:
    """What a person runs to reach an addon, and the page that is then there; ``kubectl`` is how they call it."""
    port = PORTS[name]
    return (
        f"{kubectl} --namespace {NAMESPACE} port-forward service/{name} {port}:{port}"
        f"  # http://localhost:{port}{PATHS[name]}"
    )


class Addons(pulumi.ComponentResource):
    """One Helm Release for each, named after it.

    Example:
        Addons("addons", AddonsArgs(names=["prometheus", "kiali"], istio_version="1.30.3"), in_cluster)
    """

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Addons", name, None, opts)
        for addon in args.names:
            chart = addon_chart(addon, args.istio)
            k8s.helm.v3.Release(
                f"{name}-{addon}",
                name=addon,
                namespace=args.namespace,
                **release_values(chart_values(addon, args)),
                timeout=TIMEOUT_SECONDS,
                **chart_source(args.chart_repository or chart.repository, chart.name, chart.version),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"names": list(args.names)})
