"""Why pods will never be in the mesh, however long one waits, and what to do: pure rules.

Source: https://istio.io/latest/docs/ops/common-problems/injection/ and
https://istio.io/latest/docs/setup/platform-setup/prerequisites/
"""

import re
from collections.abc import Callable

from .mesh_pods import Manifest, Problem, State, current_pods
from .mesh_request import Check

WEBHOOK = re.compile(r'failed calling webhook "[^"]*sidecar-injector\.istio\.io"')
INIT = ("istio-init", "istio-validation")
# By what the API server says, the likeliest cause and its remedy; the first that fits.
UNREACHABLE = (
    (
        r"Address is not allowed",
        "the API server may not connect to pods",
        "a network such as an overlay on EKS is none of the API server's: use one whose pods it can reach",
    ),
    (
        r"deadline exceeded|[Tt]imeout|timed out|no route to host",
        "the API server does not reach istiod's pods on port 15017",
        "let the control plane in: on private GKE `gcloud compute firewall-rules update RULE --allow "
        "tcp:10250,tcp:443,tcp:15017`, on EKS the nodes' security group; an overlay network on EKS is none of the API "
        "server's",
    ),
    (
        r"connection refused|no endpoints available|not found",
        "istiod does not answer",
        "kubectl get pods -n istio-system -l app=istiod",
    ),
    (
        r"x509|certificate",
        "istiod's certificate is not the one that its webhook names",
        "kubectl rollout restart deployment -n istio-system -l app=istiod",
    ),
)
# By what istio-init has written.
NO_RULES = (
    (
        r"can't initialize ip6?tables|Table does not exist|do you need to insmod|modprobe|No chain/target/match",
        "the node's kernel has no modules for iptables",
        "load them on every node (`modprobe ip_tables iptable_nat iptable_mangle xt_REDIRECT`), or use nftables: "
        "istioValues {global: {nativeNftables: true}}, from Istio 1.28 on",
    ),
    (
        r"Permission denied|Operation not permitted|must be root",
        "the pod may not change its network",
        "something takes NET_ADMIN from pods: set cni to true, which installs Istio's CNI plugin, from Istio 1.24 on",
    ),
)


def unreachable(message: str) -> tuple[str, str] | None:
    """The cause and the remedy in what the API server says of a pod that it could not make; None for any other."""
    if not WEBHOOK.search(message):
        return None
    # The address has words of its own, such as timeout=10s.
    said = re.sub(r'\w+ "https?://[^"]*":?', "", " ".join(message.split()))[-200:]
    return _first(UNREACHABLE, said) or (
        f"istiod's webhook fails: {said}",
        "kubectl logs -n istio-system -l app=istiod",
    )


def cannot_redirect(log: str) -> tuple[str, str]:
    """The cause and the remedy in what istio-init has written."""
    lines = [line for line in log.splitlines() if line.strip()]
    last = lines[-1][-200:] if lines else "it has written nothing"
    return _first(NO_RULES, log) or (f"istio-init fails: {last}", "kubectl logs POD -c istio-init")


def hopeless(check: Check, state: State, log: Callable[[str, str], str]) -> list[Problem]:
    """What no waiting puts right. ``log`` gives what a container of a pod has written."""
    by_name = {deployment["metadata"]["name"]: deployment for deployment in state.deployments}
    found = []
    for workload in (name for name in check.deployments if name in by_name):
        conditions = by_name[workload].get("status", {}).get("conditions") or ()
        refused = [each.get("message", "") for each in conditions if each["type"] == "ReplicaFailure"]
        found += [Problem(workload, "-", *cause) for message in refused if (cause := unreachable(message))]
        for pod in current_pods(by_name[workload], state):
            if container := _failing_init(pod):
                name = pod["metadata"]["name"]
                wrong, remedy = cannot_redirect(log(name, container))
                found.append(Problem(workload, name, wrong, remedy.replace("POD", f"{name} -n {check.namespace}")))
    return found


def _failing_init(pod: Manifest) -> str:
    """The container of Istio's that prepares the pod's network and has failed more than once; empty for none."""
    for status in pod["status"].get("initContainerStatuses") or ():
        ended = status.get("lastState", {}).get("terminated") or {}
        if status["name"] in INIT and not status.get("ready") and ended.get("exitCode"):
            return str(status["name"])
    return ""


def _first(table: tuple[tuple[str, str, str], ...], text: str) -> tuple[str, str] | None:
    return next(((cause, remedy) for pattern, cause, remedy in table if re.search(pattern, text)), None)
