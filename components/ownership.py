"""How a later run, and destroy, know what this stack brought to a cluster that others may use too."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi

from .python import program

LABEL = "istio-minikube/stack"
# In the environment of an update that may take over objects which are there and not in its state. Pulumi's own:
# https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/ (upsertExistingObjects)
UPSERTS = "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"
# `exec`: a signal to the command reaches the program, not only a shell in front of it.
MODULE, ADOPT, BUNDLE = map(program, ("crds", "adopt", "bundle"))


@dataclass(frozen=True, kw_only=True)
class Owner:
    """This stack, on one cluster.

    Attributes:
        stack: the stack's name; a label's value, so at most 63 letters, digits, dashes, dots and underscores.
        context: the context of the stack's cluster.
        kubeconfig: path of the kubeconfig file that has it.
    """

    stack: str
    context: str
    kubeconfig: str = "~/.kube/config"

    def __post_init__(self) -> None:
        if self.stack and not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", self.stack):
            raise pulumi.RunError(
                f"the stack is named {self.stack}, which is the value of label {LABEL}; accepted: up to 63 letters, "
                "digits, dashes, dots and underscores, a letter or digit first and last"
            )

    @property
    def labels(self) -> dict[str, str]:
        """Labels of objects of which a cluster has only one: namespaces and CRDs."""
        return {LABEL: self.stack}

    def own_command(self, group: str, *, keep: Iterable[str], release: str) -> str:
        """The shell command that labels a group's CRDs, but those named in ``keep``, as this stack's.

        ``release`` (NAMESPACE/NAME) is a Helm release that may upgrade them from then on.
        """
        names = ",".join(sorted(keep))
        return f"{self._command('own', group)} --keep={shlex.quote(names)} --release={shlex.quote(release)}"

    def bundle_command(self, **bundle: str) -> str:
        """The shell command that brings CRDs of a Gateway API release as this stack's; ``bundle`` says which."""
        return f"{BUNDLE} apply {self._place} {self._bundle(bundle)}"

    def show_command(self, **bundle: str) -> str:
        """The shell command that prints what ``bundle_command`` applies."""
        return f"{BUNDLE} show {self._bundle(bundle)}"

    def remove_command(self, group: str, *, istiod: str = "") -> str:
        """The shell command that removes this stack's CRDs of a group that nobody else needs.

        ``istiod`` names the namespace of an istiod whose leftovers go with them.
        """
        return f"{self._command('remove', group)}{f' --istiod={istiod}' if istiod else ''}"

    def adopt_command(self, *, base: str, istiod: str, forget: Iterable[str] = ()) -> str:
        """The shell command that hands a mesh over to two releases, each NAMESPACE/NAME.

        ``forget`` names releases in the same namespace that Helm forgets, so that the stack's can have their names.
        """
        names = ",".join(sorted(forget))
        words = [f"--base={base}", f"--istiod={istiod}", *([f"--forget={names}"] if names else [])]
        return f"{ADOPT} begin {self._place} {shlex.join(words)}"

    @property
    def adopted_command(self) -> str:
        """The shell command that removes what istioctl made beside the charts, once the releases are there."""
        return f"{ADOPT} finish {self._place}"

    def _bundle(self, bundle: Mapping[str, str]) -> str:
        return shlex.join([f"--stack={self.stack}", *(f"--{key}={value}" for key, value in bundle.items())])

    @property
    def _place(self) -> str:
        return shlex.join([f"--kubeconfig={self.kubeconfig}", f"--context={self.context}"])

    def _command(self, verb: str, group: str) -> str:
        return f"{MODULE} {verb} {self._place} {shlex.join([f'--stack={self.stack}', f'--group={group}'])}"


NOBODY = Owner(stack="", context="")
"""Stands where an argument has no owner yet."""
