"""``make shell``: a shell in which pulumi, kubectl and helm are those of a stack."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from components.commands import UserError
from components.kubeconfig import IN_CLUSTER, files, in_cluster_document
from embedded import toolchain
from operations import deploy
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import STATE, Cli

BUILT = ("cluster", "istioctl", "k9s")
"""The toolchain's groups with programs for a person's shell."""


def run(stack: str, words: Sequence[str] = ()) -> int:
    """Open a shell for the stack in the project's folder, or run ``words`` in its place; the exit code."""
    cli = deploy.cli_for(stack)
    cli.select()
    # The stack of a plain `pulumi` in the project's folder.
    subprocess.run(
        [str(cli.engine.binary), "stack", "select", stack, "--non-interactive"],
        cwd=PROJECT,
        env=cli.environment(),
        check=True,
    )
    command = list(words) or [os.environ.get("SHELL", "/bin/sh")]
    if not words:
        print(f"A shell for stack {stack}: pulumi, kubectl and helm are the stack's; `exit` leaves it", flush=True)
    environment = variables(cli, stack)
    if not shutil.which(command[0], path=environment["PATH"]):
        raise UserError(f"{command[0]} is not on PATH; accepted: a command, such as pulumi or kubectl")
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


def variables(cli: Cli, stack: str) -> dict[str, str]:
    """The environment of such a shell: the CLI's backend, and what ``cluster_variables`` has."""
    environment = cli.environment()
    found = cluster_variables(stack, settings_of(stack), environment)
    return {**found, "PATH": os.pathsep.join([str(cli.engine.binary.parent), found["PATH"]])}


def cluster_variables(
    stack: str, settings: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """``environment`` (by default this process's) with the stack's context as kubectl's, and the tools that are built.

    Args:
        stack: the stack's name.
        settings: its configuration by bare key.
        environment: what is added to.
    """
    environment = os.environ if environment is None else environment
    listed = [str((PROJECT / file).absolute()) for file in files(settings["kubeconfig"])]
    # kubectl takes the current context from the first file that names one, and everything else from the rest.
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": settings["context"]}
    if settings["kubeconfig"] == IN_CLUSTER:
        document = in_cluster_document()
    STATE.mkdir(parents=True, exist_ok=True)
    context = STATE / f"{stack}.context.yaml"
    context.write_text(yaml.safe_dump(document))
    tools = [str(getattr(toolchain.folders(), name)) for name in BUILT if toolchain.built(name)]
    return {
        **environment,
        "PATH": os.pathsep.join([*tools, environment.get("PATH", os.defpath)]),
        "KUBECONFIG": os.pathsep.join([str(context), *listed]),
    }
