"""The offline engine: each resource of the program is applied to the embedded cluster and waited for.

Pulumi's mocks plus apply, wait, show, for machines without the Pulumi CLI. It keeps no state and computes no diff:
server-side apply and helm do, and what is to be taken away is what the program declares.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube import KubeError
from rehearsal import apply
from rehearsal.errors import RehearsalError
from rehearsal.program import COMMAND, PROJECT, Recorder, Registration, evaluate, stack_config
from rehearsal.view import View

RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(kw_only=True)
class Applier(Recorder):
    """Makes each resource for real; the SDK calls it side by side for resources that do not wait for each other."""

    api: apply.Api
    helm: apply.Helm
    view: View
    folder: Path
    failure: RehearsalError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, registration: Registration) -> dict[str, Any]:
        """Apply, install or run what is registered, and wait for it; after a failure nothing more is begun."""
        if not registration.custom or registration.token.startswith("pulumi:"):
            return dict(registration.inputs)
        if self.failure:
            raise self.failure
        self.view.begins(registration)
        try:
            outputs = self._make(registration.token, registration.inputs)
        except (RehearsalError, KubeError) as error:
            with self.lock:
                self.failure = self.failure or RehearsalError(f"{registration.name} ({registration.token}): {error}")
            self.view.failed(registration)
            raise self.failure from error
        self.view.done(registration)
        return outputs

    def _make(self, token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if token == RELEASE:
            return self.helm.install(inputs)
        if token == COMMAND:
            return apply.run_command(inputs.get("create") or ":", inputs, self.folder)
        if token.startswith("kubernetes:"):
            return self._apply(inputs)
        raise RehearsalError("the rehearsal cannot make resources of this type; use the Pulumi CLI")

    def _apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        live = self.api.apply(manifest)

        def ready() -> bool:
            nonlocal live
            live = live if apply.is_ready(manifest, live) else self.api.get(manifest) or {}
            return apply.is_ready(manifest, live)

        try:
            apply.wait_until(f"{apply.described(manifest)} to be ready", ready)
        except RehearsalError as error:
            raise RehearsalError(f"{error}: {apply.complaints(live)}") from error
        return live


def deploy(applier: Applier, stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Bring the stack up and return its outputs.

    Raises:
        RehearsalError: a resource failed; names it and gives the API server's, helm's or the command's words.
        pulumi.RunError: the program refuses its configuration or the cluster.
    """
    try:
        evaluate(applier, stack, stack_config(stack, overrides, applier.folder), applier.folder)
    except Exception as error:
        # The SDK wraps what a resource raises, differently from release to release.
        raise applier.failure or error from error
    return applier.outputs


def destroy(applier: Applier, stack: str, overrides: Mapping[str, str] | None = None) -> None:
    """Take away what the stack declares, last first. What it only patched is given back.

    Raises:
        RehearsalError: a resource could not be taken away; names it. The same command goes on from there.
        pulumi.RunError: the program refuses its configuration or the cluster.
    """
    recorder = Recorder()
    evaluate(recorder, stack, stack_config(stack, overrides, applier.folder), applier.folder)
    for registration in reversed(recorder.registrations):
        if not registration.custom or registration.retain or registration.token.startswith("pulumi:"):
            continue
        applier.view.begins(registration)
        try:
            _take_away(applier, registration.token, registration.inputs)
        except (RehearsalError, KubeError) as error:
            applier.view.failed(registration)
            raise RehearsalError(f"{registration.name} ({registration.token}): {error}") from error
        applier.view.done(registration)


def _take_away(applier: Applier, token: str, inputs: Mapping[str, Any]) -> None:
    if token == RELEASE:
        applier.helm.uninstall(inputs)
    elif token == COMMAND and inputs.get("delete"):
        apply.run_command(inputs["delete"], inputs, applier.folder)
    elif token.endswith("Patch"):
        # Applying nothing gives up the fields that were applied.
        applier.api.apply({**inputs, "metadata": {"name": inputs["metadata"]["name"]}})
    elif token.startswith("kubernetes:"):
        applier.api.delete(inputs)


def applier(kubeconfig: Path, context: str, helm: Path, view: View, folder: Path = PROJECT) -> Applier:
    """An Applier on one context of a kubeconfig, with the helm binary ``helm``, run in ``folder``."""
    return Applier(
        api=apply.Api(kubeconfig, context),
        helm=apply.Helm(helm, kubeconfig, context),
        view=view,
        folder=folder,
    )
