"""Pulumi's engine for this project: the CLI and the plugins that it needs, found, fetched or built."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.commands import UserError
from components.gateway_api import cache_folder
from embedded import toolchain

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Pulumi CLI.

    Attributes:
        binary: the ``pulumi`` executable.
        variables: what its environment needs beside; empty where the CLI looks after its plugins itself.
    """

    binary: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def find(say: Say = print) -> Engine:
    """The CLI on PATH; else the vendor's, fetched once; else, where the vendor cannot be reached, one built once.

    Args:
        say: receives a line where something is fetched or built.

    Raises:
        UserError: there is none and none can be had.
        EmbeddedError: building one failed; says why.
    """
    if on_path := shutil.which("pulumi"):
        return Engine(binary=Path(on_path))
    fetched = cache_folder() / "pulumi"
    if (binary := fetched / "bin" / "pulumi").exists():
        return Engine(binary=binary)
    if not toolchain.built("engine"):
        say(f"The Pulumi CLI is not on PATH: fetching it into {fetched}, once")
        try:
            return Engine(binary=_fetch(fetched))
        except UserError as error:
            say(f"{error}; building it from Go modules instead")
    return built(say)


def _fetch(folder: Path) -> Path:
    """The CLI of the SDK's own version, put into ``folder`` by the SDK.

    Raises:
        UserError: it cannot be fetched.
    """
    from pulumi.automation import PulumiCommand  # slow to import, and only needed here

    try:
        return Path(PulumiCommand.install(root=str(folder)).command)
    except (OSError, RuntimeError, subprocess.CalledProcessError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The Pulumi CLI cannot be fetched from Pulumi ({reason})") from error


def built(say: Say = print) -> Engine:
    """The CLI, its language host and its plugins as built from Go modules, once.

    Raises:
        EmbeddedError: building failed; says why.
    """
    folder = toolchain.ensure("engine", say=say).engine
    variables = {
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        # An enable_patch_force on the provider is newer than the Kubernetes plugin that can be built.
        "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    return Engine(binary=folder / "bin" / "pulumi", variables=variables)
