"""``make up`` without minikube, where the embedded cluster's binaries are built already."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Result, timed
from benchmarks.setting import quietly
from embedded import toolchain
from operations.manifests.evaluate import PROJECT

LIMIT_SECONDS = 15.0
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "vendor")


def results(runs: int) -> Iterator[Result]:
    """From nothing running to six ready Bookinfo pods, against what a person should have to wait at the most."""
    toolchain.ensure("cluster", "engine")
    took = [_make_up() for _ in range(runs)]
    yield Result(
        name=f"make up on the embedded cluster, against {LIMIT_SECONDS:.0f} s",
        ours=took,
        reference=[LIMIT_SECONDS] * runs,
        target=1.0,
    )


def _make_up() -> float:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(PROJECT, copy, ignore=LEFT_OUT)
        (copy / ".venv").symlink_to(PROJECT / ".venv")
        seconds = timed(lambda: quietly("make", "up", folder=copy, environment=_bare_machine()))
        quietly("make", "destroy", folder=copy, environment=_bare_machine())
    return seconds


def _bare_machine() -> dict[str, str]:
    """The environment without minikube and without the Pulumi CLI."""
    folders = os.environ["PATH"].split(os.pathsep)
    bare = [each for each in folders if not any((Path(each) / tool).exists() for tool in ("minikube", "pulumi"))]
    return {**os.environ, "PATH": os.pathsep.join(bare)}
