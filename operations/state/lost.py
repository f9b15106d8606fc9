"""A state that tells of a cluster which is gone, or which was replaced by another: refused, or forgotten."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.commands import UserError
from components.commands.cluster import must_be_known
from components.kube import KUBE_SYSTEM, Kube
from operations.pulumi_cli import Cli
from operations.state.recover import State, end_plugins, refuse_running

ROOT = "pulumi:pulumi:Stack"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack and its cluster, before Pulumi's engine runs.

    Attributes:
        cli: the CLI on it.
        settings: its configuration by bare key.
        overrides: what of that is not in its file.
        there: whether there is a cluster at all.
    """

    cli: Cli
    settings: Mapping[str, str]
    overrides: Mapping[str, str]
    there: bool


def refuse(stack: Stack) -> None:
    """Do nothing where the state tells of the cluster that the context leads to, or of none.

    Raises:
        UserError: it tells of one that is gone, or of another.
    """
    if found := _lost(stack):
        name, count = stack.cli.stack, len(resources(found))
        if not stack.there:
            raise UserError(
                f"the cluster of stack {name} is gone ({_place(stack.settings)}), and with it its {count} resources: "
                "nothing was touched. `make recover` forgets them, and `make up` then creates the whole mesh again; "
                "`make destroy` forgets them, too"
            )
        raise UserError(
            f"acceptCluster names the cluster that is there, and the {count} resources of stack {name} are in "
            "another one: `make up` forgets them, and creates everything again"
        )


def forget(stack: Stack, *, unlock: bool = False) -> bool:
    """Empty the state where ``refuse`` would refuse it, so that ``up`` creates everything again; whether it did.

    With ``unlock`` also that of an update which was killed.

    Raises:
        UserError: it tells of another cluster, which is not the accepted one; or an update runs.
    """
    state, cli = _lost(stack), stack.cli
    if not state:
        return False
    if unlock:
        refuse_running(cli)
        end_plugins(cli.mark)
        cli.run("cancel", "--yes")
    cli.load({**state, "deployment": {**state["deployment"], "resources": [], "pending_operations": []}})
    print(f"The {len(resources(state))} resources of a cluster that is gone are forgotten", flush=True)
    return True


def resources(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the state has or has begun, but for the stack itself."""
    deployment = state["deployment"]
    begun = [each["resource"] for each in deployment.get("pending_operations") or ()]
    return [each for each in [*(deployment.get("resources") or ()), *begun] if each["type"] != ROOT]


def _lost(stack: Stack) -> dict[str, Any] | None:
    """The state, where what it tells of is lost. Only where that can be is the CLI asked for it."""
    if (stack.there and not stack.settings["acceptCluster"]) or not stack.cli.known:
        return None
    stack.cli.select(stack.overrides)
    state = stack.cli.export()
    is_lost = _taken_over(state, stack.settings) if stack.there else bool(resources(state))
    return state if is_lost else None


def _taken_over(state: Mapping[str, Any], settings: Mapping[str, str]) -> bool:
    """Whether acceptCluster names the cluster that is there, and the state tells of another.

    Raises:
        UserError: it is neither the one nor the other.
        KubeError: it does not answer.
    """
    recorded = State.of(state).cluster
    here = str(Kube(settings["kubeconfig"], settings["context"]).get(KUBE_SYSTEM)["metadata"]["uid"])
    if recorded and here != settings["acceptCluster"]:
        must_be_known(here, recorded, settings["context"])
    return recorded not in ("", here)


def _place(settings: Mapping[str, str]) -> str:
    if settings["clusterMode"] == "minikube":
        return f"there is no minikube profile {settings['minikubeProfile']}"
    return f"there is no {settings['kubeconfig']}"
