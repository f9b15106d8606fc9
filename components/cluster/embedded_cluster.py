"""A Kubernetes cluster of the program's own, for machines without minikube."""

import shlex
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from . import own_cluster

START_TIMEOUT = "60m"
"""The first start on a machine may have to build the cluster's programs."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedClusterArgs:
    """Which cluster, and what starts and deletes it.

    Attributes:
        program: the shell command that takes ``start --root=FOLDER --node=auto`` and ``delete --root=FOLDER``.
            ``start`` prints ``{"created": BOOL, "cluster": UID}``; both read what it printed before from
            PULUMI_COMMAND_STDOUT.
        folder: the cluster's folder, relative to the project: its kubeconfig, data and logs.
        missing: where no cluster was found, a text that no other update has, such as the time: the cluster is then
            looked for whatever the state says of it. Empty where it is there.
    """

    program: str
    folder: str
    missing: str = ""

    def __post_init__(self) -> None:
        if not self.folder.strip():
            raise pulumi.RunError(f"EmbeddedCluster: folder is {self.folder!r}; accepted: a folder, such as .embedded")


class EmbeddedCluster(pulumi.ComponentResource):
    """A running embedded cluster, started or adopted. destroy deletes it only if this stack created it.

    Attributes:
        command: what starts and deletes it.
        cluster: its identity, the UID of its namespace kube-system, as it was at the last start from here.

    Example:
        EmbeddedCluster("embedded", EmbeddedClusterArgs(program="python -m embedded", folder=".embedded"))
    """

    command: local.Command
    cluster: pulumi.Output[str]

    def __init__(self, name: str, args: EmbeddedClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:EmbeddedCluster", name, None, opts)
        root = shlex.join([f"--root={args.folder}"])
        self.command = own_cluster.start_command(
            f"{name}-start",
            parent=self,
            start=f"{args.program} start {root} --node=auto",
            delete=f"{args.program} delete {root}",
            triggers=[args.folder],
            missing=args.missing,
            timeout=START_TIMEOUT,
        )
        self.cluster = own_cluster.identity(self.command)
        self.register_outputs({"folder": args.folder, "cluster": self.cluster})
