"""Keeps a stack from touching another cluster than the one it was brought up on."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from ..python import program

# `exec`: a signal to the command reaches the program, not only a shell in front of it.
MODULE = program("cluster")


@dataclass(frozen=True, kw_only=True)
class ClusterGuardArgs:
    """Which cluster the context leads to now.

    Attributes:
        identity: UID of the cluster's namespace kube-system; an output where the stack starts the cluster itself.
        kubeconfig: path of the kubeconfig file.
        context: its context.
        after: what must be there before this guard is, and is deleted after it.
    """

    identity: pulumi.Input[str]
    context: str
    kubeconfig: str = "~/.kube/config"
    after: Sequence[pulumi.Resource] = ()


def leave_command(kubeconfig: str, context: str) -> str:
    """The shell command that fails if the context leads to another cluster than the recorded one."""
    return f"{MODULE} leave {shlex.join([f'--kubeconfig={kubeconfig}', f'--context={context}'])}"


class ClusterGuard(pulumi.ComponentResource):
    """Fails an update or a destroy that finds another cluster than the one recorded on the first update.

    One that everything depends on stops updates; one that depends on everything is deleted first and stops destroys.

    Attributes:
        identity: UID of the recorded cluster's namespace kube-system.

    Example:
        ClusterGuard("arrival", ClusterGuardArgs(identity="7e1b...", context="kind-dev"))
    """

    identity: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:ClusterGuard", name, None, opts)
        arrive = f"{MODULE} arrive"
        guard = local.Command(
            f"{name}-command",
            create=arrive,
            update=arrive,
            delete=leave_command(args.kubeconfig, args.context),
            environment={"CLUSTER": args.identity, "CONTEXT": args.context},
            # Standard output is for `identity` alone.
            logging=local.Logging.STDERR,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        self.identity = guard.stdout
        self.register_outputs({"identity": self.identity})
