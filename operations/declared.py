"""What a stack declares, told without a cluster and without the Pulumi CLI."""

from collections.abc import Mapping
from contextlib import ExitStack
from unittest import mock

from operations.evaluate import Recorder, evaluate, stack_config
from operations.recover import RELEASE, Release
from program import lookup, supply

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
    with ExitStack() as stand_ins:
        stand_ins.enter_context(mock.patch.object(lookup, "look_up", return_value=lookup.Cluster()))
        if "istioChartRepository" in (overrides or {}):
            # Other charts on purpose, and nothing is installed: the stack's lock does not hold.
            stand_ins.enter_context(mock.patch.object(supply, "as_locked", side_effect=lambda settings, _: settings))
        evaluate(recorder, stack, stack_config(stack, overrides))
    return recorder


def releases_of(stack: str, overrides: Mapping[str, str] | None = None) -> frozenset[Release]:
    """The Helm releases that the stack declares."""
    found = [each.inputs for each in declared(stack, overrides).registrations if each.token == RELEASE]
    return frozenset(Release(namespace=each["namespace"], name=each["name"]) for each in found)
