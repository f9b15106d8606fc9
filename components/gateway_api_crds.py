"""The Gateway API's CRDs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

from components.objects import typed
from components.ownership import Owner

GROUP = "gateway.networking.k8s.io"
BUNDLE_VERSION = f"{GROUP}/bundle-version"
CHANNEL = f"{GROUP}/channel"
# The experimental channel has kinds of both (XMesh, from v1.4 on).
GROUPS = (GROUP, "gateway.networking.x-k8s.io")

# What a release's manifest consists of: CRDs and, from v1.5 on, a policy that guards them and its binding.
KINDS: dict[str, type[pulumi.CustomResource]] = {
    "CustomResourceDefinition": k8s.apiextensions.v1.CustomResourceDefinition,
    "ValidatingAdmissionPolicy": k8s.admissionregistration.v1.ValidatingAdmissionPolicy,
    "ValidatingAdmissionPolicyBinding": k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding,
}


@dataclass(frozen=True, kw_only=True)
class GatewayApiCrdsArgs:
    """Which objects of a Gateway API release this stack brings.

    Attributes:
        manifest: the release's objects; empty where the cluster's CRDs are somebody else's.
        owner: this stack, as which each object is labelled.
        requires: what must be there for as long as the CRDs are: the cluster.

    Source: https://gateway-api.sigs.k8s.io/guides/getting-started/ (install) and
    https://gateway-api.sigs.k8s.io/concepts/versioning/ (bundle version and channel).
    """

    manifest: Sequence[Mapping[str, Any]]
    owner: Owner
    requires: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        for document in self.manifest:
            if document["kind"] not in KINDS:
                raise pulumi.RunError(
                    f"the Gateway API manifest holds a {document['kind']} named {document['metadata']['name']}; "
                    f"accepted: {', '.join(KINDS)}"
                )


def labelled(metadata: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """An object's metadata as the release has it, with ``labels`` added."""
    kept = {key: value for key, value in metadata.items() if key != "creationTimestamp"}
    return {**kept, "labels": {**kept.get("labels", {}), **labels}}


class GatewayApiCrds(pulumi.ComponentResource):
    """The Gateway API's CRDs, if this stack is the one to bring them.

    It owns nothing where they were there before: dependants then need not wait for anything, as they are there.
    """

    names: list[str]

    def __init__(self, name: str, args: GatewayApiCrdsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:GatewayApiCrds", name, None, opts)
        self.names = []
        if args.manifest:
            # Deleted last and by this alone: a CRD takes its custom resources with it, and they may be somebody else's.
            local.Command(
                f"{name}-removal",
                delete=args.owner.remove_command(",".join(GROUPS)),
                # No provider of Kubernetes makes it wait: destroy would delete minikube before it, or beside it.
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
            )
        for document in args.manifest:
            object_name = document["metadata"]["name"]
            typed(
                KINDS[document["kind"]],
                f"{name}-{object_name}",
                parent=self,
                # The policy and its binding are nobody else's, and would refuse an older release later.
                retain_on_delete=document["kind"] == "CustomResourceDefinition",
                metadata=labelled(document["metadata"], args.owner.labels),
                spec=document["spec"],
            )
            self.names.append(object_name)
        self.register_outputs({"names": self.names})
