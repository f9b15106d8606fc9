"""The ingress gateway that ``istioctl install`` makes in its default profile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

from ..images import ImageSource
from ..objects import LEAVE_PODS_BEHIND, SKIP_AWAIT, apart, data_plane_annotations, name_of, typed
from .istio_base import NAMESPACE

NAME = "istio-ingressgateway"
SERVICE_ACCOUNT = f"{NAME}-service-account"
ROLE = f"{NAME}-sds"
LABELS = {"app": NAME, "istio": "ingressgateway"}

# name, port, container port. 15021 comes first: some load balancers take the first port for their health check.
PORTS = (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443))
PROMETHEUS_PORT = 15090


@dataclass(frozen=True, kw_only=True)
class IngressGatewayArgs:
    """Where and how the gateway is reached.

    Attributes:
        namespace: the namespace of istiod; an output of IstioBase.
        injectors: what makes pods be injected; without it the image would stay ``auto``.
        istio_version: the version of the proxy; the pods are made anew when it changes.
        service_type: LoadBalancer, NodePort or ClusterIP.
        revision: Istio revision, or tag, whose istiod injects the gateway; empty for the default one.
        replicas: how many pods there are at least, 1 or more; from 2 on they keep off each other's nodes.
        image_source: with which Secrets the proxy is pulled; istiod decides from where.
    """

    namespace: pulumi.Input[str] = NAMESPACE
    injectors: Sequence[pulumi.Resource] = ()
    istio_version: pulumi.Input[str]
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    revision: str = ""
    replicas: int = 1
    image_source: ImageSource = field(default_factory=ImageSource)

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise pulumi.RunError(f"replicas is {self.replicas}; accepted: 1 or more pods")


def pod_template(istio_version: pulumi.Input[str], revision: str) -> dict[str, Any]:
    """The pod, to be completed by istiod's injection template ``gateway``.

    Source: https://istio.io/latest/docs/setup/additional-setup/gateway/ and the figures of Istio's chart
    manifests/charts/gateways/istio-ingress at 1.23.0.
    """
    labels = {**LABELS, "sidecar.istio.io/inject": "true"}
    if revision:
        labels["istio.io/rev"] = revision
    return {
        "metadata": {
            "labels": labels,
            "annotations": {
                "inject.istio.io/templates": "gateway",
                "prometheus.io/path": "/stats/prometheus",
                "prometheus.io/port": "15020",
                "prometheus.io/scrape": "true",
                **data_plane_annotations(istio_version),
            },
        },
        "spec": {
            "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": True},
            "containers": [
                {
                    "name": "istio-proxy",
                    "image": "auto",
                    "ports": [
                        *({"containerPort": target, "protocol": "TCP"} for _, _, target in PORTS),
                        {"containerPort": PROMETHEUS_PORT, "protocol": "TCP", "name": "http-envoy-prom"},
                    ],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"cpu": "2000m", "memory": "1024Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "privileged": False,
                        "readOnlyRootFilesystem": True,
                    },
                    "env": [{"name": "ISTIO_META_UNPRIVILEGED_POD", "value": "true"}],
                }
            ],
        },
    }


def service_spec(service_type: str) -> dict[str, Any]:
    """The Service's spec: Istio's three ports on the gateway's pods."""
    return {
        "type": service_type,
        "selector": LABELS,
        "ports": [
            {"name": name, "port": port, "targetPort": target, "protocol": "TCP"} for name, port, target in PORTS
        ],
    }


def autoscaler_spec(replicas: int = 1) -> dict[str, Any]:
    """``replicas`` to 5 pods at 80 % of the requested processor time; with 1, as in the default profile."""
    target = {"type": "Utilization", "averageUtilization": 80}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": replicas,
        "maxReplicas": max(replicas, 5),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }


class IngressGateway(pulumi.ComponentResource):
    """The Service, Deployment and autoscaler named istio-ingressgateway, and from two replicas on a disruption budget.

    Istio's Gateways select it with ``istio: ingressgateway``. Typed resources with gateway injection, as the charts of
    Istio 1.24 and older fail current Helm's schema check.

    Attributes:
        service: the Service's name, once it is there.

    Example:
        IngressGateway(
            "ingress",
            IngressGatewayArgs(istio_version=istio.version, injectors=[istio], service_type="NodePort"),
            in_cluster,
        )
    """

    service: pulumi.Output[str]

    def __init__(self, name: str, args: IngressGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:IngressGateway", name, None, opts)

        def metadata(object_name: str = NAME, **more: Any) -> dict[str, Any]:
            return {"name": object_name, "namespace": args.namespace, "labels": LABELS, **more}

        account = typed(
            k8s.core.v1.ServiceAccount,
            f"{name}-service-account",
            parent=self,
            metadata=metadata(SERVICE_ACCOUNT),
            **args.image_source.of_account,
        )
        # The gateway's agent serves TLS certificates from Secrets of its own namespace.
        role = typed(
            k8s.rbac.v1.Role,
            f"{name}-role",
            parent=self,
            metadata=metadata(ROLE),
            rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
        )
        binding = typed(
            k8s.rbac.v1.RoleBinding,
            f"{name}-role-binding",
            parent=self,
            metadata=metadata(ROLE),
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name_of(role)},
            subjects=[{"kind": "ServiceAccount", "name": name_of(account), "namespace": args.namespace}],
        )
        template = pod_template(args.istio_version, args.revision)
        template["spec"]["serviceAccountName"] = name_of(account)
        if args.replicas > 1:
            template["spec"]["affinity"] = apart(LABELS)
        deployment = typed(
            k8s.apps.v1.Deployment,
            f"{name}-deployment",
            parent=self,
            depends_on=[*args.injectors, binding],
            # Stacks that have it without the annotation keep it so: it is no reason to change anything.
            ignore_changes=["metadata.annotations"],
            metadata=metadata(annotations=LEAVE_PODS_BEHIND),
            spec={
                "selector": {"matchLabels": LABELS},
                "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
                "template": template,
            },
        )
        typed(
            k8s.autoscaling.v2.HorizontalPodAutoscaler,
            f"{name}-autoscaler",
            parent=self,
            depends_on=[deployment],
            metadata=metadata(),
            spec=autoscaler_spec(args.replicas),
        )
        if args.replicas > 1:
            # Of one pod it would keep a node from being drained; Istio's chart of istiod makes none then either.
            typed(
                k8s.policy.v1.PodDisruptionBudget,
                f"{name}-disruption-budget",
                parent=self,
                metadata=metadata(),
                spec={"minAvailable": 1, "selector": {"matchLabels": LABELS}},
            )
        service = typed(
            k8s.core.v1.Service,
            f"{name}-service",
            parent=self,
            # A load balancer's address may never come (minikube without a tunnel).
            metadata=metadata(annotations=SKIP_AWAIT),
            spec=service_spec(args.service_type),
        )
        self.service = name_of(service)
        self.register_outputs({"service": self.service})
