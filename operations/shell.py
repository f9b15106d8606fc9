"""``make shell``: a shell in which pulumi, kubectl and helm are those of a stack."""

import os
import shutil
import subprocess
from collections.abc import Sequence

import yaml

from components import kubeconfig
from components.commands import UserError
from embedded import toolchain
from operations import deploy
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT
from operations.pulumi_cli import STATE, Cli


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
    """The environment of such a shell: backend, kubeconfig with the stack's context, and the tools that are built."""
    settings = settings_of(stack)
    listed = [str((PROJECT / file).absolute()) for file in kubeconfig.files(settings["kubeconfig"])]
    # kubectl takes the current context from the first file that names one, and everything else from the rest.
    context = STATE / f"{stack}.context.yaml"
    context.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": settings["context"]}))
    environment = cli.environment()
    tools = [str(getattr(toolchain.folders(), name)) for name in ("cluster", "istioctl") if toolchain.built(name)]
    folders = [str(cli.engine.binary.parent), *tools, environment.get("PATH", os.defpath)]
    return {
        **environment,
        "PATH": os.pathsep.join(folders),
        "KUBECONFIG": os.pathsep.join([str(context), *listed]),
    }
