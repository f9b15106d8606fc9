"""A check that the mesh is right, as part of every update that changes what it checks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

from ..python import program

COMMAND = program("mesh_check")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that must answer 200 with a title, asked for through the API server's service proxy."""

    service: str
    namespace: str
    port: int
    path: str
    title: str


@dataclass(frozen=True, kw_only=True)
class MeshCheckArgs:
    """What must be so.

    Attributes:
        kubeconfig: path of the kubeconfig file.
        context: its context.
        namespace: the namespace of the Deployments.
        istio_version: the version that every sidecar must have, MAJOR.MINOR.PATCH; an output of IstioBase.
        deployments: the Deployments whose pods must be ready and have a ready sidecar, by name.
        waypoint: in ambient mode, the Gateway that must be programmed; pods then have no sidecar, but a ztunnel on
            their node. Empty for sidecars.
        pages: pages that must answer; empty where pods are simulated.
        requires: what must be there before it looks: policies that may keep a page from answering.
        timeout: how long to wait until all is right, in seconds.
    """

    kubeconfig: str
    context: str
    namespace: pulumi.Input[str]
    istio_version: pulumi.Input[str]
    deployments: Mapping[str, k8s.apps.v1.Deployment]
    waypoint: str = ""
    pages: Sequence[Page] = ()
    requires: Sequence[pulumi.Resource] = ()
    timeout: int = 120


def check_document(args: MeshCheckArgs, namespace: str, istio_version: str) -> dict[str, Any]:
    """What the check command reads from its standard input."""
    return {
        "kubeconfig": args.kubeconfig,
        "context": args.context,
        "namespace": namespace,
        "istioVersion": istio_version,
        "deployments": sorted(args.deployments),
        "pages": [vars(page) for page in args.pages],
        "timeoutSeconds": args.timeout,
        **({"waypoint": args.waypoint} if args.waypoint else {}),
    }


def pods_of(printed: str) -> list[Any]:
    """The pods in what the check command printed; none where it did not run."""
    return list(json.loads(printed)["pods"]) if printed else []


class MeshCheck(pulumi.ComponentResource):
    """Fails the update, with a table of what is wrong, unless every pod is in the mesh and every page answers.

    It runs again when the version, the pages or any Deployment's specification changes, and only then.
    """

    pods: pulumi.Output[Any]

    def __init__(self, name: str, args: MeshCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:MeshCheck", name, None, opts)
        document = pulumi.Output.all(args.namespace, args.istio_version).apply(
            lambda known: check_document(args, known[0], known[1])
        )
        check = local.Command(
            f"{name}-command",
            create=COMMAND,
            update=COMMAND,
            stdin=pulumi.Output.json_dumps(document),
            # A Deployment's uid and generation: they move when it is made anew or its specification changes.
            triggers=[
                deployment.metadata.apply(lambda metadata: f"{metadata.uid}/{metadata.generation}")
                for _, deployment in sorted(args.deployments.items())
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        self.pods = check.stdout.apply(pods_of)
        self.register_outputs({"pods": self.pods})
