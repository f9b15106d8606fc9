import re
import subprocess
import sys
from pathlib import Path

import pytest

from components import python

HOME = Path("/home/me")
PROJECT = HOME / "project"
PLUGIN = Path("plugins/github.com_me_istio-minikube-v1.0.0/components/.venv")


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        (PROJECT / ".venv", ".venv/bin/python"),
        (HOME / ".pulumi" / PLUGIN, f"${{PULUMI_HOME:-$HOME/.pulumi}}/{PLUGIN}/bin/python"),
        (HOME / ".cache/pypoetry/shop-py3.13", "$HOME/.cache/pypoetry/shop-py3.13/bin/python"),
        (HOME / "istio-minikube/components/.venv", "../istio-minikube/components/.venv/bin/python"),
        (PROJECT / "{5$}", r"{5\$\}/bin/python"),
    ],
)
def test_a_virtual_environment_is_named_as_any_machine_finds_it(prefix: Path, said: str) -> None:
    assert python.word(prefix, PROJECT, {"HOME": str(HOME)}) == said


def test_a_plugin_is_found_below_another_folder_of_pulumis(tmp_path: Path) -> None:
    said = python.word(tmp_path / PLUGIN, PROJECT, {"HOME": str(HOME), "PULUMI_HOME": str(tmp_path)})
    assert said == python.word(HOME / ".pulumi" / PLUGIN, PROJECT, {"HOME": str(HOME)})


@pytest.mark.parametrize("variables", [{"HOME": "{root}"}, {"HOME": "/elsewhere", "PULUMI_HOME": "{root}/.pulumi"}])
def test_a_shell_reads_the_word_as_the_path(tmp_path: Path, variables: dict[str, str]) -> None:
    environment = {name: value.format(root=tmp_path) for name, value in variables.items()}
    prefix = tmp_path / ".pulumi" / 'a "quoted" {name}'
    said = python.word(prefix, PROJECT, environment)
    read = subprocess.run(
        ["sh", "-c", f'printf %s "${{{python.VARIABLE}:-{said}}}"'],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert read.stdout == f"{prefix}/bin/python"


def test_a_command_runs_a_module_of_this_package_by_the_python_that_has_it() -> None:
    assert re.fullmatch(r'exec "\$\{ISTIO_MINIKUBE_PYTHON:-.+\}" -m components\.commands\.crds', python.program("crds"))
    run = subprocess.run(
        ["sh", "-c", f"{python.program('crds')} --help"],
        env={python.VARIABLE: sys.executable},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "crds" in run.stdout
