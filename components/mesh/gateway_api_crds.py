"""The Gateway API's CRDs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_command import local

from ..gateway_api import CRD, GROUPS, cache_folder, digest, labelled, load_manifest
from ..objects import SHOWS_OBJECTS, KubernetesObject
from ..ownership import Owner
from ..versions import Version

# What a release's manifest consists of beside CRDs, from v1.5 on: a policy that guards them, and its binding.
POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
POLICIES_API = "admissionregistration.k8s.io/v1"
POLICIES_SINCE = Version(1, 5)


@dataclass(frozen=True, kw_only=True)
class GatewayApiCrdsArgs:
    """Which objects of a Gateway API release this stack brings.

    Attributes:
        manifest: the release's objects; empty where the cluster's CRDs are somebody else's, None for all
            of the release.
        owner: this stack, as which each object is labelled.
        version: the release, vMAJOR.MINOR.PATCH.
        channel: standard or experimental.
        source: the file or folder with the release; empty for the official one.
        requires: what must be there before anything can be sent to the cluster.

    Source: https://gateway-api.sigs.k8s.io/guides/getting-started/ (install) and
    https://gateway-api.sigs.k8s.io/concepts/versioning/ (bundle version and channel).
    """

    owner: Owner
    version: str
    channel: str = "standard"
    manifest: Sequence[Mapping[str, Any]] | None = None
    source: str = ""
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        refuse_others(self.manifest or ())

    def objects(self) -> Sequence[Mapping[str, Any]]:
        """What this stack brings: what is given, or the whole release.

        Raises:
            pulumi.RunError: the release cannot be had.
        """
        if self.manifest is not None:
            return self.manifest
        release = load_manifest(self.source, self.version, self.channel, cache_folder())
        refuse_others(release)
        return release


def refuse_others(manifest: Sequence[Mapping[str, Any]]) -> None:
    """Refuse objects of kinds that no release has."""
    for document in manifest:
        if document["kind"] not in (CRD, *POLICIES):
            raise pulumi.RunError(
                f"the Gateway API manifest holds a {document['kind']} named {document['metadata']['name']}; "
                f"accepted: {', '.join((CRD, *POLICIES))}"
            )


class GatewayApiCrds(pulumi.ComponentResource):
    """The Gateway API's CRDs, if this stack is the one to bring them.

    It owns nothing where they were there before: dependants then need not wait for anything, as they are there.

    One Command applies them all and removes those that nobody needs: as typed resources their 0.4 MB of schema go
    through the engine, its log and its state a dozen times, which is most of what a preview of the whole mesh costs.
    A preview shows their names, version and digest; ``render-diff`` shows what is in them.

    Attributes:
        names: the names of the objects that this stack brings.

    Example:
        GatewayApiCrds("gateway-api", GatewayApiCrdsArgs(owner=owner, version="v1.5.1"), in_cluster)
    """

    names: list[str]

    def __init__(self, name: str, args: GatewayApiCrdsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:GatewayApiCrds", name, None, opts)
        manifest = args.objects()
        crds = [document for document in manifest if document["kind"] == CRD]
        self.names = [document["metadata"]["name"] for document in manifest]
        if crds:
            bundle = {"version": args.version, "channel": args.channel}
            bundle["names"] = ",".join(document["metadata"]["name"] for document in crds)
            if args.source:
                bundle["source"] = args.source
            bring = args.owner.bundle_command(**bundle)
            brought = local.Command(
                f"{name}-crds",
                create=bring,
                update=bring,
                # Deleted by this alone: a CRD takes its custom resources with it, and they may be somebody else's.
                delete=args.owner.remove_command(",".join(GROUPS)),
                environment={
                    "BUNDLE": f"{args.version} {args.channel} {digest(crds)}",
                    SHOWS_OBJECTS: args.owner.show_command(**bundle),
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        for document in manifest:
            if document["kind"] in POLICIES:
                KubernetesObject(
                    f"{POLICIES_API}:{document['kind']}",
                    f"{name}-{document['metadata']['name']}",
                    parent=self,
                    depends_on=[brought] if crds else None,
                    metadata=labelled(document["metadata"], args.owner.labels),
                    spec=document["spec"],
                )
        self.register_outputs({"names": self.names})
