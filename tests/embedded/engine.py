"""The engine that tests use: the CLI on PATH, else the one that is built; nothing is asked of the vendor."""

import functools
import shutil

from operations import engine
from operations.engine import Engine


@functools.cache
def for_tests() -> Engine:
    """The engine, built first where there is none."""
    return engine.find() if shutil.which("pulumi") else engine.built()
