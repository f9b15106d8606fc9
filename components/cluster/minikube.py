"""A minikube profile, started or adopted."""

import shlex
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from ..python import program
from . import own_cluster

# `exec`: a signal to the command reaches the program, not only a shell in front of it.
MODULE = program("minikube")
START_TIMEOUT = "30m"


@dataclass(frozen=True, kw_only=True)
class MinikubeArgs:
    """What the profile must be.

    Attributes:
        profile: the minikube profile; minikube names the kubeconfig's context after it.
        memory: MiB for the node, 1800 or more (minikube's floor).
        cpus: processors for the node, 2 or more (minikube's floor).
        kubernetes_version: vMAJOR.MINOR.PATCH.
        kubeconfig: the kubeconfig file that gets the context; a leading ~ is the home folder.
        driver: minikube's driver; empty lets minikube choose.
        missing: where no cluster was found, a text that no other update has, such as the time: the profile is then
            looked for whatever the state says of it. Empty where the cluster is there.

    Source: https://minikube.sigs.k8s.io/docs/commands/start/
    """

    profile: str
    memory: int
    cpus: int
    kubernetes_version: str
    kubeconfig: str
    driver: str = ""
    missing: str = ""


def start_command(args: MinikubeArgs) -> str:
    """The shell command that starts the profile, or adopts it where it runs already with these figures."""
    words = [
        f"--profile={args.profile}",
        f"--memory={args.memory}",
        f"--cpus={args.cpus}",
        f"--kubernetes-version={args.kubernetes_version}",
        f"--kubeconfig={args.kubeconfig}",
    ]
    if args.driver:
        words.append(f"--driver={args.driver}")
    return f"{MODULE} start {shlex.join(words)}"


def delete_command(args: MinikubeArgs) -> str:
    """The shell command that deletes the profile if, by the start command's recorded output, this stack made it."""
    return f"{MODULE} delete {shlex.join([f'--profile={args.profile}', f'--kubeconfig={args.kubeconfig}'])}"


class Minikube(pulumi.ComponentResource):
    """A running minikube cluster of the tutorial's size. destroy deletes it only if this stack created it.

    Attributes:
        command: what starts and deletes it.
        cluster: its identity, the UID of its namespace kube-system, as it was at the last start from here.

    Example:
        Minikube(
            "minikube",
            MinikubeArgs(
                profile="minikube", memory=5500, cpus=4, kubernetes_version="v1.34.0", kubeconfig="~/.kube/config"
            ),
        )
    """

    command: local.Command
    cluster: pulumi.Output[str]

    def __init__(self, name: str, args: MinikubeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Minikube", name, None, opts)
        self.command = own_cluster.start_command(
            f"{name}-start",
            parent=self,
            start=start_command(args),
            delete=delete_command(args),
            # Another profile is another cluster; other figures are refused by the command, which says why.
            triggers=[args.profile],
            missing=args.missing,
            timeout=START_TIMEOUT,
        )
        self.cluster = own_cluster.identity(self.command)
        self.register_outputs({"profile": args.profile, "cluster": self.cluster})
