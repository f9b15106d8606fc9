"""Which registries a stack may take images from: read from its configuration, pure.

Two kinds of callers hand it over: the CrossGuard pack, to which Pulumi gives the stack's configuration, and ``make
policy``, which reads the stack's file.
"""

import json
from collections.abc import Mapping
from typing import Any

from components.addresses import ISTIO_IMAGES
from components.images import ImageSource, repository
from components.versions import ADDON_IMAGES

# By bare key, as the Pulumi CLI has it: text, which is JSON where the value is a list or an object.
Config = Mapping[str, str]


def allowed(config: Config) -> list[str]:
    """Registries, or folders of them: what allowedRegistries lists, or else what the stack itself names.

    That is Istio's images and its sample's, those of the addons that it has, and its services', each where a mirror
    that it has configured keeps it.
    """
    if listed := _tree(config, "allowedRegistries", []):
        return list(listed)
    source = ImageSource(mirror=config.get("imageRegistry", ""), mirrors=_tree(config, "imageRegistries", {}))
    observability = _tree(config, "observability", {})
    named = [ISTIO_IMAGES]
    named += [image for addon, images in ADDON_IMAGES.items() if observability.get(addon) for image in images]
    for service in _tree(config, "services", []):
        named += _images(service)
    return list(dict.fromkeys(source.moved(repository(image)) for image in named))


def _images(service: Mapping[str, Any]) -> list[str]:
    if service.get("kind") == "existing":
        return []  # somebody else's
    return [service["image"]] if "image" in service else [*service["versions"].values()]


def is_in(image: str, registries: list[str]) -> bool:
    """Whether an image is from one of these."""
    return any(f"{repository(image)}/".startswith(f"{registry}/") for registry in registries)


def _tree(config: Config, key: str, default: Any) -> Any:
    return json.loads(config[key]) if config.get(key) else default
