"""Goes through the tour's steps, and brings the stack back to what it was."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from components.commands import UserError
from components.kube import Kube
from operations import deploy, status
from operations.access import browser, page, shell
from operations.manifests.declared import settings_of
from operations.pulumi_cli import Cli
from operations.tour.steps import STEPS
from operations.tour.texts import Texts
from operations.tour.world import NotHereError, World

QUITS = ("q", "quit")
AskNext = Callable[[str], bool]
"""Given the prompt, whether the person goes on."""


def run(stack: str, overrides: Mapping[str, str], language: str, *, everything: bool) -> None:
    """Walk through a stack that is up.

    Args:
        stack: its name.
        overrides: configuration keys over the stack's own, which it was brought up with.
        language: one of `texts.languages`.
        everything: go through without a prompt.

    Raises:
        UserError: the stack is not up or not as it is configured, has no sidecars or no Bookinfo to show, or a step is
            not as its text says; or there is nobody to ask.
    """
    if not everything and not sys.stdin.isatty():
        raise UserError("standard input is no terminal, so that nobody can be asked: TOUR=all goes through by itself")
    settings = settings_of(stack, overrides)
    refuse(stack, settings)
    cli = deploy.cli_for(stack, overrides)
    outputs = status.outputs(stack)
    if "productPage" not in outputs:
        raise UserError(f"stack {stack} is not up: `make up`, then `make tour`")
    refuse_changed(cli, overrides)
    with ExitStack() as held:
        # Of an embedded cluster only a real node has an address: pods of any other are simulated.
        answers = settings["clusterMode"] != "embedded" or page.address(settings, outputs)
        url = held.enter_context(browser.reached(stack, settings, outputs, _say)) if answers else ""
        world = World(
            stack=stack,
            settings=settings,
            kube=Kube(settings["kubeconfig"], settings["context"]),
            environment=shell.cluster_variables(stack, settings),
            page=url,
            up=lambda keys: cli.up({**overrides, **keys}),
            texts=Texts(language),
            say=_say,
        )
        walk(world, (lambda _: True) if everything else _asked)


def refuse(stack: str, settings: Mapping[str, str]) -> None:
    """Refuse a stack that the tour has no words for.

    Raises:
        UserError: it is one.
    """
    if settings["bookinfo"] != "true":
        raise UserError(f"stack {stack} has bookinfo: {settings['bookinfo']}; the tour walks through Bookinfo: true")
    if settings["dataPlane"] != "sidecar":
        raise UserError(f"stack {stack} has dataPlane: {settings['dataPlane']}; the tour shows sidecars: sidecar")


def refuse_changed(cli: Cli, overrides: Mapping[str, str]) -> None:
    """Refuse a stack that an ``up`` would change: the tour could not bring it back to what it is.

    Raises:
        UserError: it would.
    """
    cli.select(overrides)
    try:
        cli.run("preview", "--expect-no-changes", quiet=True)
    except UserError as error:
        raise UserError(
            f"stack {cli.stack} is not as it is configured: `make preview` shows what differs, and `make up` brings it "
            "there; then `make tour`"
        ) from error


def walk(world: World, ask_next: AskNext, steps: Mapping[str, Callable[[World], None]] = STEPS) -> None:
    """Go through ``steps`` as long as ``ask_next`` says so; then bring the stack back, whatever happened.

    Raises:
        UserError: a step is not as its text says.
    """
    try:
        for number, (name, step) in enumerate(steps.items(), 1):
            if number > 1 and not ask_next(world.texts.phrase("prompt")):
                return
            title = world.texts.phrase("step", number=number, count=len(steps), title=world.texts.steps[name]["title"])
            world.say(f"\n{title}\n{'-' * len(title)}")
            _take(world, world.texts.steps[name], step)
    finally:
        _bring_back(world)


def _take(world: World, texts: Mapping[str, str], step: Callable[[World], None]) -> None:
    world.say(texts["text"])
    try:
        step(world)
    except NotHereError as reason:
        world.say(world.texts.phrase("skipped", reason=reason))
        return
    if "seen" in texts:
        world.say(texts["seen"])


def _bring_back(world: World) -> None:
    if not world.switched:
        return
    world.say(world.texts.phrase("restoring"))
    try:
        world.up({})
    except BaseException:
        world.say(world.texts.phrase("abandoned"))
        raise
    world.say(world.texts.phrase("restored"))


def _asked(prompt: str) -> bool:
    try:
        return input(prompt).strip().lower() not in QUITS
    except EOFError:
        return False


def _say(line: str) -> None:
    print(line, flush=True)
