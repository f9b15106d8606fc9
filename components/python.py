"""How a Command calls a program of ``commands/``, in words that are the same on every machine.

A Command's text is in the state, and a text that differs is a change. So it never has the path of a folder that another
machine has elsewhere: programs, plugins and Commands all start in the folder of the project.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "ISTIO_MINIKUBE_PYTHON"
"""Names another Python that has this package, in the environment of the Pulumi CLI."""
PACKAGE = __name__.rpartition(".")[0]


def word(prefix: Path, project: Path, environment: Mapping[str, str]) -> str:
    """Where the Python of a virtual environment is, for a shell and inside double quotes.

    Args:
        prefix: the virtual environment: the project's own, the one that the engine created for a plugin, or any other.
        project: the folder of the project that is run.
        environment: has HOME, and PULUMI_HOME where that is not ~/.pulumi.
    """
    python = prefix / "bin" / "python"
    home = Path(environment.get("HOME") or Path.home())
    plugins = Path(environment.get("PULUMI_HOME") or home / ".pulumi")
    if python.is_relative_to(project):
        return _quoted(str(python.relative_to(project)))
    if python.is_relative_to(plugins):
        return f"${{PULUMI_HOME:-$HOME/.pulumi}}/{_quoted(str(python.relative_to(plugins)))}"
    # Where Poetry and others keep virtual environments. What is not hidden lies beside the project, as in a monorepo.
    if python.is_relative_to(home) and python.relative_to(home).parts[0].startswith("."):
        return f"$HOME/{_quoted(str(python.relative_to(home)))}"
    return _quoted(os.path.relpath(python, project))


def _quoted(path: str) -> str:
    """A path as it is written inside double quotes and braces."""
    return re.sub(r'([\\"$`}])', r"\\\1", path)


def _own_word() -> str:
    # Without a virtual environment, the Python on PATH is all that can be said of it on another machine.
    in_one = sys.prefix != sys.base_prefix
    return word(Path(sys.prefix), Path.cwd(), os.environ) if in_one else "python3"


INTERPRETER = f'"${{{VARIABLE}:-{_own_word()}}}"'
"""The Python that has this package, as a shell word: the one that plans, unless the variable names another."""


def program(name: str) -> str:
    """The shell command that runs one of ``commands/``, such as ``crds``, in the place of its shell."""
    return f"exec {INTERPRETER} -m {PACKAGE}.commands.{name}"
