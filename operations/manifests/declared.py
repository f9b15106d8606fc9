"""What a stack declares, told without the Pulumi CLI: the program called as ``__main__.py`` calls it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pulumi

from operations.manifests.evaluate import Recorder, evaluate, stack_config
from operations.manifests.stack_secrets import Config
from operations.state.recover import RELEASE, Release

if TYPE_CHECKING:
    from program.lookup import Cluster

PREFIX = "istio-minikube:"


def settings_of(stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """The stack's configuration by bare key, such as ``istioVersion``."""
    return {key.removeprefix(PREFIX): value for key, value in stack_config(stack, overrides).items()}


def declared(
    stack: str,
    overrides: Mapping[str, str] | None = None,
    found: "Cluster | None" = None,
    *,
    live: bool = False,
    recorder: Recorder | None = None,
    config: Config | None = None,
) -> Recorder:
    """Every resource of the program as the stack named ``stack``.

    Args:
        stack: the stack's name.
        overrides: configuration keys over the stack's own.
        found: what the cluster holds; nothing by default, so that the stack brings everything that it would ever bring.
        live: whether the stack's own cluster is looked up instead.
        config: the stack's configuration with ``overrides``, where its secrets are decrypted; else they are masked.
        recorder: is told what is registered; a new one by default.

    Raises:
        pulumi.RunError: the program refuses the configuration or the cluster.
    """
    # Slow to import: commands that only want a stack's settings do not wait for the SDKs.
    from program.compose import compose, owner_of
    from program.lookup import Cluster, look_up
    from program.settings import Settings
    from program.supply import as_locked

    recorder = recorder or Recorder()

    def program() -> None:
        settings = Settings.load()
        if "istioChartRepository" not in (overrides or {}):
            # Where it is there, these are other charts on purpose, and nothing is installed: the lock does not hold.
            settings = as_locked(settings, pulumi.get_stack())
        compose(settings, look_up(settings, owner_of(settings)) if live else found or Cluster())

    evaluate(recorder, stack, config or stack_config(stack, overrides), program)
    return recorder


def releases_of(stack: str, overrides: Mapping[str, str] | None = None) -> frozenset[Release]:
    """The Helm releases that the stack declares."""
    found = [each.inputs for each in declared(stack, overrides).registrations if each.token == RELEASE]
    return frozenset(Release(namespace=each["namespace"], name=each["name"]) for each in found)
