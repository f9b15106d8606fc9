"""The mesh's building blocks: one ComponentResource a module.

They are imported when the first of them is asked for: what needs a module of pure data or rules (the commands, the
policy pack) does not wait for the providers' SDKs, or has none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalogue import *  # noqa: F403 whatever it lists


def __getattr__(name: str) -> Any:
    # `from . import kube` asks for the attribute before the module: no module has a class's name.
    if name.islower() and name not in ("kinds", "__all__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # import_module asks for no attribute, where `from . import catalogue` would ask for one here.
    catalogue = import_module(".catalogue", __name__)
    if name != "__all__" and name not in catalogue.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(catalogue, name)
