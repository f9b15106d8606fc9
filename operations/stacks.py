"""Which stack a command is about, and what must be there before Pulumi's engine runs it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from components.commands import UserError
from components.commands.adopt import INGRESS
from embedded import artifacts, istio, kinds, toolchain
from embedded.node import obtain
from embedded.node.cluster import RealCluster
from embedded.record import Kind, recorded
from operations import minikube
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT
from operations.node.bookinfo import Bookinfo, provide, refuse_elsewhere

DEV, EMBEDDED = "dev", "embedded"
FORMER = "rehearsal"


def chosen(stack: str) -> str:
    """The stack that is named; where none is, dev with minikube on PATH and embedded without. Says which and why.

    Raises:
        UserError: the stack is one of the last version's.
    """
    if not stack:
        has_minikube = shutil.which("minikube") is not None
        stack = DEV if has_minikube else EMBEDDED
        print(f"Stack {stack}: minikube is {'' if has_minikube else 'not '}on PATH", flush=True)
    if stack == FORMER:
        raise UserError(
            f"stack {FORMER} is called {EMBEDDED} now, its folder .{FORMER} is .{EMBEDDED}, and `python -m {FORMER} "
            "COMMAND` is `make COMMAND`; end what is left of the old one with its own `make destroy`, or by deleting "
            "its folder"
        )
    return stack


def gateways(namespace: str, configured: str = "{}") -> list[tuple[str, str]]:
    """Services, by namespace and name, that the host reaches on a real node; the first that answers.

    Args:
        namespace: the stack's, where Bookinfo's Gateway is.
        configured: the key ``gateways``, which may move the ingress gateway.
    """
    return [(namespace, "bookinfo-gateway-istio"), (_ingress_namespace(configured), INGRESS)]


def _ingress_namespace(configured: str) -> str:
    try:
        return str(json.loads(configured)[INGRESS]["namespace"])
    except (ValueError, LookupError, TypeError):
        # It says nothing of it; what is wrong with it, the program says by the key's name.
        return "istio-system"


def prepare(
    stack: str,
    overrides: Mapping[str, str] | None = None,
    *,
    start: bool = True,
    bookinfo: Bookinfo | None = None,
) -> bool:
    """Build the programs and write the charts of the stack's cluster; start its own cluster if it was stopped.

    A stack on somebody else's cluster needs nothing here.

    Args:
        stack: the stack's name.
        overrides: configuration keys over the stack's own.
        start: whether a minikube that was stopped is started.
        bookinfo: which Bookinfo an embedded cluster has; None leaves it as it is, which at first are stand-ins.

    Returns:
        Whether there is a cluster: before the first ``up``, or when it was deleted, a stack's own is not there.

    Raises:
        UserError: the stack needs minikube, which is not on PATH, or has a profile that does not fit; or ``bookinfo``
            is given for a cluster that cannot have it.
        EmbeddedError: something cannot be built, downloaded or written; says why.
    """
    settings = settings_of(stack, overrides)
    refuse_elsewhere(stack, settings["clusterMode"], bookinfo)
    if settings["clusterMode"] == "minikube" and shutil.which("minikube") is None:
        raise UserError(f"stack {stack} starts minikube, which is not on PATH; install it, or use STACK={EMBEDDED}")
    if settings["clusterMode"] == "minikube":
        return minikube.ensure_started(settings, start=start)
    if settings["clusterMode"] != "embedded":
        return True
    root = (PROJECT / settings["kubeconfig"]).parent
    kind = kinds.choose(root)
    toolchain.ensure(*(obtain.GROUPS if kind is Kind.REAL else ["cluster"]))
    write_artifacts(root, settings)
    cluster = kinds.cluster(root, kind)
    there = cluster.kubeconfig.exists()
    if there and not cluster.running():
        cluster.start()
    if isinstance(cluster, RealCluster):
        cluster.publish(gateways(settings["namespace"], settings["gateways"]))
    if bookinfo:
        provide(cluster, bookinfo)
    return there


def prepare_existing(stack: str, overrides: Mapping[str, str] | None = None) -> None:
    """``prepare`` for what needs a cluster.

    Raises:
        UserError: there is none.
    """
    if not prepare(stack, overrides):
        raise UserError(f"stack {stack} has no cluster: `make up` creates it, after `make recover` if it was deleted")


def write_artifacts(root: Path, settings: Mapping[str, str]) -> None:
    """Write charts and CRDs for every version of Istio that ``settings`` ask for, where they come from ``root``.

    Where pods are real, so are the charts: those of the one Istio that can be built.
    """
    if not (PROJECT / settings["istioChartRepository"]).is_relative_to(root):
        return
    if recorded(root) is Kind.REAL:
        istio.package(toolchain.module_dir(istio.MODULE), root / "charts")
        artifacts.copy_gateway_api(root, settings["gatewayApiVersion"])
        return
    for version in artifacts.istio_versions(settings):
        artifacts.prepare(root, version, settings["gatewayApiVersion"])
