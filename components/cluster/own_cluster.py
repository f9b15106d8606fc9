"""The Command that starts a cluster of the stack's own, adopts it where it runs, and deletes only what it created."""

import json
from collections.abc import Sequence

import pulumi
from pulumi_command import local


def start_command(
    name: str,
    *,
    parent: pulumi.Resource,
    start: str,
    delete: str,
    triggers: Sequence[str],
    missing: str,
    timeout: str,
) -> local.Command:
    """A Command whose ``start`` prints ``{"created": BOOL, "cluster": UID}``, and is told what it printed before.

    Args:
        name: its logical name.
        parent: the cluster's component.
        start: the shell command that starts the cluster, or finds it running.
        delete: the shell command that deletes it if the recorded output says that it was created here.
        triggers: what makes it another cluster.
        missing: where no cluster was found, a text that no other update has, such as the time. The state alone does
            not tell that a cluster was deleted by hand: the text has ``start`` run whatever the state says. Empty where
            the cluster is there, so that nothing changes.
        timeout: how long ``start`` may take, such as 30m.
    """
    return local.Command(
        name,
        create=start,
        update=start,
        delete=delete,
        triggers=list(triggers),
        environment={"MISSING": missing},
        # Standard output is for the program alone.
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions(
            parent=parent,
            ignore_changes=[] if missing else ["environment"],
            custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout),
        ),
    )


def identity(command: local.Command) -> pulumi.Output[str]:
    """The UID of the cluster's namespace kube-system, as the Command last printed it; empty where it did not."""
    return command.stdout.apply(cluster_in)


def cluster_in(printed: str) -> str:
    """The identity in what ``start`` printed; empty where it did not run, or did not tell."""
    return str(json.loads(printed).get("cluster", "")) if printed else ""
