"""A check that the mesh is right, as part of every update that changes what it checks."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_command import local

from ..python import program

COMMAND = program("mesh_check")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that must answer 200 with a title, asked for through the API server's service proxy.

    Attributes:
        service: the Service's name; with https: before it where it speaks HTTPS.
        namespace: its namespace.
        port: its port, 1 to 65535.
        path: the page's path, from /.
        title: what the page's title must be.
    """

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
        revision: the revision of Istio that every sidecar must be of; empty where its version tells it.
        deployments: names of the Deployments whose pods must be ready and have a ready sidecar, each with a text that
            changes whenever the Deployment does; output ``generations`` of Bookinfo and UserService.
        waypoint: in ambient mode, the Gateway that must be programmed; pods then have no sidecar, but a ztunnel on
            their node. Empty for sidecars.
        pages: pages that must answer; empty where pods are simulated.
        requires: what must be there before it looks: policies that may keep a page from answering.
        timeout: how long to wait until all is right, in seconds.
    """

    context: str
    kubeconfig: str = "~/.kube/config"
    namespace: pulumi.Input[str]
    istio_version: pulumi.Input[str]
    revision: str = ""
    deployments: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    waypoint: str = ""
    pages: Sequence[Page] = ()
    requires: Sequence[pulumi.Resource] = ()
    timeout: int = 120


def check_document(
    args: MeshCheckArgs, namespace: str, istio_version: str, deployments: Collection[str]
) -> dict[str, Any]:
    """What the check command reads from its standard input."""
    return {
        "kubeconfig": args.kubeconfig,
        "context": args.context,
        "namespace": namespace,
        "istioVersion": istio_version,
        "deployments": sorted(deployments),
        "pages": [vars(page) for page in args.pages],
        "timeoutSeconds": args.timeout,
        **({"waypoint": args.waypoint} if args.waypoint else {}),
        **({"revision": args.revision} if args.revision else {}),
    }


def pods_of(printed: str) -> list[Any]:
    """The pods in what the check command printed; none where it did not run."""
    return list(json.loads(printed)["pods"]) if printed else []


class MeshCheck(pulumi.ComponentResource):
    """Fails the update, with a table of what is wrong, unless every pod is in the mesh and every page answers.

    Where its account may forward a port of istiod's pods, it asks istiod too: a proxy of the namespace, or of
    istio-system, that refuses its configuration fails the update, with what the proxy said.

    It runs again when the version, the pages or any Deployment's specification changes, and only then.

    Attributes:
        pods: the pods that it saw, each with its name and its containers.

    Example:
        MeshCheck(
            "check",
            MeshCheckArgs(
                context="kind-dev",
                namespace=shop.namespace,
                istio_version=istio.version,
                deployments=bookinfo.generations,
            ),
        )
    """

    pods: pulumi.Output[Any]

    def __init__(self, name: str, args: MeshCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:MeshCheck", name, None, opts)
        generations = pulumi.Output.all(args.deployments).apply(lambda known: dict(known[0]))
        document = pulumi.Output.all(args.namespace, args.istio_version, generations).apply(
            lambda known: check_document(args, *known)
        )
        check = local.Command(
            f"{name}-command",
            create=COMMAND,
            update=COMMAND,
            stdin=pulumi.Output.json_dumps(document),
            triggers=generations.apply(lambda found: [generation for _, generation in sorted(found.items())]),
            # Standard output is for `pods` alone.
            logging=local.Logging.STDERR,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        self.pods = check.stdout.apply(pods_of)
        self.register_outputs({"pods": self.pods})
