"""A service of the user's own, in the mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from ..images import ImageSource
from ..objects import SKIP_AWAIT, KubernetesObject, data_plane_annotations, generations_of, name_of
from .service_port import HTTP, ServicePort, container_ports


@dataclass(frozen=True, kw_only=True)
class UserServiceArgs:
    """What runs, and where.

    Attributes:
        service: the service's name, a DNS-1123 label; also its ServiceAccount's, the mesh's identity of the service.
        namespace: its namespace; an output of InjectedNamespace, so that its label is there before any pod.
        injectors: what must be ready before the first pod, so that it gets its sidecar: istiod.
        data_plane: the version of the sidecars, or ``ambient``; the pods are replaced when it changes.
        images: version -> image; one Deployment each, named SERVICE-VERSION.
        image_source: where images come from.
        port: the port on which the container speaks HTTP, 1 to 65535; also the Service's. 0 where there are ``ports``.
        ports: the Service's ports, in the place of ``port``.
        replicas: how many pods of each version; an autoscaler's to say where there is one.
        resources: the container's ``requests`` and ``limits``, each of Kubernetes quantities such as ``cpu: 100m``.
        container: further fields of the container, in Kubernetes' own spelling: ``env``, ``livenessProbe`` and so on.
        pod: further fields of the pods' spec, in Kubernetes' own spelling: ``volumes``, ``nodeSelector`` and so on.
        pod_annotations: annotations of the pods.
        pod_labels: labels of the pods, beside ``app`` and ``version``.
        account_annotations: annotations of the ServiceAccount, such as the role of a cloud's.
        pull_secrets: names of Secrets with a registry's credentials, beside those of ``image_source``.
        autoscaling: the spec of each Deployment's HorizontalPodAutoscaler, without its target; empty for none.
        disruption_budget: the spec of the PodDisruptionBudget of all versions, without its selector; empty for none.
        checked: whether a MeshCheck follows, which waits for the pods and says more than Pulumi of those that fail.

    Source: https://istio.io/latest/docs/ops/deployment/application-requirements/ (labels, port names).
    """

    service: str
    namespace: pulumi.Input[str]
    injectors: Sequence[pulumi.Resource] = ()
    data_plane: pulumi.Input[str]
    images: Mapping[str, str]
    port: int = 0
    ports: Sequence[ServicePort] = ()
    image_source: ImageSource = field(default_factory=ImageSource)
    replicas: int = 1
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    account_annotations: Mapping[str, str] = field(default_factory=dict)
    pull_secrets: Sequence[str] = ()
    autoscaling: Mapping[str, Any] = field(default_factory=dict)
    disruption_budget: Mapping[str, Any] = field(default_factory=dict)
    checked: bool = False

    def __post_init__(self) -> None:
        """Refuse a service without a port, or with two answers to which.

        Raises:
            pulumi.RunError: names the fields.
        """
        if bool(self.port) == bool(self.ports):
            raise pulumi.RunError(
                f"UserServiceArgs.port is {self.port} and UserServiceArgs.ports has {len(self.ports)} entries; "
                "accepted: a port, 1 to 65535, or ports, and not both"
            )


def deployment_name(service: str, version: str) -> str:
    """The name of one version's Deployment."""
    return f"{service}-{version}"


def service_spec(args: UserServiceArgs) -> dict[str, Any]:
    """The spec of the Service; a port's name, or its application protocol, tells Istio what it speaks."""
    ports = args.ports or [ServicePort(name=HTTP, port=args.port)]
    return {"ports": [port.of_service for port in ports], "selector": {"app": args.service}}


def deployment_spec(args: UserServiceArgs, version: str, account: pulumi.Input[str]) -> dict[str, Any]:
    """The spec of one version's Deployment, whose pods run under the ServiceAccount ``account``."""
    labels = workload_labels(args.service, version)
    container: dict[str, Any] = {
        "name": args.service,
        "image": args.image_source.pinned(args.images[version]),
        "ports": [port.of_container for port in container_ports(args.ports)] or [{"containerPort": args.port}],
    }
    if args.resources:
        container["resources"] = {kind: dict(quantities) for kind, quantities in args.resources.items()}
    annotations = {**args.pod_annotations, **data_plane_annotations(args.data_plane)}
    return {
        # An autoscaler's figure would be undone by every update.
        **({} if args.autoscaling else {"replicas": args.replicas}),
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": {**args.pod_labels, **labels}, "annotations": annotations},
            "spec": {**args.pod, "serviceAccountName": account, "containers": [{**container, **args.container}]},
        },
    }


def autoscaler_spec(args: UserServiceArgs, version: str) -> dict[str, Any]:
    """The spec of the autoscaler of one version's Deployment."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment_name(args.service, version)}
    return {"scaleTargetRef": target, **args.autoscaling}


def disruption_budget_spec(args: UserServiceArgs) -> dict[str, Any]:
    """The spec of the disruption budget, which counts the pods of every version."""
    return {**args.disruption_budget, "selector": {"matchLabels": {"app": args.service}}}


def account_fields(args: UserServiceArgs) -> dict[str, Any]:
    """What the ServiceAccount has beside its metadata: who may pull the images of its pods."""
    own = [{"name": name} for name in args.pull_secrets]
    return {"imagePullSecrets": [*args.image_source.pull_secret_refs, *own]} if own else args.image_source.of_account


def workload_labels(service: str, version: str) -> dict[str, str]:
    """The labels by which Istio tells service and version."""
    return {"app": service, "version": version}


class UserService(pulumi.ComponentResource):
    """A Service, its ServiceAccount, and a Deployment for each version, whose pods get a sidecar.

    With an autoscaler for each Deployment and a disruption budget where they are asked for.

    Attributes:
        service: the Service's name, once it is there.
        deployments: the Deployments by name, SERVICE-VERSION.
        generations: by a Deployment's name, a text that changes whenever the Deployment does; for MeshCheck.

    Example:
        UserService(
            "orders",
            UserServiceArgs(
                service="orders",
                namespace=shop.namespace,
                injectors=[istio],
                data_plane=istio.version,
                images={"v1": "registry.example/orders:1.4.0"},
                port=8080,
            ),
            in_cluster,
        )
    """

    service: pulumi.Output[str]
    deployments: dict[str, KubernetesObject]
    generations: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: UserServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:UserService", name, None, opts)
        metadata = {"name": args.service, "namespace": args.namespace, "labels": {"app": args.service}}
        service = KubernetesObject(
            "core/v1:Service",
            f"{name}-service",
            parent=self,
            metadata={**metadata, "annotations": SKIP_AWAIT},
            spec=service_spec(args),
        )
        account = KubernetesObject(
            "core/v1:ServiceAccount",
            f"{name}-account",
            parent=self,
            metadata={**metadata, **({"annotations": args.account_annotations} if args.account_annotations else {})},
            **account_fields(args),
        )
        self.deployments = {
            deployment_name(args.service, version): KubernetesObject(
                "apps/v1:Deployment",
                f"{name}-{version}",
                parent=self,
                depends_on=list(args.injectors),
                metadata={
                    "name": deployment_name(args.service, version),
                    "namespace": args.namespace,
                    "labels": workload_labels(args.service, version),
                    **({"annotations": SKIP_AWAIT} if args.checked else {}),
                },
                spec=deployment_spec(args, version, name_of(account)),
            )
            for version in args.images
        }
        for version in args.images if args.autoscaling else ():
            KubernetesObject(
                "autoscaling/v2:HorizontalPodAutoscaler",
                f"{name}-{version}-autoscaler",
                parent=self,
                depends_on=[self.deployments[deployment_name(args.service, version)]],
                metadata={**metadata, "name": deployment_name(args.service, version)},
                spec=autoscaler_spec(args, version),
            )
        if args.disruption_budget:
            KubernetesObject(
                "policy/v1:PodDisruptionBudget",
                f"{name}-disruption-budget",
                parent=self,
                metadata=metadata,
                spec=disruption_budget_spec(args),
            )
        self.service = name_of(service)
        self.generations = generations_of(self.deployments)
        self.register_outputs(
            {"service": self.service, "deployments": sorted(self.deployments), "generations": self.generations}
        )
