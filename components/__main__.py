"""Hosts the components for `pulumi package add`: as the plugin in this folder, or as `python -m istio_minikube`."""

import sys
from importlib import import_module

if __name__ == "__main__":
    if not __package__:
        # Run as a folder, which would then hide other packages behind its modules' names.
        sys.path.pop(0)
    # By the name that it is installed under, which Commands use too.
    import_module("istio_minikube.host").serve()
