"""Starts, stops and deletes an embedded cluster, for a person and for a pulumi-command `local.Command`.

`start` prints `{"created": BOOL, "cluster": UID}`, and both it and `delete` read that back from PULUMI_COMMAND_STDOUT,
where pulumi-command puts what the previous run printed: a cluster that ran before is left alone, and one that is gone
is not silently replaced. One that was started ahead of the stack that is to have it counts as created by it.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from embedded import kinds
from embedded.access import DEFAULT_ROOT
from embedded.errors import EmbeddedError
from embedded.kinds import AHEAD
from embedded.node.cluster import RealCluster
from embedded.record import Kind, recorded

PREVIOUS = "PULUMI_COMMAND_STDOUT"
AUTO = "auto"


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("start", "start the cluster, or find it running"),
        ("stop", "end its processes; its data stays"),
        ("delete", "end its processes and delete its data"),
        ("load", "add an image to those that pods on a real node can use"),
        ("probe", "show what prevents a real node on this machine; exit code 1 where something does"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument(
            "--root", type=Path, default=DEFAULT_ROOT, help="the cluster's folder (default: %(default)s)"
        )
        if name == "load":
            command.add_argument("image", help="an archive as docker save writes it, or a name that Docker knows")
        if name == "start":
            command.add_argument(
                "--node",
                choices=(AUTO, *Kind),
                default=Kind.SIMULATED,
                help="real: pods run; simulated: only their status says so; auto: real where this machine can run it "
                "(default: %(default)s)",
            )
            command.add_argument(
                "--ahead",
                action="store_true",
                help=f"start a real node for the next start, which counts as the one that created it: {AHEAD} is in "
                "the cluster's folder, and no kubeconfig is written yet",
            )
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = arguments().parse_args(words)
    try:
        return run(options.command, options)
    except EmbeddedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to continue", file=sys.stderr)
        return 130


def run(command: str, options: argparse.Namespace) -> int:
    """Run a command; the exit code."""
    root = options.root.absolute()
    if command == "probe":
        return probe(root)
    if command == "load":
        load(root, options.image)
    elif command == "start" and options.ahead:
        RealCluster(root).start(known=False)
    elif command == "start":
        start(root, None if options.node == AUTO else Kind(options.node))
    else:
        {"stop": stop, "delete": delete}[command](root)
    return 0


def load(root: Path, image: str) -> None:
    """Add an image to the cluster's."""
    cluster = kinds.cluster(root)
    if not isinstance(cluster, RealCluster):
        message = f"The cluster in {root} has no real node, whose pods could use an image."
        raise EmbeddedError(message)
    for name in cluster.load(image):
        print(f"Loaded {name}")


def probe(root: Path) -> int:
    """Print, a line each, what prevents a real node; or that nothing does."""
    found = kinds.findings(root)
    for line in [str(finding) for finding in found] or ["Nothing prevents a real node on this machine"]:
        print(line)
    return 1 if found else 0


def start(root: Path, node: Kind | None) -> None:
    """Start the cluster where it does not run, and print whether this stack created it.

    Raises:
        EmbeddedError: it cannot be started, or the one of the stack's last update is gone.
    """
    if os.environ.get(PREVIOUS) and not (root / "kubeconfig").exists():
        raise EmbeddedError(
            f"The embedded cluster in {root} is gone, and with it all that this stack had in it: nothing was touched. "
            "`make recover` forgets what is gone, and `make up` then creates the whole mesh again."
        )
    # What was begun has been chosen, and uses what another probe of the machine would miss.
    begun = (root / AHEAD).exists()
    cluster = kinds.cluster(root, recorded(root) if begun else kinds.choose(root, node))
    adopted = not begun and cluster.running()
    try:
        if not adopted:
            cluster.start()
    finally:
        (root / AHEAD).unlink(missing_ok=True)
    created = not adopted if PREVIOUS not in os.environ else was_created() or not adopted
    print(json.dumps({"created": created, "cluster": cluster.identity()}))


def stop(root: Path) -> None:
    """End the cluster's processes."""
    kinds.cluster(root).stop()


def delete(root: Path) -> None:
    """Delete the cluster, unless a Command says that it was there before the stack."""
    if PREVIOUS in os.environ and not was_created():
        print(f"The embedded cluster in {root} was there before this stack: it is left alone", file=sys.stderr)
        return
    kinds.delete(root)


def was_created() -> bool:
    """Whether the previous run said that it created the cluster; what cannot be read is no."""
    try:
        said = json.loads(os.environ.get(PREVIOUS, ""))
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("created") is True


if __name__ == "__main__":
    sys.exit(main())
