"""A mesh as `istioctl install` leaves it (seen with 1.23.0): its labels, its field manager, no Helm release."""

from pathlib import Path
from typing import Any

from components.kube import Kube
from operations.manifests import render
from operations.manifests.evaluate import Registration
from operations.manifests.objects import Api, wait_until
from operations.state.recover import RELEASE
from tests.embedded.stack import CONTEXT

ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
GATEWAY = "/apis/apps/v1/namespaces/istio-system/deployments/istio-ingressgateway"
TAG = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-default"
GATEWAY_LABELS = {"app": "istio-ingressgateway", "istio": "ingressgateway"}


def install(kubeconfig: Path, helm: Path, charts: Path) -> None:
    """The stand-in charts as istioctl would apply them, with a gateway and the default tag's injector."""
    api = Api(kubeconfig, CONTEXT)
    _apply(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}, "")
    for chart, component in (("base", "Base"), ("istiod", "Pilot")):
        for manifest in render.chart_objects(_release(chart, charts), helm, "v1.30.0"):
            _apply(api, manifest, component)
    for manifest in (_gateway(), _gateway_service()):
        _apply(api, manifest, "IngressGateways")
    _apply(
        api,
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "istio-revision-tag-default"},
        },
        "Pilot",
    )
    for path in (ISTIOD, GATEWAY):
        wait_until(path, lambda path=path: api.kube.get(path)["status"].get("availableReplicas") == 1)  # type: ignore[misc]


def uninstall(kube: Kube) -> None:
    """What the stack leaves to others: the namespace."""
    kube.delete("/api/v1/namespaces/istio-system")
    wait_until("istio-system to be gone", lambda: kube.find("/api/v1/namespaces/istio-system") is None)


def _apply(api: Api, manifest: dict[str, Any], component: str) -> None:
    metadata = manifest["metadata"]
    labels = {
        "operator.istio.io/component": component,
        "operator.istio.io/managed": "Reconcile",
        "operator.istio.io/version": "1.23.0",
        "install.operator.istio.io/owning-resource": "installed-state",
    }
    if component:
        manifest = {**manifest, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **labels}}}
    path = f"{api._path(manifest)}?fieldManager=istio-operator&force=true"
    api.kube.request("PATCH", path, manifest, content_type="application/apply-patch+yaml")


def _release(chart: str, charts: Path) -> Registration:
    inputs = {
        # The stand-in's pods carry their release's name, which those of Istio's own chart do not.
        "name": {"base": "istio-base", "istiod": "istiod"}[chart],
        "namespace": "istio-system",
        "chart": str(charts / f"{chart}-1.23.0.tgz"),
        "version": "1.23.0",
        "values": {"global": {"istioNamespace": "istio-system"}},
    }
    return Registration(
        token=RELEASE, name=chart, parent="", custom=True, inputs=inputs, provider="", dependencies=frozenset()
    )


def _gateway() -> dict[str, Any]:
    container = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.23.0", "args": ["proxy", "router"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system", "labels": GATEWAY_LABELS},
        "spec": {
            "selector": {"matchLabels": GATEWAY_LABELS},
            "template": {"metadata": {"labels": GATEWAY_LABELS}, "spec": {"containers": [container]}},
        },
    }


def _gateway_service() -> dict[str, Any]:
    ports = [("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system", "labels": GATEWAY_LABELS},
        "spec": {
            "type": "LoadBalancer",
            "selector": GATEWAY_LABELS,
            "ports": [{"name": name, "port": port, "targetPort": target} for name, port, target in ports],
        },
    }
