"""Which of a stack's policies still refuse requests while the update runs that removes them: read for ``lookup`` alone.

Pulumi deletes last, after the mesh was checked. What only Bookinfo's Gateway gets through is asked for there, by the
check itself; what not even the Gateway does, not at all.
"""

from collections.abc import Collection, Mapping
from typing import Any

from components.kube import Kube
from components.security import authorization, ingress_jwt
from components.security.policy import DRY_RUN, LABELS
from components.workloads.bookinfo import GATEWAY, SHOWN
from program.rules.foreign import Object, stranger
from program.settings import Settings

ALLOWANCE = authorization.allow_name(SHOWN)
DEMANDS = tuple(map(ingress_jwt.require_token_name, (GATEWAY, SHOWN)))


def leaving(
    kube: Kube, settings: Settings, names: Collection[Object], namespaces: Mapping[str, Mapping[str, Any]], stack: str
) -> tuple[Object, ...]:
    """The policies that may refuse Bookinfo's page to everybody, and that the stack no longer has.

    Args:
        kube: the cluster.
        settings: the stack's settings.
        names: every object that it declares.
        namespaces: the metadata of each namespace.
        stack: the stack's name.
    """
    place = settings.namespace
    if place not in namespaces or not (settings.bookinfo and settings.mesh_check_http):
        return ()

    def policy(name: str) -> Object:
        return Object(api_version=authorization.API_VERSION, kind="AuthorizationPolicy", namespace=place, name=name)

    there = kube.served_metadata(policy("").listing)
    # Where nothing is allowed by default, the Gateway gets through by this one: an update may bring the page back.
    closed = set() if any(each["name"] == ALLOWANCE for each in there) else {authorization.DENY_ALL}
    found = []
    for metadata in there:
        labels, annotations = (metadata.get(key, {}).items() for key in ("labels", "annotations"))
        refuses = metadata["name"] in {*DEMANDS, *closed} or LABELS.items() <= labels
        if refuses and not DRY_RUN.items() <= annotations and not stranger(metadata, namespaces[place], stack):
            found.append(policy(metadata["name"]))
    return tuple(sorted(set(found) - set(names)))
