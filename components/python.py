"""How a Command calls a program of ``commands/``."""

INTERPRETER = '"${ISTIO_MINIKUBE_PYTHON:-.venv/bin/python}"'
"""The Python that has this package, as a shell word: the project's virtual environment unless the variable names one.

Commands run in the project's folder, so the word is the same on every machine and never makes a difference in state.
"""
PACKAGE = __name__.rpartition(".")[0]


def program(name: str) -> str:
    """The shell command that runs one of ``commands/``, such as ``crds``, in the place of its shell."""
    return f"exec {INTERPRETER} -m {PACKAGE}.commands.{name}"
