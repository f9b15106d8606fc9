"""Checks that pods get sidecars, before there is one.

    python -m commands.injection --kubeconfig K --context C NAMESPACE...

Asks the API server to make a pod in each namespace as a dry run, which calls istiod's webhook and keeps nothing. A
webhook that it cannot reach would else be seen ten minutes later, when the first Deployment is given up. Then tells
which pods of others have an older proxy than a new pod would get: nothing of the stack's restarts them.
"""

import argparse
import sys
import time

from ..kube import Kube, RefusedError
from . import UserError, run, say
from .mesh_causes import unreachable
from .mesh_pods import SIDECAR
from .proxies import POD, old, tell

# istiod has just become ready: its certificate may not be in the webhook yet, or the webhook not in the API server.
PATIENCE_SECONDS = 45
POLL_SECONDS = 1.0


def fault(kube: Kube, namespace: str) -> str:
    """What keeps a pod of the namespace from getting a sidecar; empty where it gets one, or is refused by others."""
    try:
        made = kube.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", POD)
    except RefusedError as refusal:
        if cause := unreachable(str(refusal)):
            return f"{cause[0]}: {cause[1]}"
        say(f"namespace {namespace}: whether pods get a sidecar cannot be told, as a plain one is refused: {refusal}")
        return ""
    spec = made["spec"]
    names = {container["name"] for container in (*spec["containers"], *(spec.get("initContainers") or ()))}
    if SIDECAR in names:
        return ""
    return (
        f"a pod gets no {SIDECAR}: `istioctl analyze -n {namespace}` and `kubectl get namespace {namespace} "
        "--show-labels` tell which istiod is to inject"
    )


def check(kube: Kube, namespaces: list[str]) -> None:
    """Look until pods of every namespace get a sidecar.

    Raises:
        UserError: they do not; names the namespace, the cause and the remedy.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for namespace in namespaces:
        while found := fault(kube, namespace):
            if time.monotonic() > deadline:
                raise UserError(f"namespace {namespace}: {found}")
            time.sleep(POLL_SECONDS)
        print(namespace)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.injection", description=__doc__.split("\n")[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--context", required=True)
    parser.add_argument("namespaces", nargs="+", metavar="NAMESPACE")
    given = parser.parse_args(arguments)

    def work() -> None:
        kube = Kube(given.kubeconfig, given.context)
        check(kube, given.namespaces)
        tell(old(kube))

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
