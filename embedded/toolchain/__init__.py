"""Builds the embedded cluster's programs, once for each user, from Go modules and other registries' packages.

embedded/go/go.mod pins what is built from Go; the programs go into the user's cache, in folders named after a hash of
everything that decides what is in them, so that clones share them and a changed pin builds again.
"""

from embedded.toolchain.build import Folders, built, ensure, folders
from embedded.toolchain.debian import library_path, unpacked
from embedded.toolchain.failures import is_network_failure
from embedded.toolchain.go import find_go, go_environment, kubernetes_version, module_dir, module_version
from embedded.toolchain.groups import ISTIO_VERSION
from embedded.toolchain.layout import node_packages

__all__ = [
    "ISTIO_VERSION",
    "Folders",
    "built",
    "ensure",
    "find_go",
    "folders",
    "go_environment",
    "is_network_failure",
    "kubernetes_version",
    "library_path",
    "module_dir",
    "module_version",
    "node_packages",
    "unpacked",
]
