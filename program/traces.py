"""What an Istio leaves in a cluster that another one's charts would trip over: releases, and objects of the cluster."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.commands.adopt import RBAC, WEBHOOKS, release_of
from components.kube import Kube
from components.mesh.istio_base import NAMESPACE

# Source: pkg/constants and chart reconciliation of istio-ecosystem/sail-operator.
SAIL_OWNERS = frozenset({"Istio", "IstioRevision", "IstioCNI", "ZTunnel"})
LISTS = (
    f"{RBAC}/clusterroles",
    f"{RBAC}/clusterrolebindings",
    f"{WEBHOOKS}/mutatingwebhookconfigurations",
    f"{WEBHOOKS}/validatingwebhookconfigurations",
)
PREFIXES = ("istiod-", "istio-reader-", "istio-sidecar-injector", "istio-validator")


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What there is of Istio.

    Attributes:
        releases: the names of the Helm releases in istio-system.
        owners: the Helm release of each istiod that has one, both as NAMESPACE/NAME.
        sail: istiods that the Sail operator keeps, as NAMESPACE/NAME, each with the object that they are made for.
        strays: objects of the cluster with names as in Istio's charts, by path, each with its Helm release as
            NAMESPACE/NAME; empty for none.
    """

    releases: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    sail: Mapping[str, str] = field(default_factory=dict)
    strays: Mapping[str, str] = field(default_factory=dict)


def read(kube: Kube, namespaces: Container[str], istiods: Mapping[str, Mapping[str, Any]]) -> Traces:
    """Read them; ``namespaces`` are those that there are, ``istiods`` the Deployments by NAMESPACE/NAME."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets?labelSelector=owner%3Dhelm"
    releases = kube.metadata(path) if NAMESPACE in namespaces else []
    return Traces(
        releases=frozenset(metadata["labels"]["name"] for metadata in releases),
        owners={name: owner for name, istiod in istiods.items() if (owner := release_of(istiod["metadata"]))},
        sail={name: owner for name, istiod in istiods.items() if (owner := _sail(istiod["metadata"]))},
        strays={
            f"{path}/{metadata['name']}": release_of(metadata)
            for path in LISTS
            for metadata in kube.metadata(path)
            if metadata["name"].startswith(PREFIXES)
        },
    )


def _sail(metadata: Mapping[str, Any]) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((f"{owner['kind']} {owner['name']}" for owner in owners if owner["kind"] in SAIL_OWNERS), "")
