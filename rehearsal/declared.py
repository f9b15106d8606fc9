"""What a stack declares, told without a cluster and without the Pulumi CLI."""

from collections.abc import Mapping
from unittest import mock

import lookup
from rehearsal.program import Recorder, evaluate, stack_config

PREFIX = "istio-minikube:"


def settings_of(stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """The stack's configuration by bare key, such as ``istioVersion``."""
    return {key.removeprefix(PREFIX): value for key, value in stack_config(stack, overrides).items()}


def declared(stack: str, overrides: Mapping[str, str] | None = None) -> Recorder:
    """Every resource of the program as the stack named ``stack`` on an empty cluster.

    The program looks the cluster up in one place, ``lookup.look_up``; that answers "nothing there", so the stack brings
    everything it would ever bring.

    Raises:
        pulumi.RunError: the program refuses the configuration.
    """
    recorder = Recorder()
    with mock.patch.object(lookup, "look_up", return_value=lookup.Cluster()):
        evaluate(recorder, stack, stack_config(stack, overrides))
    return recorder
