"""Refuses to touch another cluster than the one a stack was brought up on.

    python -m commands.cluster arrive   with CLUSTER and CONTEXT in the environment
    python -m commands.cluster leave --kubeconfig K --context C

A cluster's identity is the UID of its namespace kube-system, which nobody can change or take along. `arrive` prints it,
pulumi-command records that, and hands it to the next `arrive` and to `leave` in PULUMI_COMMAND_STDOUT. A destroy begins
and ends with `leave`, which waits until the CRDs that were removed are gone.
"""

import argparse
import os
import sys

from . import UserError, run

RECORDED = "PULUMI_COMMAND_STDOUT"


def must_be_known(found: str, recorded: str, context: str) -> None:
    """Do nothing if the cluster that was found is the recorded one, or none is recorded.

    The state tells of what is in the recorded one: on another, it would have to be forgotten first.

    Raises:
        UserError: it is another one; names both and what to do.
    """
    if recorded and found != recorded:
        raise UserError(
            f"context {context} now leads to cluster {found}, but this stack was brought up on cluster {recorded}: "
            f"nothing was touched. Set kubeconfig and context to that cluster or, if this one is to take its place, "
            f"set acceptCluster to {found} and run `make up`, which forgets the other and brings the whole mesh here"
        )


def arrive(found: str, recorded: str, context: str) -> None:
    """Print the identity of the cluster that was found, if it is one that ``must_be_known`` lets through."""
    must_be_known(found, recorded, context)
    print(found)


def leave(found: str, recorded: str, context: str) -> None:
    """Do nothing on the recorded cluster.

    Raises:
        UserError: it is another one; names both and what to do.
    """
    if recorded and found != recorded:
        raise UserError(
            f"context {context} now leads to cluster {found}, but this stack was brought up on cluster {recorded}: "
            "nothing was deleted. Let the context lead to that cluster again, or forget a cluster that is gone with "
            "`pulumi stack rm --force`"
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.cluster", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("arrive", help="record the cluster, or refuse another than the recorded one")
    leaving = verbs.add_parser("leave", help="refuse to leave another cluster than the recorded one")
    leaving.add_argument("--kubeconfig", required=True)
    leaving.add_argument("--context", required=True)
    given = parser.parse_args(arguments)
    recorded = os.environ.get(RECORDED, "").strip()

    def work() -> None:
        if given.verb == "arrive":
            arrive(os.environ["CLUSTER"], recorded, os.environ["CONTEXT"])
        else:
            _leave(given.kubeconfig, given.context, recorded)

    return run(work)


def _leave(kubeconfig: str, context: str, recorded: str) -> None:
    from ..kube import KUBE_SYSTEM, Kube, KubeError  # slow to import, and not needed to arrive
    from .crds import await_removed

    try:
        kube = Kube(kubeconfig, context)
        found = str(kube.get(KUBE_SYSTEM)["metadata"]["uid"])
    except KubeError as error:
        raise UserError(
            f"{error}: nothing was deleted. Start the cluster, or, if it is gone for good, run `make destroy` or "
            "`pulumi stack rm --force`"
        ) from error
    leave(found, recorded, context)
    await_removed(kube)


if __name__ == "__main__":
    sys.exit(main())
