"""The Pulumi CLI on one of this project's stacks, with a local file backend unless told otherwise."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.commands import UserError
from components.ownership import UPSERTS
from operations.engine import Engine

PROJECT = Path(__file__).resolve().parent.parent
PROJECT_NAME = "istio-minikube"
# In the environment of the CLI, and so of whatever it starts.
MARK = "ISTIO_MINIKUBE_STACK"
STATE = PROJECT / ".pulumi-state"


@dataclass(frozen=True, kw_only=True)
class Cli:
    """The CLI on one stack.

    Attributes:
        engine: the pulumi executable, and what its environment needs.
        stack: the stack's name; its configuration is Pulumi.STACK.yaml.
        state: folder of the file backend that is used unless PULUMI_BACKEND_URL names another.
        policies: enforce the policy pack in policy/, whose virtual environment `make policy-pack` sets up.
        project: the folder with Pulumi.yaml and the stack's file.
    """

    engine: Engine
    stack: str
    state: Path
    policies: bool = False
    project: Path = PROJECT

    def up(self, overrides: Mapping[str, str], *, quiet: bool = False) -> dict[str, Any]:
        """``pulumi up``, with configuration keys over the stack's file; the stack's outputs. Says nothing if ``quiet``.

        Raises:
            UserError: the CLI failed; it has said why.
        """
        self.select(overrides)
        # Outputs are shown afterwards, and no dots are needed where each resource has its lines.
        words = ("up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs", *self._policy_words)
        self.run(*words, quiet=quiet, variables=self._upsert(overrides))
        self._recovered.unlink(missing_ok=True)
        outputs: dict[str, Any] = json.loads(self.run("stack", "output", "--json", quiet=True))
        return outputs

    def preview(
        self, overrides: Mapping[str, str] | None = None, *, quiet: bool = False, events: Path | None = None
    ) -> str:
        """``pulumi preview --diff``, with configuration keys over the stack's file; what it printed if ``quiet``.

        ``events`` is a file that the engine's events are written into, a line of JSON each.

        Raises:
            UserError: the CLI failed, or a mandatory policy is broken; it has said why.
        """
        self.select(overrides)
        variables = self._upsert(overrides or {})
        words = ["--diff", *self._policy_words]
        if events:
            # As Pulumi's own Automation API asks for them.
            variables, words = {**variables, "PULUMI_DEBUG_COMMANDS": "true"}, [*words, "--event-log", str(events)]
        return self.run("preview", *words, quiet=quiet, variables=variables)

    def destroy(self) -> None:
        """``pulumi destroy``."""
        self.select()
        self.run("destroy", "--yes", "--skip-preview", "--suppress-progress")
        self._recovered.unlink(missing_ok=True)

    def export(self) -> dict[str, Any]:
        """``pulumi stack export``: the state, readable while the stack is locked, too."""
        exported: dict[str, Any] = json.loads(self.run("stack", "export", quiet=True))
        return exported

    @property
    def known(self) -> bool:
        """Whether the stack was ever selected with this state's folder."""
        return self._config_file.exists()

    def load(self, exported: Mapping[str, Any]) -> None:
        """``pulumi stack import``: make what ``export`` gave, or a part of it, the state."""
        file = self.state / f"{self.stack}.import.json"
        file.write_text(json.dumps(exported))
        try:
            self.run("stack", "import", "--file", str(file), quiet=True)
        finally:
            file.unlink()

    def recover(self) -> None:
        """Unlock the stack, and make its state what the cluster is; the next ``up`` takes over what is there already.

        ``pulumi refresh`` finds what was changed or deleted by hand, but nothing that the state does not have.
        """
        self.run("cancel", "--yes")
        self.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        self._recovered.touch()

    def select(self, overrides: Mapping[str, str] | None = None) -> None:
        """Make the stack if there is none yet, with configuration keys over its file."""
        # In the state's folder, with copies of the project's files: the CLI writes an encryption salt into the stack's.
        self.state.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.project / "Pulumi.yaml", self.state / "Pulumi.yaml")
        self._write_config(overrides or {})
        self._call(["stack", "select", "--create"], self.state, quiet=True)

    def run(self, *words: str, quiet: bool = False, variables: Mapping[str, str] | None = None) -> str:
        """Run the CLI on the stack; what it printed if ``quiet``, else that goes to the terminal.

        ``variables`` are further ones of its environment.
        """
        configured = [] if words[0] in ("stack", "cancel") else ["--config-file", str(self._config_file)]
        return self._call([*words, *configured], self.project, quiet=quiet, variables=variables)

    def _call(self, words: list[str], folder: Path, *, quiet: bool, variables: Mapping[str, str] | None = None) -> str:
        command = [str(self.engine.binary), *words, "--stack", self.stack, "--non-interactive"]
        output = subprocess.PIPE if quiet else None
        with subprocess.Popen(
            command, cwd=folder, env={**(variables or {}), **self.environment()}, stdout=output, text=True
        ) as cli:
            try:
                printed, _ = cli.communicate()
            except KeyboardInterrupt:
                # It has got Ctrl-C, too, and ends in order; killed, as by subprocess.run, it would leave a lock.
                cli.wait()
                raise
        if cli.returncode:
            raise UserError(f"`pulumi {words[0]}` exits with {cli.returncode}; what it says above tells why")
        return printed or ""

    def environment(self) -> dict[str, str]:
        """The environment of the CLI; what is set outside wins."""
        passphrase = {} if "PULUMI_CONFIG_PASSPHRASE_FILE" in os.environ else {"PULUMI_CONFIG_PASSPHRASE": ""}
        return {
            # metadata=skip: no .attrs beside the state, which a killed CLI leaves empty and then cannot read.
            "PULUMI_BACKEND_URL": f"{self.state.as_uri()}?metadata=skip",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **passphrase,
            **os.environ,
            **self.engine.variables,
            **dict([self.mark.split("=", 1)]),
        }

    @property
    def mark(self) -> str:
        """What the environment of a CLI on this stack, and of its plugins, holds: ``NAME=value``."""
        return f"{MARK}={self.state / self.stack}"

    def _upsert(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """A stack that adopts a mesh, or has recovered, takes over objects that are there; any other refuses."""
        configured = (yaml.safe_load((self.project / self._config_file.name).read_text()) or {}).get("config") or {}
        adopts = overrides.get("adopt", configured.get(f"{PROJECT_NAME}:adopt", False))
        upserts = self._recovered.exists() or str(adopts).lower() == "true"
        return {UPSERTS: "true"} if upserts else {}

    @property
    def _policy_words(self) -> tuple[str, ...]:
        return ("--policy-pack", str(PROJECT / "policy")) if self.policies else ()

    @property
    def _recovered(self) -> Path:
        """Is there from ``recover`` until an ``up`` or ``destroy`` has gone through."""
        return self.state / f"{self.stack}.recovered"

    @property
    def _config_file(self) -> Path:
        return self.state / f"Pulumi.{self.stack}.yaml"

    def _write_config(self, overrides: Mapping[str, str]) -> None:
        """Copy the stack's file with ``overrides``, and keep the salt that the CLI wrote into an earlier copy."""
        document = yaml.safe_load((self.project / self._config_file.name).read_text()) or {}
        # Not by --config: the CLI takes what that gives for text, and refuses text for an object or a list.
        description = yaml.safe_load((self.project / "Pulumi.yaml").read_text())
        for key, value in overrides.items():
            kind = description["config"].get(key, {}).get("type", "string")
            try:
                read = value if kind == "string" else yaml.safe_load(value)
            except yaml.YAMLError as error:
                raise UserError(
                    f"config key {PROJECT_NAME}:{key} is {value!r}; accepted: YAML of type {kind}"
                ) from error
            document["config"] = (document.get("config") or {}) | {f"{description['name']}:{key}": read}
        if self._config_file.exists() and "encryptionsalt" not in document:
            earlier = yaml.safe_load(self._config_file.read_text()) or {}
            document |= {key: earlier[key] for key in ("encryptionsalt",) if key in earlier}
        self._config_file.write_text(yaml.safe_dump(document, sort_keys=False))
