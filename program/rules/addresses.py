"""Which keys still name an address that ends: pure rules."""

import json
from dataclasses import fields

from components.addresses import RETIREMENT, retired_in
from program.settings import Settings


def retired_addresses(settings: Settings) -> list[str]:
    """A warning for each key that names one; a value may hold a secret, so that no more of it is shown."""
    return [
        f"config key {_key(field.name)} names {old}, which Istio removes in {RETIREMENT}: write {new} in its place"
        for field in fields(settings)
        for old, new in retired_in(json.dumps(getattr(settings, field.name), default=repr)).items()
    ]


def _key(name: str) -> str:
    """A field's key: ``istio_values`` is istioValues."""
    first, *others = name.split("_")
    return "".join((first, *(other.capitalize() for other in others)))
