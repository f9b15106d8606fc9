"""What holds for every program that a Command runs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
COMMANDS = sorted(path.stem for path in (PROJECT / "components/commands").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_not_wait_for_the_providers_sdks(name: str) -> None:
    code = f"import sys, components.commands.{name}; print(*(each for each in sys.modules if 'pulumi_' in each))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
