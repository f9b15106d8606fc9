"""Tells which keys of the configuration name an address that ends."""

import json
from collections.abc import Mapping
from typing import Any

from components.addresses import RETIREMENT, retired_in


def retired_addresses(fields: Mapping[str, Any]) -> list[str]:
    """A warning for each field of the settings that names one; a value may hold a secret, so no more of it is shown."""
    return [
        f"config key {_key(name)} names {old}, which Istio removes in {RETIREMENT}: write {new} in its place"
        for name, value in fields.items()
        for old, new in retired_in(json.dumps(value, default=repr)).items()
    ]


def _key(name: str) -> str:
    """A field's key: ``istio_values`` is istioValues."""
    first, *others = name.split("_")
    return "".join((first, *(other.capitalize() for other in others)))
