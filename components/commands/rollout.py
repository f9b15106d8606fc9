"""Restarts Deployments whose pods still run an old proxy, one at a time: python -m commands.rollout < ROLLOUT.json.

ROLLOUT.json, every key needed and no other allowed:

    {"kubeconfig": "~/.kube/config", "context": "minikube", "namespaces": ["orders"], "timeoutSeconds": 600}

In each of the namespaces, a Deployment whose pods have another proxy than a new pod would get is restarted, as `kubectl
rollout restart` does it. The next one's turn comes when all of its pods are ready and have that proxy, and the pods of
before are gone; if that takes longer than timeoutSeconds, nothing further is touched. Deployments that are paused, or
whose pods are not all ready before, are left alone; the stack's own roll by themselves. It then tells which pods of any
namespace still have an old proxy: stdout
{"restarted": ["NAMESPACE/NAME"], "old": [{"namespace", "name", "owner", "proxy", "wanted"}]}.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..kube import MERGE, Kube
from . import UserError, run, say
from .mesh_check import POLL_SECONDS, Cluster, settle
from .mesh_pods import State, current_pods, is_ready
from .mesh_request import Check
from .proxies import Manifest, Old, old, tell

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What to restart."""

    kubeconfig: str
    context: str
    namespaces: tuple[str, ...]
    timeout_seconds: int


def restart(kube: Kube, cluster: Cluster, asked: Rollout, namespace: str) -> list[str]:
    """Restart what is old in a namespace, one after the other; NAMESPACE/NAME of each.

    Raises:
        UserError: a Deployment's pods do not become right; nothing further was touched.
    """
    pods = {each.name: each for each in old(kube, namespace)}
    state = cluster.state(namespace)
    restarted: list[str] = []
    for deployment in state.deployments:
        found = [pods[name] for pod in current_pods(deployment, state) if (name := pod["metadata"]["name"]) in pods]
        if not found:
            continue
        shown = f"{namespace}/{deployment['metadata']['name']}"
        if reason := untouchable(deployment, state):
            say(f"Deployment {shown} has an old proxy and is left alone: {reason}")
            continue
        _restart(kube, deployment)
        say(f"Deployment {shown} is restarted: its proxy is {found[0].proxy}, a new pod's {found[0].wanted}")
        try:
            settle(_check(asked, found[0], deployment), cluster)
            _await_end(cluster, {pod.name for pod in found}, namespace, asked.timeout_seconds)
        except UserError as error:
            done = ", ".join(restarted) or "none"
            raise UserError(
                f"Deployment {shown} was restarted and is not right; no further one was touched (restarted before: "
                f"{done}). `kubectl rollout undo deployment/{deployment['metadata']['name']} -n {namespace}` brings "
                f"its pods back as they were described before.\n{error}"
            ) from error
        restarted.append(shown)
    return restarted


def untouchable(deployment: Manifest, state: State) -> str:
    """Why a Deployment must not be restarted now; empty where it may."""
    if deployment["spec"].get("paused"):
        return "it is paused"
    pods = current_pods(dict(deployment), state)
    if waiting := [pod["metadata"]["name"] for pod in pods if not is_ready(pod)]:
        return f"{', '.join(waiting)} are not ready before"
    if len(pods) < deployment["spec"].get("replicas", 1):
        return f"it has {len(pods)} of {deployment['spec'].get('replicas', 1)} pods"
    return ""


def _restart(kube: Kube, deployment: Manifest) -> None:
    metadata = deployment["metadata"]
    path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}"
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    patch = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}
    kube.request("PATCH", path, patch, content_type=MERGE)


def _await_end(cluster: Cluster, names: set[str], namespace: str, seconds: float) -> None:
    """Wait until pods are gone: while they end, they take requests off the new ones."""
    deadline = time.monotonic() + seconds
    while left := names & {pod["metadata"]["name"] for pod in cluster.state(namespace).pods}:
        if time.monotonic() > deadline:
            raise UserError(f"Pods {', '.join(sorted(left))} have not ended within {seconds:.0f} s.")
        time.sleep(POLL_SECONDS)


def _check(asked: Rollout, found: Old, deployment: Manifest) -> Check:
    return Check(
        kubeconfig=asked.kubeconfig,
        context=asked.context,
        namespace=found.namespace,
        istio_version=found.wanted.version,
        deployments=(deployment["metadata"]["name"],),
        pages=(),
        timeout_seconds=asked.timeout_seconds,
        revision=found.wanted.revision,
    )


def read(text: str) -> Rollout:
    """Read ROLLOUT.json.

    Raises:
        UserError: it is not as the module's docstring says.
    """
    try:
        given: dict[str, Any] = json.loads(text)
        return Rollout(
            kubeconfig=given.pop("kubeconfig"),
            context=given.pop("context"),
            namespaces=tuple(given.pop("namespaces")),
            timeout_seconds=int(given.pop("timeoutSeconds")),
            **given,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"The rollout's input on stdin is wrong: {error!r}; see `--help` for what is accepted."
        ) from None


def main(arguments: list[str] | None = None) -> int:
    """Read the rollout from stdin, do it, and return the exit code. The command line takes nothing but --help."""
    raw = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser("python -m commands.rollout", description=__doc__, formatter_class=raw).parse_args(
        arguments
    )

    def work() -> None:
        asked = read(sys.stdin.read())
        kube, cluster = Kube(asked.kubeconfig, asked.context), Cluster(asked.kubeconfig, asked.context)
        restarted = [name for each in asked.namespaces for name in restart(kube, cluster, asked, each)]
        left = old(kube)
        tell(left)
        as_json = [{**vars(each), "proxy": str(each.proxy), "wanted": str(each.wanted)} for each in left]
        print(json.dumps({"restarted": restarted, "old": as_json}))

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
