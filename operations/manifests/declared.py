"""What a stack declares, told without the Pulumi CLI: the program called as ``__main__.py`` calls it."""

from collections.abc import Mapping

import pulumi

from operations.manifests.evaluate import Recorder, evaluate, stack_config
from operations.manifests.stack_secrets import Config
from operations.state.recover import RELEASE, Release

PREFIX = "istio-minikube:"


def settings_of(stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """The stack's configuration by bare key, such as ``istioVersion``."""
    return {key.removeprefix(PREFIX): value for key, value in stack_config(stack, overrides).items()}


def declared(
    stack: str, overrides: Mapping[str, str] | None = None, *, live: bool = False, config: Config | None = None
) -> Recorder:
    """Every resource of the program as the stack named ``stack``.

    Args:
        stack: the stack's name.
        overrides: configuration keys over the stack's own.
        live: whether the stack's own cluster is looked up; else there is an empty one, to which the stack brings
            everything that it would ever bring.
        config: the stack's configuration with ``overrides``, where its secrets are decrypted; else they are masked.

    Raises:
        pulumi.RunError: the program refuses the configuration or the cluster.
    """
    # Slow to import: commands that only want a stack's settings do not wait for the SDKs.
    from program.compose import compose, owner_of
    from program.lookup import Cluster, look_up
    from program.settings import Settings
    from program.supply import as_locked

    recorder = Recorder()

    def program() -> None:
        settings = Settings.load()
        if "istioChartRepository" not in (overrides or {}):
            # Where it is there, these are other charts on purpose, and nothing is installed: the lock does not hold.
            settings = as_locked(settings, pulumi.get_stack())
        compose(settings, look_up(settings, owner_of(settings)) if live else Cluster())

    evaluate(recorder, stack, config or stack_config(stack, overrides), program)
    return recorder


def releases_of(stack: str, overrides: Mapping[str, str] | None = None) -> frozenset[Release]:
    """The Helm releases that the stack declares."""
    found = [each.inputs for each in declared(stack, overrides).registrations if each.token == RELEASE]
    return frozenset(Release(namespace=each["namespace"], name=each["name"]) for each in found)
