"""``up``, ``preview``, ``destroy`` and ``recover``: a stack by Pulumi's engine."""

import http
import tempfile
from collections.abc import Mapping
from pathlib import Path

from operations import engine, pulumi_cli, stacks, status
from operations.access import page, tunnel
from operations.manifests import inside, render, steps
from operations.manifests.declared import releases_of, settings_of
from operations.node import ahead
from operations.node.bookinfo import Bookinfo
from operations.pulumi_cli import Cli
from operations.state import former, lost, recover
from operations.state.lost import Stack


def _ready(
    stack: str,
    overrides: Mapping[str, str],
    *,
    policies: bool = False,
    start: bool = True,
    bookinfo: Bookinfo | None = None,
) -> Stack:
    """The stack, with its cluster and charts prepared."""
    there = stacks.prepare(stack, overrides, start=start, bookinfo=bookinfo)
    cli = Cli(engine=engine.find(), stack=stack, state=pulumi_cli.STATE, policies=policies)
    return Stack(cli=cli, settings=settings_of(stack, overrides), overrides=overrides, there=there)


def cli_for(stack: str, overrides: Mapping[str, str] | None = None) -> Cli:
    """The CLI on a stack whose cluster and charts are prepared."""
    return _ready(stack, overrides or {}).cli


def up(stack: str, overrides: Mapping[str, str], *, policies: bool = False, bookinfo: Bookinfo | None = None) -> None:
    """Bring the stack up, then show its pods and outputs."""
    ready = _ready(stack, overrides, policies=policies, bookinfo=bookinfo)
    if ready.there:
        lost.forget(ready)
    else:
        lost.refuse(ready)
    with ahead.starting(None if ready.there else ahead.folder(ready.settings)):
        outputs = ready.cli.up(overrides)
    status.show(ready.settings, outputs)
    if address := page.address(ready.settings, outputs):
        code = page.await_answer(address)
        print(f"Bookinfo: {address}{'' if code == http.HTTPStatus.OK else f' (HTTP {code})'}")
    elif "productPage" in outputs and ready.settings["clusterMode"] != "embedded":
        print("`make open` opens Bookinfo's page in the browser")
    if note := tunnel.note(ready.settings):
        print(note)


def preview(stack: str, overrides: Mapping[str, str], *, policies: bool = False) -> None:
    """Show what ``up`` would change: by Pulumi's own preview, then object by object."""
    ready = _ready(stack, overrides, policies=policies, start=False)
    lost.refuse(ready)
    if not ready.there:
        ready.cli.preview(overrides)
        return
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events")
        ready.cli.preview(overrides, events=events)
        print(inside.tell(stack, overrides, steps.read(events), render.find_helm()), end="", flush=True)


def destroy(stack: str, overrides: Mapping[str, str]) -> None:
    """Remove what ``up`` created, and nothing else."""
    ready = _ready(stack, overrides)
    if ready.there:
        former.rename_commands(ready.cli)
    else:
        lost.forget(ready)
        ahead.abandon(ahead.folder(ready.settings))
    ready.cli.destroy()


def recover_stack(stack: str, overrides: Mapping[str, str]) -> None:
    """Repair what an ``up`` that was killed has left, for the next one."""
    ready = _ready(stack, overrides)
    if lost.forget(ready, unlock=True):
        print("Now run `make up`, which creates everything again")
        return
    recover.recover(ready.cli, ready.settings, overrides, releases_of(stack, overrides))
