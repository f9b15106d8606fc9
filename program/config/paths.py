"""Which file a path of the configuration means."""

import os
import pwd
from pathlib import Path

import pulumi


def kubeconfig(written: str) -> str:
    """The kubeconfig as everything reads it alike: as it is written, or its whole path.

    Everything here takes a leading ``~`` for $HOME, and so do minikube and kubectl. The Kubernetes provider takes the
    home folder of the password database. Where both are the same folder the path stays as it is written, so that the
    state is the same on every machine; where they are not, as with sudo or in CI's containers, a warning tells the
    file, and the path is the whole one.

    Source: parseKubeconfigString in provider/pkg/provider/util.go of pulumi/pulumi-kubernetes.
    """
    if not written.startswith("~"):
        return written
    meant, providers = Path(written).expanduser(), _by_password_database(written)
    if meant == providers:
        return written
    pulumi.warn(f"kubeconfig {written!r} is {meant}, by $HOME, and not {providers}, as the Kubernetes provider has it")
    return str(meant)


def _by_password_database(written: str) -> Path:
    first, _, rest = written.partition("/")
    if first != "~":
        return Path(written)  # ~user is nothing to the provider
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir, rest)
    except KeyError:  # as of a user whom a container has no name for; Go's os/user then takes $HOME
        return Path(written).expanduser()
