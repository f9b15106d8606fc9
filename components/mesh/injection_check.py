"""A check that pods get sidecars, before the first one is made."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from ..python import program

COMMAND = program("injection")


@dataclass(frozen=True, kw_only=True)
class InjectionCheckArgs:
    """Where pods must get sidecars, and of which istiods.

    Attributes:
        kubeconfig: path of the kubeconfig file.
        context: its context.
        namespaces: the injected namespaces, by name; outputs of InjectedNamespace, so that they are labelled.
        istio_versions: the version of each namespace's istiod, an output of IstioBase, or any other text that changes
            with what it injects; it looks again at another one.
        requires: what injects: istiods and tags.
    """

    context: str
    kubeconfig: str = "~/.kube/config"
    namespaces: Mapping[str, pulumi.Input[str]]
    istio_versions: Mapping[str, pulumi.Input[str]]
    requires: Sequence[pulumi.Resource] = ()


def injection_command(args: InjectionCheckArgs, namespaces: Sequence[str]) -> str:
    """The shell command that checks the namespaces."""
    return f"{COMMAND} {shlex.join([f'--kubeconfig={args.kubeconfig}', f'--context={args.context}', *namespaces])}"


class InjectionCheck(pulumi.ComponentResource):
    """Fails the update at once, naming cause and remedy, where the API server cannot have istiod inject a sidecar.

    Attributes:
        namespaces: those whose pods get one.

    Example:
        InjectionCheck(
            "injection",
            InjectionCheckArgs(
                context="kind-dev",
                namespaces={"shop": shop.namespace},
                istio_versions={"shop": istio.version},
                requires=[istio],
            ),
        )
    """

    namespaces: pulumi.Output[list[str]]

    def __init__(self, name: str, args: InjectionCheckArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:InjectionCheck", name, None, opts)
        names = sorted(args.namespaces)
        known = pulumi.Output.all(*(args.namespaces[each] for each in names))
        command = known.apply(lambda namespaces: injection_command(args, namespaces))
        check = local.Command(
            f"{name}-command",
            create=command,
            update=command,
            triggers=[args.istio_versions[each] for each in names],
            # Standard output is for `namespaces` alone.
            logging=local.Logging.STDERR,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        self.namespaces = check.stdout.apply(lambda printed: printed.split())
        self.register_outputs({"namespaces": self.namespaces})
