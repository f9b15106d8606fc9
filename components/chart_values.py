"""Values of Istio's charts as a Release is given them.

``null`` drops a chart's default, and Pulumi's SDK for Python drops ``null``. In a file of values it reaches Helm:
https://github.com/pulumi/pulumi-kubernetes/pull/4306 (provider 4.30 and newer).
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import yaml

from .versions import Version

# Where Istio's charts have their defaults; templates lay the user's values over them, so that a null beside them would
# be written out as null: https://github.com/istio/istio/issues/53673
DEFAULTS = "_internal_defaults_do_not_set"
# Until then istiod's own defaults are under `pilot`; from then on what is given there is copied to the top.
FLAT = Version(1, 24)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid on it, key by key as Helm merges values; anything but a mapping is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return result


def nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``values`` that is null."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            found[key] = None
        elif isinstance(value, Mapping) and (below := nulls(value)):
            found[key] = below
    return found


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``values`` that is not null; an object of nothing else goes with them."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(value, Mapping):
            result |= {} if value is None else {key: value}
        elif (below := without_nulls(value)) or not value:
            result[key] = below
    return result


def dropped(empty: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The values that drop, of a chart of this version, the defaults that are null in ``empty``."""
    below = empty.get("pilot")
    if isinstance(below, Mapping) and Version.parse(version) >= FLAT:
        empty = merged({key: value for key, value in empty.items() if key != "pilot"}, below)
    return {DEFAULTS: dict(empty)}


def release_values(values: Mapping[str, Any], version: str = "", *, secret: bool = False) -> dict[str, Any]:
    """The inputs of a Release that give it ``values``: a file besides, where some are null.

    ``version`` is Istio's, for one of its charts; empty for a chart with its defaults in place. ``secret`` values are
    encrypted in the state and never shown; which of them is null is no secret.
    """
    kept = without_nulls(values)
    given: dict[str, Any] = {"values": pulumi.Output.secret(kept) if secret else kept}
    if empty := nulls(values):
        given["value_yaml_files"] = [pulumi.StringAsset(yaml.safe_dump(dropped(empty, version) if version else empty))]
    return given


def told(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The values that Helm is told by a Release's inputs."""
    result: dict[str, Any] = {}
    for file in inputs.get("valueYamlFiles") or ():
        result = merged(result, yaml.safe_load(file.text))
    return merged(result, inputs.get("values") or {})
