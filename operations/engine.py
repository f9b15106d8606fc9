"""The offline engine: each resource of the program is applied to the embedded cluster and waited for.

Pulumi's mocks plus apply, wait, show, for machines without the Pulumi CLI. It keeps no state and computes no diff:
server-side apply and helm do, and what is to be taken away is what the program declares.
"""

import functools
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import yaml

from components.commands import UserError
from components.kube import KubeError
from operations import objects as apply
from operations import recover
from operations.evaluate import COMMAND, PROJECT, WORKERS, Recorder, Registration, evaluate, stack_config
from operations.render import LOADER, RELEASE, placed
from operations.view import View

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True)
class Applier(Recorder):
    """Makes each resource for real; the SDK calls it side by side for resources that do not wait for each other."""

    api: apply.Api
    helm: apply.Helm
    view: View
    folder: Path
    failure: UserError | None = None
    interrupted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.api.stopped = self.is_over

    def is_over(self) -> bool:
        """Whether nothing more is begun or waited for: something failed, or Ctrl-C was pressed."""
        return self.interrupted or self.failure is not None

    def create(self, registration: Registration) -> dict[str, Any]:
        """Apply, install or run what is registered, and wait for it; after a failure nothing more is begun."""
        if not registration.custom or registration.token.startswith("pulumi:"):
            return dict(registration.inputs)
        if self.is_over():
            raise self.failure or UserError("interrupted")
        return self.shown(registration, self._make)

    def shown(self, registration: Registration, work: Callable[[str, Mapping[str, Any]], T]) -> T:
        """Do something with a resource's type and inputs while the view shows it; the run's first failure is kept."""
        self.view.begins(registration)
        try:
            result = work(registration.token, registration.inputs)
        except (UserError, KubeError) as error:
            with self.lock:
                self.failure = self.failure or UserError(f"{registration.name} ({registration.token}): {error}")
            self.view.failed(registration)
            raise self.failure from error
        self.view.done(registration)
        return result

    def remove(self, registration: Registration) -> None:
        """Take away what is registered, and wait until it is gone."""
        if registration.custom and not registration.retain and not registration.token.startswith("pulumi:"):
            self.shown(registration, self._take_away)

    def _take_away(self, token: str, inputs: Mapping[str, Any]) -> None:
        if token == RELEASE:
            self.helm.uninstall(inputs)
        elif token == COMMAND and inputs.get("delete"):
            apply.run_command(inputs["delete"], inputs, self.folder)
        elif token.endswith("Patch"):
            # Applying nothing gives up the fields that were applied.
            self.api.apply({**inputs, "metadata": {"name": inputs["metadata"]["name"]}})
        elif token.startswith("kubernetes:"):
            self.api.delete(inputs)

    def _make(self, token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if token == RELEASE:
            return self._install(inputs)
        if token == COMMAND:
            return apply.run_command(inputs.get("create") or ":", inputs, self.folder)
        if token.startswith("kubernetes:"):
            return self._apply(inputs)
        raise UserError("the rehearsal cannot make resources of this type; use the Pulumi CLI")

    def _install(self, release: Mapping[str, Any]) -> dict[str, Any]:
        manifest = self.helm.install(release, deployed=self._is_deployed(release))
        for document in yaml.load_all(manifest, LOADER):
            if document and document["kind"] in apply.WORKLOADS:
                self._await(placed(document, release["namespace"]), {}, release.get("timeout"))
        return dict(release)

    def _is_deployed(self, release: Mapping[str, Any]) -> bool:
        """Whether Helm has brought the release to its end; what a killed engine has left pending, Helm forgets first.

        It refuses such a release; but the helm of that engine may still end it.
        """
        wanted = recover.Release(namespace=release["namespace"], name=release["name"])

        def pending() -> list[recover.Revision]:
            return recover.stale(found(), begun=())

        def found() -> list[recover.Revision]:
            return recover.revisions(self.api.kube, [wanted])

        if pending():
            what = f"the helm of an earlier run to end with release {wanted.name}"
            apply.wait_until(what, lambda: not self.helm.is_at_work(release), stopped=self.is_over)
            recover.forget(self.api.kube, pending())
        last = max(found(), key=lambda revision: revision.number, default=None)
        return last is not None and last.status == "deployed"

    def _apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        return self._await(manifest, self.api.apply(manifest))

    def _await(self, manifest: Mapping[str, Any], live: dict[str, Any], timeout: int | None = None) -> dict[str, Any]:
        """The object as it is once it is ready; ``live`` is as it was seen last."""

        def ready() -> bool:
            nonlocal live
            live = live if apply.is_ready(manifest, live) else self.api.get(manifest) or {}
            return apply.is_ready(manifest, live)

        try:
            what, limit = f"{apply.described(manifest)} to be ready", timeout or apply.TIMEOUT_SECONDS
            apply.wait_until(what, ready, limit, stopped=self.is_over)
        except UserError as error:
            raise UserError(f"{error}: {apply.complaints(live)}") from error
        return live


def _interruptible(run: Callable[Concatenate[Applier, P], T]) -> Callable[Concatenate[Applier, P], T]:
    """A run that ends with KeyboardInterrupt after Ctrl-C, even where that exception was swallowed.

    Pulumi's SDK does so: it catches whatever is raised while it looks for a resource's place in the source.
    """

    @functools.wraps(run)
    def remembering(applier: Applier, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def interrupt(*_: object) -> None:
            applier.interrupted = True
            raise KeyboardInterrupt

        # Only the main thread gets signals. And only Python's own handler makes way: a job in the background has none.
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return run(applier, *args, **kwargs)
        signal.signal(signal.SIGINT, interrupt)
        try:
            return run(applier, *args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if applier.interrupted:
                raise KeyboardInterrupt

    return remembering


@_interruptible
def deploy(applier: Applier, stack: str, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Bring the stack up and return its outputs.

    Raises:
        UserError: a resource failed; names it and gives the API server's, helm's or the command's words.
        pulumi.RunError: the program refuses its configuration or the cluster.
    """
    try:
        evaluate(applier, stack, stack_config(stack, overrides, applier.folder), applier.folder)
    except Exception as error:
        # The SDK wraps what a resource raises, differently from release to release.
        raise applier.failure or error from error
    return applier.outputs


@_interruptible
def destroy(applier: Applier, stack: str, overrides: Mapping[str, str] | None = None) -> None:
    """Take away what the stack declares, each resource once what needs it has gone; patches are given back.

    Raises:
        UserError: a resource could not be taken away; names it. The same command goes on from there.
        pulumi.RunError: the program refuses its configuration or the cluster.
    """
    recorder = Recorder()
    evaluate(recorder, stack, stack_config(stack, overrides, applier.folder), applier.folder)
    made = {registration.name: registration for registration in recorder.registrations}
    order = TopologicalSorter(_dependants(recorder.registrations))
    order.prepare()
    going: dict[Future[None], str] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        # An interruption that was swallowed is raised in the end.
        while order.is_active() and not applier.is_over():
            going |= {pool.submit(applier.remove, made[name]): name for name in order.get_ready()}
            for gone in wait(going, return_when=FIRST_COMPLETED).done:
                gone.result()
                order.done(going.pop(gone))


def _dependants(registrations: Sequence[Registration]) -> dict[str, set[str]]:
    """By each resource's logical name, those of the resources that need it or are inside it."""
    found: dict[str, set[str]] = {registration.name: set() for registration in registrations}
    for registration in registrations:
        for needed in {*registration.dependencies, registration.provider, registration.parent} - {""}:
            found[needed].add(registration.name)
    return found


def applier(kubeconfig: Path, context: str, helm: Path, view: View, folder: Path = PROJECT) -> Applier:
    """An Applier on one context of a kubeconfig, with the helm binary ``helm``, run in ``folder``."""
    return Applier(
        api=apply.Api(kubeconfig, context),
        helm=apply.Helm(helm, kubeconfig, context),
        view=view,
        folder=folder,
    )
