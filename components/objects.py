"""Typed Kubernetes resources from manifests in Kubernetes's own spelling.

Manifests are pure data that can be laid beside upstream's YAML; Pulumi's typed arguments spell every key otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pulumi

from .commands.mesh_pods import DATA_PLANE

R = TypeVar("R", bound=pulumi.CustomResource)

# The Deployments behind a Service are waited for; the provider's own wait for a Service alone takes 10 s.
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}

# Deleted without waiting for its pods, which a gateway's Envoy keeps for 5 s to let connections end.
LEAVE_PODS_BEHIND = {"pulumi.com/deletionPropagationPolicy": "background"}

# In the environment of a Command that applies objects: the shell command that prints them as YAML, for whoever renders
# the program or compares it with the cluster.
SHOWS_OBJECTS = "SHOWS_OBJECTS"


def typed(
    kind: Callable[..., R],
    name: str,
    *,
    parent: pulumi.Resource,
    depends_on: Any = None,
    retain_on_delete: bool = False,
    delete_before_replace: bool = False,
    ignore_changes: Sequence[str] = (),
    **manifest: Any,
) -> R:
    """A resource of class ``kind`` under ``parent``; ``manifest`` is what its object has beside apiVersion and kind."""
    opts = pulumi.ResourceOptions(
        parent=parent,
        depends_on=depends_on,
        retain_on_delete=retain_on_delete or None,
        delete_before_replace=delete_before_replace or None,
        ignore_changes=list(ignore_changes) or None,
    )
    return kind(name, opts=opts, **manifest)


def apart(labels: Mapping[str, str]) -> dict[str, Any]:
    """An affinity that puts pods with ``labels`` on different nodes where there are enough of them."""
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
        }
    }


def name_of(resource: Any) -> pulumi.Output[str]:
    """The object's name, known once the object is there: whoever uses it waits for it."""
    name: pulumi.Output[str] = resource.metadata.apply(lambda metadata: metadata.name)
    return name


def generations_of(deployments: Mapping[str, Any]) -> pulumi.Output[Mapping[str, str]]:
    """What tells that a Deployment was created anew, or that its specification has changed: its uid and generation."""

    def generation(metadata: Any) -> str:
        return f"{metadata.uid}/{metadata.generation}"

    return pulumi.Output.all(**{name: each.metadata.apply(generation) for name, each in deployments.items()}).apply(
        lambda found: found
    )


def data_plane_annotations(data_plane: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """Annotations of a pod template that change with what puts pods into the mesh, so that they roll and get it."""
    return {DATA_PLANE: data_plane}
