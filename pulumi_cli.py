"""The Pulumi CLI on one of this project's stacks: found or fetched, with a local file backend unless told otherwise."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent
PROJECT_NAME = "istio-minikube"


class CliError(Exception):
    """One paragraph for the person at the terminal: what happened and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Cli:
    """The CLI on one stack.

    Attributes:
        binary: the pulumi executable.
        stack: the stack's name; its configuration is Pulumi.STACK.yaml.
        state: folder of the file backend that is used unless PULUMI_BACKEND_URL names another.
    """

    binary: Path
    stack: str
    state: Path

    def up(self, overrides: Mapping[str, str]) -> dict[str, Any]:
        """``pulumi up``, with configuration keys over the stack's file; the stack's outputs.

        Raises:
            CliError: the CLI failed; it has said why.
        """
        self.select()
        words = [word for key, value in overrides.items() for word in ("--config", f"{PROJECT_NAME}:{key}={value}")]
        self.run("up", "--yes", "--skip-preview", *words)
        outputs: dict[str, Any] = json.loads(self.run("stack", "output", "--json", quiet=True))
        return outputs

    def preview(self) -> None:
        """``pulumi preview --diff``."""
        self.select()
        self.run("preview", "--diff")

    def destroy(self) -> None:
        """``pulumi destroy``."""
        self.select()
        self.run("destroy", "--yes", "--skip-preview")

    def select(self) -> None:
        """Make the stack if there is none yet."""
        self.run("stack", "select", "--create", quiet=True)

    def run(self, *words: str, quiet: bool = False) -> str:
        """Run the CLI on the stack; what it printed if ``quiet``, else that goes to the terminal."""
        command = [str(self.binary), *words, "--stack", self.stack, "--non-interactive"]
        if words[0] != "stack":
            command += ["--config-file", str(self._config_file())]
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment(),
            stdout=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CliError(f"`pulumi {words[0]}` exits with {done.returncode}; what it says above tells why")
        return done.stdout or ""

    def environment(self) -> dict[str, str]:
        """The environment of the CLI; what is set outside wins."""
        self.state.mkdir(parents=True, exist_ok=True)
        passphrase = {} if "PULUMI_CONFIG_PASSPHRASE_FILE" in os.environ else {"PULUMI_CONFIG_PASSPHRASE": ""}
        return {
            "PULUMI_BACKEND_URL": self.state.as_uri(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **passphrase,
            **os.environ,
        }

    def _config_file(self) -> Path:
        """A copy of the stack's file: the CLI writes its encryption salt into it, which is not to be committed."""
        copy = self.state / f"Pulumi.{self.stack}.yaml"
        shutil.copyfile(PROJECT / copy.name, copy)
        return copy


def found() -> Path | None:
    """The CLI on PATH, if there is one."""
    binary = shutil.which("pulumi")
    return Path(binary) if binary else None


def fetched(folder: Path) -> Path:
    """The CLI of the SDK's own version, put into ``folder`` by the SDK.

    Raises:
        CliError: it cannot be fetched.
    """
    from pulumi.automation import PulumiCommand  # slow to import, and only needed here

    print(f"The Pulumi CLI is not on PATH: fetching it into {folder}, once", flush=True)
    try:
        return Path(PulumiCommand.install(root=str(folder)).command)
    except Exception as error:
        raise CliError(f"the Pulumi CLI cannot be fetched ({error}); install it and put it on PATH") from error
