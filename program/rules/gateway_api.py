"""Whether the Gateway API's CRDs in a cluster do for Istio, where they are somebody else's: pure rules."""

from collections.abc import Mapping

import pulumi

from components.gateway_api import POLICY
from components.versions import Version
from program.lookup import Cluster, Crd
from program.settings import Settings

# What Istio and this program cannot do without.
NEEDED = frozenset(
    f"{plural}.gateway.networking.k8s.io" for plural in ("gatewayclasses", "gateways", "httproutes", "referencegrants")
)
ADVICE = (
    "This stack did not install them and leaves them alone: have their owner upgrade them, or set "
    "gatewayApiVersion and gatewayApiChannel to theirs"
)


def foreign(cluster: Cluster) -> dict[str, Crd]:
    """The CRDs that are somebody else's."""
    return {name: crd for name, crd in cluster.gateway_api.items() if not crd.ours}


def refuse_unfit(settings: Settings, cluster: Cluster) -> list[str]:
    """Judge what Istio needs of CRDs that are left alone, so that they must do as they are; warnings of the rest.

    Raises:
        pulumi.RunError: one does not do, or a policy of somebody else's would refuse those that are missing.
    """
    found = foreign(cluster)
    _refuse_policy(settings, cluster)
    faults = {name: fault for name, crd in found.items() if (fault := _fault(settings, crd))}
    for fault in ("older than", "without the kinds of"):
        needed = {name: found[name] for name, seen in sorted(faults.items()) if name in NEEDED and seen == fault}
        if needed:
            wanted = f"{settings.gateway_api_version} ({settings.gateway_api_channel})"
            raise pulumi.RunError(
                f"the cluster's Gateway API CRDs {_shown(needed)} are {fault} the wanted {wanted}. {ADVICE}"
            )
    rest = {name: found[name] for name, fault in sorted(faults.items()) if name not in NEEDED and fault == "older than"}
    if not rest:
        return []
    return [
        f"the cluster's Gateway API CRDs {_shown(rest)} are not this stack's and older than "
        f"{settings.gateway_api_version}: Istio may leave those kinds out, and needs none of them"
    ]


def _fault(settings: Settings, crd: Crd) -> str:
    try:
        version = Version.parse(crd.bundle_version)
    except ValueError:
        return "older than"  # no version at all
    if version < settings.gateway_api:
        return "older than"
    wants_more = settings.gateway_api_channel == "experimental" and crd.channel != "experimental"
    return "without the kinds of" if wants_more else ""


def _shown(crds: Mapping[str, Crd]) -> str:
    return ", ".join(
        f"{name.partition('.')[0]} {crd.bundle_version or 'of no version'} ({crd.channel or 'no channel'})"
        for name, crd in crds.items()
    )


def _refuse_policy(settings: Settings, cluster: Cluster) -> None:
    """A release's own policy guards its CRDs from older ones; this stack takes off its own only."""
    policy = cluster.gateway_api_policy
    theirs = foreign(cluster)
    if policy is None or policy.ours or (theirs.keys() >= NEEDED and len(theirs) == len(cluster.gateway_api)):
        return
    bound = Version.parse(policy.bundle_version)
    older = settings.gateway_api < Version(bound.major, bound.minor)
    richer = settings.gateway_api_channel == "experimental" and policy.channel == "standard"
    if older or (richer and len(theirs) < len(cluster.gateway_api)):
        raise pulumi.RunError(
            f"ValidatingAdmissionPolicy {POLICY}, {policy.bundle_version} ({policy.channel}), is not this stack's and "
            f"would refuse the Gateway API's CRDs {settings.gateway_api_version} ({settings.gateway_api_channel}) that "
            "this stack is to bring. Set gatewayApiVersion and gatewayApiChannel to the policy's, or have its owner "
            "remove it"
        )
