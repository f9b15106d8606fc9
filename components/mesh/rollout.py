"""A restart of other people's Deployments whose pods still run an old proxy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_command import local

from ..python import program

COMMAND = program("rollout")


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """Where, and when again.

    Attributes:
        kubeconfig: path of the kubeconfig file.
        context: its context.
        namespaces: the namespaces whose Deployments are restarted.
        proxies: by revision or tag, a text that changes when a new pod's proxy does; output ``version`` of IstioBase.
        requires: what must be so before anything is restarted: istiod, and checks of this project's own pods.
        timeout: how long one Deployment's pods may take, in seconds.
    """

    context: str
    kubeconfig: str = "~/.kube/config"
    namespaces: Sequence[str]
    proxies: Mapping[str, pulumi.Input[str]]
    requires: Sequence[pulumi.Resource] = ()
    timeout: int = 600


def rollout_document(args: RolloutArgs) -> dict[str, Any]:
    """What the command reads from its standard input."""
    return {
        "kubeconfig": args.kubeconfig,
        "context": args.context,
        "namespaces": list(args.namespaces),
        "timeoutSeconds": args.timeout,
    }


class Rollout(pulumi.ComponentResource):
    """Restarts Deployments whose pods have another proxy than new ones would get, one at a time, checked in between.

    It runs again when the namespaces or what a new pod gets change, and only then. The update fails where the pods of
    a restarted Deployment do not become ready, and no further one is touched.

    Attributes:
        restarted: the Deployments that were restarted, as NAMESPACE/NAME.
        old: the pods that still have an old proxy, wherever they are: of whatever this project has not deployed.

    Example:
        Rollout(
            "rollout",
            RolloutArgs(context="kind-dev", namespaces=["orders"], proxies={"": istio.version}, requires=[istio]),
        )
    """

    restarted: pulumi.Output[list[str]]
    old: pulumi.Output[Any]

    def __init__(self, name: str, args: RolloutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:Rollout", name, None, opts)
        command = local.Command(
            f"{name}-command",
            create=COMMAND,
            update=COMMAND,
            stdin=json.dumps(rollout_document(args)),
            triggers=[pulumi.Output.concat(key, "=", args.proxies[key]) for key in sorted(args.proxies)],
            # Standard output is for `restarted` and `old` alone.
            logging=local.Logging.STDERR,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        found = command.stdout.apply(lambda printed: json.loads(printed) if printed else {"restarted": [], "old": []})
        self.restarted = found.apply(lambda told: list(told["restarted"]))
        self.old = found.apply(lambda told: list(told["old"]))
        self.register_outputs({"restarted": self.restarted, "old": self.old})
