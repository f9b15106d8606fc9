"""The ingress gateway that ``istioctl install`` makes in its default profile, and others like it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi

from ..images import ImageSource
from ..objects import LEAVE_PODS_BEHIND, SKIP_AWAIT, KubernetesObject, apart, data_plane_annotations, name_of
from .gateway_service import GatewayService, all_ports, service_spec
from .istio_base import NAMESPACE

NAME = "istio-ingressgateway"
PROMETHEUS_PORT = 15090


@dataclass(frozen=True, kw_only=True)
class IngressGatewayArgs:
    """Where and how the gateway is reached.

    Attributes:
        gateway: the name of its Service and its Deployment, a DNS-1035 label. Istio's Gateways select its pods by the
            label istio, which is the name without istio- in front: ``istio: ingressgateway``.
        namespace: its namespace: istiod's, an output of IstioBase, or another whose istiod injects.
        injectors: what makes pods be injected; without it the image would stay ``auto``.
        istio_version: the version of the proxy; the pods are made anew when it changes.
        service_type: LoadBalancer, NodePort or ClusterIP; the latter for an egress gateway.
        service: what else is said of the Service.
        revision: Istio revision, or tag, whose istiod injects the gateway; empty for the default one.
        replicas: how many pods there are at least, 1 or more; from 2 on they keep off each other's nodes.
        image_source: with which Secrets the proxy is pulled; istiod decides from where.
    """

    gateway: str = NAME
    namespace: pulumi.Input[str] = NAMESPACE
    injectors: Sequence[pulumi.Resource] = ()
    istio_version: pulumi.Input[str]
    service_type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = "LoadBalancer"
    service: GatewayService = field(default_factory=GatewayService)
    revision: str = ""
    replicas: int = 1
    image_source: ImageSource = field(default_factory=ImageSource)

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise pulumi.RunError(f"replicas is {self.replicas}; accepted: 1 or more pods")
        for name, accepted in self.service.problems(self.service_type):
            raise pulumi.RunError(f"service.{name} is {getattr(self.service, name)!r}; accepted: {accepted}")


def service_account(gateway: str) -> str:
    """The name of a gateway's ServiceAccount: its identity in the mesh."""
    return f"{gateway}-service-account"


def role_name(gateway: str) -> str:
    """The name of the Role by which it is served the certificates of its namespace."""
    return f"{gateway}-sds"


def labels_of(gateway: str) -> dict[str, str]:
    """The labels of its pods."""
    return {"app": gateway, "istio": gateway.removeprefix("istio-")}


def pod_template(args: IngressGatewayArgs) -> dict[str, Any]:
    """The pod, to be completed by istiod's injection template ``gateway``.

    Source: https://istio.io/latest/docs/setup/additional-setup/gateway/ and the figures of Istio's chart
    manifests/charts/gateways/istio-ingress at 1.23.0.
    """
    labels = {**labels_of(args.gateway), "sidecar.istio.io/inject": "true"}
    if args.revision:
        labels["istio.io/rev"] = args.revision
    return {
        "metadata": {
            "labels": labels,
            "annotations": {
                "inject.istio.io/templates": "gateway",
                "prometheus.io/path": "/stats/prometheus",
                "prometheus.io/port": "15020",
                "prometheus.io/scrape": "true",
                **data_plane_annotations(args.istio_version),
            },
        },
        "spec": {
            "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": True},
            "containers": [
                {
                    "name": "istio-proxy",
                    "image": "auto",
                    "ports": [
                        *({"containerPort": target, "protocol": "TCP"} for _, _, target in all_ports(args.service)),
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


def autoscaler_spec(replicas: int = 1, gateway: str = NAME) -> dict[str, Any]:
    """``replicas`` to 5 pods at 80 % of the requested processor time; with 1, as in the default profile."""
    target = {"type": "Utilization", "averageUtilization": 80}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": gateway},
        "minReplicas": replicas,
        "maxReplicas": max(replicas, 5),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }


class IngressGateway(pulumi.ComponentResource):
    """The Service, Deployment and autoscaler of a gateway, and from two replicas on a disruption budget.

    Istio's Gateways select it with ``istio: ingressgateway``; SharedGateway shows routes of the Gateway API at it.
    Typed resources with gateway injection, as the charts of Istio 1.24 and older fail current Helm's schema check.

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

        labels, role_of_secrets = labels_of(args.gateway), role_name(args.gateway)

        def metadata(object_name: str = args.gateway, **more: Any) -> dict[str, Any]:
            return {"name": object_name, "namespace": args.namespace, "labels": labels, **more}

        account = KubernetesObject(
            "core/v1:ServiceAccount",
            f"{name}-service-account",
            parent=self,
            metadata=metadata(service_account(args.gateway)),
            **args.image_source.of_account,
        )
        # The gateway's agent serves TLS certificates from Secrets of its own namespace.
        role = KubernetesObject(
            "rbac.authorization.k8s.io/v1:Role",
            f"{name}-role",
            parent=self,
            metadata=metadata(role_of_secrets),
            rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
        )
        binding = KubernetesObject(
            "rbac.authorization.k8s.io/v1:RoleBinding",
            f"{name}-role-binding",
            parent=self,
            metadata=metadata(role_of_secrets),
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name_of(role)},
            subjects=[{"kind": "ServiceAccount", "name": name_of(account), "namespace": args.namespace}],
        )
        template = pod_template(args)
        template["spec"]["serviceAccountName"] = name_of(account)
        if args.replicas > 1:
            template["spec"]["affinity"] = apart(labels)
        deployment = KubernetesObject(
            "apps/v1:Deployment",
            f"{name}-deployment",
            parent=self,
            depends_on=[*args.injectors, binding],
            # Stacks that have it without the annotation keep it so: it is no reason to change anything.
            ignore_changes=["metadata.annotations"],
            metadata=metadata(annotations=LEAVE_PODS_BEHIND),
            spec={
                "selector": {"matchLabels": labels},
                "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
                "template": template,
            },
        )
        KubernetesObject(
            "autoscaling/v2:HorizontalPodAutoscaler",
            f"{name}-autoscaler",
            parent=self,
            depends_on=[deployment],
            metadata=metadata(),
            spec=autoscaler_spec(args.replicas, args.gateway),
        )
        if args.replicas > 1:
            # Of one pod it would keep a node from being drained; Istio's chart of istiod makes none then either.
            KubernetesObject(
                "policy/v1:PodDisruptionBudget",
                f"{name}-disruption-budget",
                parent=self,
                metadata=metadata(),
                spec={"minAvailable": 1, "selector": {"matchLabels": labels}},
            )
        service = KubernetesObject(
            "core/v1:Service",
            f"{name}-service",
            parent=self,
            delete_before_replace=args.service.is_exclusive,
            # A load balancer's address may never come (minikube without a tunnel).
            metadata=metadata(annotations={**args.service.annotations, **SKIP_AWAIT}),
            spec=service_spec(labels, args.service_type, args.service),
        )
        self.service = name_of(service)
        self.register_outputs({"service": self.service})
