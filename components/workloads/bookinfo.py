"""Istio's sample application: four services in six versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from ..addresses import ISTIO_IMAGES
from ..images import ImageSource
from ..objects import SKIP_AWAIT, KubernetesObject, data_plane_annotations, generations_of, name_of

PORT = 9080
# The images' own release, which Istio's sample of release 1.23 names.
IMAGE_TAG = "1.20.1"
# The service that the Gateway leads to.
SHOWN = "productpage"
GATEWAY = "bookinfo-gateway"
ROUTE = "bookinfo"
PAGE_TITLE = "Simple Bookstore App"
PAGE_PATHS = (
    ("Exact", "/productpage"),
    ("PathPrefix", "/static"),
    ("Exact", "/login"),
    ("Exact", "/logout"),
    ("PathPrefix", "/api/v1/products"),
)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One Deployment of Bookinfo: a service's name, a version, and what its container writes and shows."""

    service: str
    version: str
    env: dict[str, str] = field(default_factory=dict)
    scratch: dict[str, str] = field(default_factory=dict)  # name of an empty volume -> where it is mounted
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The Deployment's name, such as ``reviews-v2``."""
        return f"{self.service}-{self.version}"

    @property
    def image(self) -> str:
        """The container's image."""
        return f"{ISTIO_IMAGES}/examples-bookinfo-{self.name}:{IMAGE_TAG}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which Istio tells service and version."""
        return {"app": self.service, "version": self.version}


def _reviews(version: str) -> Workload:
    """Reviews runs on Open Liberty, which needs two places to write to."""
    return Workload(
        service="reviews",
        version=version,
        env={"LOG_DIR": "/tmp/logs"},  # noqa: S108 the container's own /tmp
        scratch={"wlp-output": "/opt/ibm/wlp/output", "tmp": "/tmp"},  # noqa: S108
    )


SERVICES = ("details", "ratings", "reviews", "productpage")
WORKLOADS = (
    Workload(service="details", version="v1"),
    Workload(service="ratings", version="v1"),
    _reviews("v1"),
    _reviews("v2"),
    _reviews("v3"),
    Workload(
        service="productpage",
        version="v1",
        scratch={"tmp": "/tmp"},  # noqa: S108
        annotations={
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(PORT),
            "prometheus.io/path": "/metrics",
        },
    ),
)
IMAGES = tuple(workload.image for workload in WORKLOADS)


@dataclass(frozen=True, kw_only=True)
class BookinfoArgs:
    """Where Bookinfo runs.

    Attributes:
        namespace: the namespace; an output of InjectedNamespace, so that its label is there before any pod.
        injectors: what must be ready before the first pod, so that it gets its sidecar: istiod.
        data_plane: the version of the sidecars, or ``ambient``; the pods are made anew when it changes.
        image_source: where images come from.
        checked: whether a MeshCheck follows, which waits for the pods and says more than Pulumi of those that fail.

    Source: samples/bookinfo/platform/kube/bookinfo.yaml of istio/istio, branch release-1.23.
    """

    namespace: pulumi.Input[str]
    injectors: Sequence[pulumi.Resource] = ()
    data_plane: pulumi.Input[str]
    image_source: ImageSource = field(default_factory=ImageSource)
    checked: bool = False


def service_account_name(service: str) -> str:
    """The account a service's pods run under; the mesh's identity of the service."""
    return f"bookinfo-{service}"


def service_spec(service: str) -> dict[str, Any]:
    """The spec of a service's Service."""
    return {"ports": [{"port": PORT, "name": "http"}], "selector": {"app": service}}


def deployment_spec(
    workload: Workload,
    account: pulumi.Input[str],
    data_plane: pulumi.Input[str],
    image_source: ImageSource | None = None,
) -> dict[str, Any]:
    """The spec of a workload's Deployment, whose pods run under ``account`` on ``data_plane``."""
    container: dict[str, Any] = {
        "name": workload.service,
        "image": (image_source or ImageSource()).pinned(workload.image),
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": PORT}],
    }
    if workload.env:
        container["env"] = [{"name": name, "value": value} for name, value in workload.env.items()]
    spec: dict[str, Any] = {"serviceAccountName": account, "containers": [container]}
    if workload.scratch:
        # Upstream lists mounts and volumes in no common order; mounts are sorted by name, volumes as declared.
        container["volumeMounts"] = [
            {"name": name, "mountPath": workload.scratch[name]} for name in sorted(workload.scratch)
        ]
        spec["volumes"] = [{"name": name, "emptyDir": {}} for name in workload.scratch]
    metadata = {"labels": workload.labels, "annotations": workload.annotations | data_plane_annotations(data_plane)}
    return {
        "replicas": 1,
        "selector": {"matchLabels": workload.labels},
        "template": {"metadata": metadata, "spec": spec},
    }


class Bookinfo(pulumi.ComponentResource):
    """The Bookinfo sample: details, ratings, reviews v1 to v3 and productpage, each pod with a sidecar.

    Attributes:
        services: the Services by name.
        deployments: the Deployments by name.
        generations: by a Deployment's name, a text that changes whenever the Deployment does; for MeshCheck.

    Example:
        Bookinfo(
            "bookinfo",
            BookinfoArgs(namespace=shop.namespace, data_plane=istio.version, injectors=[istio]),
            in_cluster,
        )
    """

    services: dict[str, KubernetesObject]
    deployments: dict[str, KubernetesObject]
    generations: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: BookinfoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Bookinfo", name, None, opts)
        self.services = {
            service: KubernetesObject(
                "core/v1:Service",
                f"{name}-{service}",
                parent=self,
                metadata={
                    "name": service,
                    "namespace": args.namespace,
                    "labels": {"app": service, "service": service},
                    "annotations": SKIP_AWAIT,
                },
                spec=service_spec(service),
            )
            for service in SERVICES
        }
        accounts = {
            service: KubernetesObject(
                "core/v1:ServiceAccount",
                f"{name}-{service}-account",
                parent=self,
                metadata={
                    "name": service_account_name(service),
                    "namespace": args.namespace,
                    "labels": {"account": service},
                },
                **args.image_source.of_account,
            )
            for service in SERVICES
        }
        self.deployments = {
            workload.name: KubernetesObject(
                "apps/v1:Deployment",
                f"{name}-{workload.name}",
                parent=self,
                depends_on=list(args.injectors),
                metadata={
                    "name": workload.name,
                    "namespace": args.namespace,
                    "labels": workload.labels,
                    **({"annotations": SKIP_AWAIT} if args.checked else {}),
                },
                spec=deployment_spec(workload, name_of(accounts[workload.service]), args.data_plane, args.image_source),
            )
            for workload in WORKLOADS
        }
        self.generations = generations_of(self.deployments)
        self.register_outputs(
            {
                "services": sorted(self.services),
                "deployments": sorted(self.deployments),
                "generations": self.generations,
            }
        )
