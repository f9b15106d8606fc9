"""The programs in examples/, in a copy of what a user has of this repository."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded import toolchain
from operations.engine import Engine
from operations.manifests.evaluate import PROJECT

PARTS = ("components", "examples", "pyproject.toml", "requirements.txt", "docs")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "sdks", "*.egg-info")
HOSTS = PROJECT / "tests" / "hosts"
TIMEOUT_SECONDS = 900


def copy_to(folder: Path) -> Path:
    """Copy what the package and its examples consist of."""
    for part in PARTS:
        if (PROJECT / part).is_dir():
            shutil.copytree(PROJECT / part, folder / part, ignore=LEFT_OUT)
        else:
            shutil.copyfile(PROJECT / part, folder / part)
    return folder


def run(*words: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; what it printed, on both outputs where it failed."""
    done = subprocess.run(
        list(map(str, words)),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}"
    return done.stdout


def language_hosts(engine: Engine, folder: Path) -> Path:
    """A folder with the language hosts that do not come with the CLI: Pulumi's own for YAML, a stand-in for Node.js."""
    builds = {"yaml": "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", "nodejs": "."}
    for language, package in builds.items():
        name = f"pulumi-language-{language}"
        if not (engine.binary.resolve().parent / name).exists():
            environment = {**toolchain.go_environment(), "CGO_ENABLED": "0"}
            words = (toolchain.find_go(), "build", "-trimpath", "-o", folder / name, package)
            run(*words, folder=HOSTS / language, environment=environment)
    return folder


def own_environment(example: Path) -> None:
    """Set up the virtual environment of a program in Python; what the package requires is that of the tests."""
    run(sys.executable, "-m", "venv", ".venv", folder=example)
    python = example / ".venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", "requirements.txt", folder=example)
    (there,) = (example / ".venv" / "lib").glob("python*/site-packages")
    (there / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"))


@dataclass(frozen=True, kw_only=True)
class Example:
    """A program on one stack.

    Attributes:
        folder: the project's.
        engine: the CLI.
        hosts: a folder with further language hosts.
        state: the folder with the stack's state, which several machines can share.
        home: the home folder of whoever runs it.
    """

    folder: Path
    engine: Engine
    hosts: Path
    state: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            **os.environ,
            "PULUMI_BACKEND_URL": self.state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Most of an installation's time, for modules that are never imported.
            "PIP_NO_COMPILE": "1",
            **self.engine.variables,
        }
        # Else below the home folder.
        kept.setdefault("PULUMI_HOME", str(Path.home() / ".pulumi"))
        return {**kept, "HOME": str(self.home), "PATH": f"{kept['PATH']}{os.pathsep}{self.hosts}"}

    def run(self, *words: str) -> str:
        """Run the CLI to its end; what it printed."""
        words = (*words, "--non-interactive", "--color=never")
        return run(self.engine.binary, *words, folder=self.folder, environment=self.environment)

    def refused(self, *words: str) -> str:
        """Run the CLI, which must fail; what it printed."""
        done = subprocess.run(
            [self.engine.binary, *words, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode != 0, done.stdout
        return done.stdout

    def configure(self, settings: Mapping[str, str]) -> None:
        """Make the stack, with these keys."""
        self.state.mkdir(exist_ok=True)
        self.select()
        self.run("config", "set-all", *(word for pair in settings.items() for word in ("--plaintext", "=".join(pair))))

    def select(self) -> None:
        """Make the stack the one of this folder."""
        self.run("stack", "select", "--create", "dev")

    def up(self) -> dict[str, Any]:
        """``pulumi up``; the outputs."""
        self.run("up", "--yes", "--skip-preview")
        return dict(json.loads(self.run("stack", "output", "--json")))
