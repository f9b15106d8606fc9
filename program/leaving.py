"""What of a stack's own still refuses requests while the update runs that removes it: read for ``lookup`` alone.

Pulumi deletes last, after the mesh was checked.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from components.kube import Kube
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.security import authorization, ingress_jwt, network_isolation, peer_authentications
from components.security.policy import DRY_RUN, LABELS
from program.rules.foreign import Object, stranger
from program.settings import Settings

NETWORKING = "networking.k8s.io/v1"
# The names of the policies that this program names itself; those of `security.policies` have a label. Of other programs
# of Pulumi's, which mark nothing, there may be any.
AUTHORIZATION = rf"{authorization.DENY_ALL}|{authorization.allow_name('.*')}|{ingress_jwt.require_token_name('.*')}"


def leaving(
    kube: Kube, settings: Settings, names: Collection[Object], namespaces: Mapping[str, Mapping[str, Any]], stack: str
) -> tuple[Object, ...]:
    """The objects that Bookinfo's page may be refused by, and that the stack no longer has.

    Args:
        kube: the cluster.
        settings: the stack's settings.
        names: every object that it declares.
        namespaces: the metadata of each namespace.
        stack: the stack's name.
    """
    if not (settings.bookinfo and settings.mesh_check_http):
        return ()
    here = settings.namespace
    places = [
        (authorization.API_VERSION, "AuthorizationPolicy", here, AUTHORIZATION),
        (peer_authentications.API_VERSION, "PeerAuthentication", here, peer_authentications.DEFAULT),
        (peer_authentications.API_VERSION, "PeerAuthentication", ISTIO_NAMESPACE, peer_authentications.DEFAULT),
        (NETWORKING, "NetworkPolicy", here, network_isolation.ISOLATION),
    ]
    found = []
    for api_version, kind, place, known in places:
        if place not in namespaces:
            continue
        any_of_it = Object(api_version=api_version, kind=kind, namespace=place, name="")
        for metadata in kube.served_metadata(any_of_it.listing):
            each = Object(api_version=api_version, kind=kind, namespace=place, name=metadata["name"])
            by_name = re.fullmatch(known, each.name) or LABELS.items() <= metadata.get("labels", {}).items()
            tried = DRY_RUN.items() <= metadata.get("annotations", {}).items()
            if each not in names and by_name and not tried and not stranger(metadata, namespaces.get(place, {}), stack):
                found.append(each)
    return tuple(sorted(found))
