"""``python -m operations COMMAND``: what a person or CI runs around the program; `make` has a target for each."""

import sys

from operations import systems

# Before the imports below, which need modules that only Unix has.
systems.require(sys.platform)

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import pulumi

from components.commands import UserError
from embedded.errors import EmbeddedError
from operations import actionlint, deploy, distribution, stacks, status
from operations.access import k9s, page, shell, tunnel
from operations.manifests import commands as manifests
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import LOG, PROJECT
from operations.node.bookinfo import Bookinfo
from operations.tour import texts

Command = Callable[[argparse.Namespace], int | None]
DESCRIPTION = "What a person or CI runs around the program; `make help` lists the targets that call it"


def up(options: argparse.Namespace) -> None:
    """Bring the stack up."""
    bookinfo = Bookinfo(options.bookinfo) if options.bookinfo else None
    deploy.up(options.stack, dict(options.config), policies=options.policies, bookinfo=bookinfo)


def preview(options: argparse.Namespace) -> None:
    """Show what up would change."""
    deploy.preview(options.stack, dict(options.config), policies=options.policies)


def destroy(options: argparse.Namespace) -> None:
    """Remove what up created, and nothing else."""
    deploy.destroy(options.stack, dict(options.config))


def recover(options: argparse.Namespace) -> None:
    """Repair the stack after an up that was killed, or changes by hand."""
    deploy.recover_stack(options.stack, dict(options.config))


def show_status(options: argparse.Namespace) -> None:
    """Show the cluster's pods and the stack's outputs."""
    settings, outputs = settings_of(options.stack), status.outputs(options.stack)
    if options.output == "json":
        status.show_as_json(settings, outputs)
        return
    status.show(settings, outputs)
    if address := page.address(settings, outputs):
        print(f"Bookinfo: {address}")


def write_reference(_: argparse.Namespace) -> None:
    """Write docs/components.md from the components' docstrings."""
    from operations import reference  # slow: with the whole program

    reference.write()
    print(f"{reference.FILE.relative_to(PROJECT)} has what the components' docstrings say")


def distribute(_: argparse.Namespace) -> None:
    """Build the package's wheel and source archive into dist/."""
    print("Building the wheel and the source archive of the last commit", file=sys.stderr, flush=True)
    for file in distribution.build():
        print(file)


def fetch(options: argparse.Namespace) -> None:
    """Fetch the stack's charts and Gateway API manifest, and lock what is in them."""
    from operations import vendor
    from program.supply import LOCK

    for line in vendor.vendor(options.stack, vendor.settings_of(options.stack), update=options.update):
        print(line)
    print(f"Commit {LOCK}: stack {options.stack} is installed from these files alone from now on.")


def examine(options: argparse.Namespace) -> int:
    """Show what is installed, which cluster the stack would touch, and what is missing."""
    from operations import doctor

    return doctor.report(options.stack, as_json=options.output == "json", online=options.online)


def open_tunnel(options: argparse.Namespace) -> None:
    """Give the LoadBalancers of the stack's minikube an address, until Ctrl-C."""
    stacks.prepare_existing(options.stack)
    tunnel.run(settings_of(options.stack))


def open_page(options: argparse.Namespace) -> None:
    """Open the stack's page in the browser, and keep the connection to it open until Ctrl-C."""
    from operations.access import browser  # slow: with components

    stacks.prepare_existing(options.stack)
    browser.run(options.stack, settings_of(options.stack), status.outputs(options.stack))


def take_tour(options: argparse.Namespace) -> None:
    """Walk through the running stack: what runs, what it is for, and what it can do."""
    from operations.tour import walk  # slow: with components

    stacks.prepare_existing(options.stack, dict(options.config))
    walk.run(options.stack, dict(options.config), options.language, everything=options.all)


def open_k9s(options: argparse.Namespace) -> int:
    """Open k9s on the stack's cluster; it is built once where it is not on PATH."""
    stacks.prepare_existing(options.stack)
    return k9s.run(options.stack, settings_of(options.stack), options.words)


def open_shell(options: argparse.Namespace) -> int:
    """Open a shell in which pulumi, kubectl and helm are those of the stack; or run COMMAND in it."""
    return shell.run(options.stack, options.words)


def lint_workflows(_: argparse.Namespace) -> int:
    """Lint .github/workflows with the actionlint that operations/lint/go.mod pins."""
    return actionlint.main()


STACK_COMMANDS: dict[str, Command] = {
    "up": up,
    "preview": preview,
    "destroy": destroy,
    "recover": recover,
    "drift": manifests.find_drift,
    "status": show_status,
    "open": open_page,
    "tour": take_tour,
    "shell": open_shell,
    "k9s": open_k9s,
    "tunnel": open_tunnel,
    "doctor": examine,
    "vendor": fetch,
    "render": manifests.write_manifests,
    "render-diff": manifests.diff_manifests,
    "policy": manifests.judge,
    "graph": manifests.draw,
}
OTHER_COMMANDS: dict[str, Command] = {
    "preview-base": manifests.preview_base,
    "preview-head": manifests.preview_head,
    "comment": manifests.comment,
    "workflows": lint_workflows,
    "reference": write_reference,
    "distribution": distribute,
}


class Lines(logging.Formatter):
    """What the program tells, a line each as errors are, whatever the terminal's width: addresses can be copied."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, after its level unless it is a mere notice."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"{level}{super().format(record)}"


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {
        name: commands.add_parser(name, help=_help(work), description=_help(work))
        for name, work in {**STACK_COMMANDS, **OTHER_COMMANDS}.items()
    }
    for name in STACK_COMMANDS:
        parsers[name].add_argument(
            "--stack", default="", help="the stack (default: dev where minikube is on PATH, embedded elsewhere)"
        )
    for name in ("up", "preview", "destroy", "recover", "drift", "tour", "render", "render-diff", "policy"):
        parsers[name].add_argument(
            "--config",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            type=_pair,
            help="a configuration key for this run, over the stack's file (repeatable)",
        )
    for name in ("up", "preview"):
        parsers[name].add_argument("--policies", action="store_true", help="enforce the policy pack")
    parsers["up"].add_argument(
        "--bookinfo",
        choices=tuple(map(str, Bookinfo)),
        help="what an embedded cluster has as Bookinfo: small stand-ins, or upstream's own programs, built here "
        "(default: what it has; stand-ins at first)",
    )
    for name in ("render", "render-diff", "policy"):
        parsers[name].add_argument(
            "--stand-ins", action="store_true", help="use the embedded cluster's charts and CRDs instead of downloads"
        )
    for name in ("render", "render-diff"):
        parsers[name].add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder to write")
    for name in ("render-diff", "preview-base"):
        parsers[name].add_argument("--base", required=True, metavar="REF", help="the commit, such as origin/main")
    for name in ("status", "doctor"):
        parsers[name].add_argument("--output", choices=("text", "json"), default="text", help="text (default) or json")
    parsers["doctor"].add_argument(
        "--online", action="store_true", help="also ask whether the stack's addresses answer"
    )
    parsers["drift"].add_argument(
        "--repair", action="store_true", help="repair what up does not look at: what charts and Commands created"
    )
    parsers["graph"].add_argument(
        "--check", action="store_true", help="change nothing; fail where README.md is out of date"
    )
    parsers["vendor"].add_argument("--update", action="store_true", help="also accept files that differ from the lock")
    parsers["comment"].add_argument(
        "--section",
        action="append",
        default=[],
        metavar="TITLE=FILE",
        type=_pair,
        help="a part of the comment: the file has what a command printed (repeatable)",
    )
    parsers["comment"].add_argument("--out", required=True, type=Path, metavar="FILE", help="the file to write")
    parsers["shell"].add_argument("words", nargs="*", metavar="COMMAND", help="run this in the shell's place")
    parsers["tour"].add_argument(
        "--language",
        choices=texts.languages(),
        default=texts.default_language(),
        help="the language (default: that of LC_ALL, LC_MESSAGES or LANG, else en)",
    )
    parsers["tour"].add_argument("--all", action="store_true", help="go through without a prompt")
    parsers["k9s"].add_argument("words", nargs="*", metavar="OPTION", help="options for k9s, after --")
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command, the process's own if no ``words`` are given; the exit code."""
    options = arguments().parse_args(words)
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    LOG.handlers = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        if "stack" in options:
            options.stack = stacks.chosen(options.stack)
        return {**STACK_COMMANDS, **OTHER_COMMANDS}[options.command](options) or 0
    except (EmbeddedError, UserError, pulumi.RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted: run the same command again to continue, or `make destroy` to remove what was created",
            file=sys.stderr,
        )
        return 130


def _help(work: Command) -> str:
    return (work.__doc__ or "").strip().rstrip(".").replace("\n", " ")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
