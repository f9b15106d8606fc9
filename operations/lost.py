"""A state that tells of a cluster which is gone, or which another takes the place of: told, or forgotten."""

from collections.abc import Mapping
from typing import Any

from components.commands import UserError
from components.commands.cluster import must_be_known
from components.kube import KUBE_SYSTEM, Kube
from operations.pulumi_cli import Cli
from operations.recover import State, end_plugins, refuse_running

STACK = "pulumi:pulumi:Stack"


def refuse(cli: Cli, settings: Mapping[str, str], *, there: bool) -> None:
    """Do nothing where the state tells of the cluster that the context leads to, or of none.

    Args:
        cli: the CLI on the stack.
        settings: the stack's configuration by bare key.
        there: whether there is a cluster at all.

    Raises:
        UserError: it tells of one that is gone, or of another.
    """
    if found := _lost(cli, settings, there=there):
        count = len(resources(found))
        if not there:
            raise UserError(
                f"the cluster of stack {cli.stack} is gone ({_place(settings)}), and with it its {count} resources: "
                "nothing was touched. `make recover` forgets them, and `make up` then brings the whole mesh back; "
                "`make destroy` forgets them, too"
            )
        raise UserError(
            f"acceptCluster names the cluster that is there, and the {count} resources of stack {cli.stack} are in "
            "another one: `make up` forgets them, and creates all anew"
        )


def forget(cli: Cli, settings: Mapping[str, str], *, there: bool, unlock: bool = False) -> bool:
    """Empty the state where ``refuse`` would refuse it, so that the next ``up`` creates all anew; whether it did.

    With ``unlock`` also that of an update which was killed.

    Raises:
        UserError: it tells of another cluster, which is not the accepted one; or an update runs.
    """
    state = _lost(cli, settings, there=there)
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
    return [each for each in [*(deployment.get("resources") or ()), *begun] if each["type"] != STACK]


def _lost(cli: Cli, settings: Mapping[str, str], *, there: bool) -> dict[str, Any] | None:
    """The state, where what it tells of is lost. Only where that can be is the CLI asked for it."""
    if (there and not settings["acceptCluster"]) or not cli.known:
        return None
    cli.select()
    state = cli.export()
    is_lost = _taken_over(state, settings) if there else bool(resources(state))
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
