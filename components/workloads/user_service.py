"""A service of the user's own, in the mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..images import ImageSource
from ..objects import SKIP_AWAIT, data_plane_annotations, generations_of, name_of, typed


@dataclass(frozen=True, kw_only=True)
class UserServiceArgs:
    """What runs, and where.

    Attributes:
        service: the service's name, a DNS-1123 label; also its ServiceAccount's, the mesh's identity of the service.
        namespace: its namespace; an output of InjectedNamespace, so that its label is there before any pod.
        injectors: what must be ready before the first pod, so that it gets its sidecar: istiod.
        data_plane: the version of the sidecars, or ``ambient``; the pods are made anew when it changes.
        images: version -> image; one Deployment each, named SERVICE-VERSION.
        image_source: where images come from.
        port: the port on which the container speaks HTTP, 1 to 65535; also the Service's.
        replicas: how many pods of each version.
        resources: the container's ``requests`` and ``limits``, each of Kubernetes quantities such as ``cpu: 100m``.
        checked: whether a MeshCheck follows, which waits for the pods and says more than Pulumi of those that fail.

    Source: https://istio.io/latest/docs/ops/deployment/application-requirements/ (labels, port names).
    """

    service: str
    namespace: pulumi.Input[str]
    injectors: Sequence[pulumi.Resource] = ()
    data_plane: pulumi.Input[str]
    images: Mapping[str, str]
    port: int
    image_source: ImageSource = field(default_factory=ImageSource)
    replicas: int = 1
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    checked: bool = False


def deployment_name(service: str, version: str) -> str:
    """The name of one version's Deployment."""
    return f"{service}-{version}"


def service_spec(args: UserServiceArgs) -> dict[str, Any]:
    """The spec of the Service; its port's name tells Istio the protocol."""
    return {"ports": [{"port": args.port, "name": "http"}], "selector": {"app": args.service}}


def deployment_spec(args: UserServiceArgs, version: str, account: pulumi.Input[str]) -> dict[str, Any]:
    """The spec of one version's Deployment, whose pods run under the ServiceAccount ``account``."""
    labels = workload_labels(args.service, version)
    container: dict[str, Any] = {
        "name": args.service,
        "image": args.image_source.pinned(args.images[version]),
        "ports": [{"containerPort": args.port}],
    }
    if args.resources:
        container["resources"] = {kind: dict(quantities) for kind, quantities in args.resources.items()}
    return {
        "replicas": args.replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": data_plane_annotations(args.data_plane)},
            "spec": {"serviceAccountName": account, "containers": [container]},
        },
    }


def workload_labels(service: str, version: str) -> dict[str, str]:
    """The labels by which Istio tells service and version."""
    return {"app": service, "version": version}


class UserService(pulumi.ComponentResource):
    """A Service, its ServiceAccount, and a Deployment for each version, whose pods get a sidecar.

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
    deployments: dict[str, k8s.apps.v1.Deployment]
    generations: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: UserServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:UserService", name, None, opts)
        metadata = {"name": args.service, "namespace": args.namespace, "labels": {"app": args.service}}
        service = typed(
            k8s.core.v1.Service,
            f"{name}-service",
            parent=self,
            metadata={**metadata, "annotations": SKIP_AWAIT},
            spec=service_spec(args),
        )
        account = typed(
            k8s.core.v1.ServiceAccount,
            f"{name}-account",
            parent=self,
            metadata=metadata,
            **args.image_source.of_account,
        )
        self.deployments = {
            deployment_name(args.service, version): typed(
                k8s.apps.v1.Deployment,
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
        self.service = name_of(service)
        self.generations = generations_of(self.deployments)
        self.register_outputs(
            {"service": self.service, "deployments": sorted(self.deployments), "generations": self.generations}
        )
