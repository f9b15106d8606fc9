"""Istio's CNI plugin for sidecars: a node agent prepares the network of pods, which then need no privilege."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CHART, RELEASE = "cni", "istio-cni"
# What istiod's chart is told: no istio-init in its pods.
USED = {"pilot": {"cni": {"enabled": True}}}


@dataclass(frozen=True, kw_only=True)
class CniPlugin:
    """Istio's CNI plugin, with istiods that count on it.

    Attributes:
        values: values of istio-cni's chart; its ``global`` ones are usually those of istiod's.
        secret_values: whether ``values`` are to be encrypted in the state and never shown.
        former: the URN of the release in the state, where another component has had it before; empty for none.

    Source: https://istio.io/latest/docs/setup/additional-setup/cni/
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    secret_values: bool = False
    former: str = ""


def former_urn(stack: str, project: str, token: str, component: str) -> str:
    """The URN that the release has in the state as the child of a component of this type token and name."""
    return f"urn:pulumi:{stack}::{project}::{token}$kubernetes:helm.sh/v3:Release::{component}-{CHART}"
