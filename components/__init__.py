"""The mesh's building blocks: one ComponentResource a module.

They are imported when the first of them is asked for: what needs a module of pure data or rules (the commands, the
policy pack) does not wait for the providers' SDKs, or has none.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalogue import *  # noqa: F403 whatever it lists


def __getattr__(name: str) -> Any:
    # Whoever imports a module from here asks for it as an attribute first.
    catalogue = None if find_spec(f".{name}", __name__) else import_module(".catalogue", __name__)
    if catalogue is None or (name != "__all__" and name not in catalogue.__all__):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(catalogue, name)
