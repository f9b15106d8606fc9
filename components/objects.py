"""Kubernetes objects from manifests in Kubernetes's own spelling, which can be laid beside upstream's YAML."""

from collections.abc import Mapping, Sequence
from importlib import metadata as packages
from typing import Any

import pulumi

from .commands.mesh_pods import DATA_PLANE

# By kind, what the state holds encrypted.
SECRET_FIELDS = {"core/v1:Secret": ("data", "stringData")}

# Of the plugin that the object is made by.
VERSION = packages.version("pulumi_kubernetes")

# The Deployments behind a Service are waited for; the provider's own wait for a Service alone takes 10 s.
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}

# Deleted without waiting for its pods, which a gateway's Envoy keeps for 5 s to let connections end.
LEAVE_PODS_BEHIND = {"pulumi.com/deletionPropagationPolicy": "background"}

# In the environment of a Command that applies objects: the shell command that prints them as YAML, for whoever renders
# the program or compares it with the cluster.
SHOWS_OBJECTS = "SHOWS_OBJECTS"


class KubernetesObject(pulumi.CustomResource):
    """An object of one of Kubernetes' own kinds, registered as pulumi_kubernetes' class of that kind registers it.

    Those classes stand in modules of whole API groups, whose import takes a tenth of a preview.

    Attributes:
        metadata: as the cluster has it, in Kubernetes' spelling.

    Example:
        KubernetesObject("apps/v1:Deployment", "web", parent=self, metadata={"name": "web"}, spec=spec)
    """

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        parent: pulumi.Resource,
        depends_on: Any = None,
        delete_before_replace: bool = False,
        ignore_changes: Sequence[str] = (),
        **manifest: Any,
    ) -> None:
        """Declare the object.

        Args:
            kind: API version and kind in Pulumi's spelling, where Kubernetes' ``v1`` is ``core/v1``, and an object of
                somebody else's that gets some fields of this one ends in ``Patch``.
            name: Pulumi's name of the resource.
            parent: whose child it is.
            depends_on: what is there before it.
            delete_before_replace: whether the old one goes before its replacement comes.
            ignore_changes: paths of fields in which a change is none.
            manifest: what the object has beside apiVersion and kind, in Kubernetes' spelling.
        """
        secret = SECRET_FIELDS.get(kind, ())
        api_version, _, word = kind.partition(":")
        manifest |= {field: pulumi.Output.secret(manifest[field]) for field in secret if field in manifest}
        super().__init__(
            f"kubernetes:{kind}",
            name,
            {"apiVersion": api_version.removeprefix("core/"), "kind": word.removesuffix("Patch"), **manifest},
            pulumi.ResourceOptions(
                parent=parent,
                depends_on=depends_on,
                delete_before_replace=delete_before_replace or None,
                ignore_changes=list(ignore_changes) or None,
                additional_secret_outputs=list(secret) or None,
                version=VERSION,
            ),
        )

    @property
    @pulumi.getter
    def metadata(self) -> pulumi.Output[Any]:
        """As the cluster has it, in Kubernetes' spelling."""
        return pulumi.get(self, "metadata")  # type: ignore[no-any-return]


def apart(labels: Mapping[str, str]) -> dict[str, Any]:
    """An affinity that puts pods with ``labels`` on different nodes where there are enough of them."""
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
        }
    }


def name_of(resource: KubernetesObject) -> pulumi.Output[str]:
    """The object's name, known once the object is there: whoever uses it waits for it."""
    return resource.metadata.apply(lambda metadata: str(metadata["name"]))


def generations_of(deployments: Mapping[str, KubernetesObject]) -> pulumi.Output[Mapping[str, str]]:
    """What tells that a Deployment was created anew, or that its specification has changed: its uid and generation."""

    def generation(metadata: Mapping[str, Any]) -> str:
        # Neither is known in a preview; and a number comes as a float.
        generation = metadata.get("generation")
        return f"{metadata.get('uid')}/{generation if generation is None else int(generation)}"

    return pulumi.Output.all(**{name: each.metadata.apply(generation) for name, each in deployments.items()}).apply(
        lambda found: found
    )


def data_plane_annotations(data_plane: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """Annotations of a pod template that change with what puts pods into the mesh, so that they roll and get it."""
    return {DATA_PLANE: data_plane}
