"""A Kubernetes cluster of the program's own, for machines without minikube."""

import shlex
from dataclasses import dataclass

import pulumi
from pulumi_command import local

START_TIMEOUT = "60m"
"""The first start on a machine may have to build the cluster's programs."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedClusterArgs:
    """Which cluster, and what starts and deletes it.

    Attributes:
        program: the shell command that takes ``start --root=FOLDER --node=auto`` and ``delete --root=FOLDER``.
            ``start`` prints ``{"created": BOOL}``; both read what it printed before from PULUMI_COMMAND_STDOUT.
        folder: the cluster's folder, relative to the project: its kubeconfig, data and logs.
    """

    program: str
    folder: str

    def __post_init__(self) -> None:
        if not self.folder.strip():
            raise pulumi.RunError(f"EmbeddedCluster: folder is {self.folder!r}; accepted: a folder, such as .embedded")


class EmbeddedCluster(pulumi.ComponentResource):
    """A running embedded cluster, started or adopted. destroy deletes it only if this stack created it."""

    command: local.Command

    def __init__(self, name: str, args: EmbeddedClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:EmbeddedCluster", name, None, opts)
        root = shlex.join([f"--root={args.folder}"])
        start = f"{args.program} start {root} --node=auto"
        self.command = local.Command(
            f"{name}-start",
            create=start,
            update=start,
            delete=f"{args.program} delete {root}",
            # Another folder is another cluster.
            triggers=[args.folder],
            opts=pulumi.ResourceOptions(
                parent=self,
                custom_timeouts=pulumi.CustomTimeouts(create=START_TIMEOUT, update=START_TIMEOUT),
            ),
        )
        self.register_outputs({"folder": args.folder})
