"""Productpage: this machine's Python, and the packages that upstream pins, of PyPI."""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from embedded.images.contents import workload_names
from embedded.images.libraries import needed
from embedded.images.oci import Image
from embedded.images.upstream.files import SYSTEM, USER, tree
from embedded.toolchain import pypi
from embedded.toolchain.progress import Say

HOME, PACKAGES = "/opt/microservices", "/opt/packages"
NOT_IN_LIBRARY = (
    *("site-packages", "dist-packages", "__pycache__", "test", "tests", "ensurepip", "lib2to3"),
    *("idlelib", "tkinter", "turtledemo"),
)
"""Of Python's own library: what is other people's, and what is for people at a screen."""

SERVER = ("-m", "gunicorn", "-b", "[::]:9080", "productpage:app", "-w", "8", "--keep-alive", "2", "-k", "gevent")
"""Upstream's command."""


def images(source: Path, say: Say) -> Iterator[Image]:
    """The one image.

    Raises:
        Unreachable: PyPI cannot be reached.
        EmbeddedError: A package cannot be installed for this Python, or a library of it is missing.
    """
    packages = pypi.installed_from(
        source / "requirements.txt", name="productpage", say=say, reason="Bookinfo's productpage is built"
    )
    python, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    modules = [each for each in library.glob("lib-dynload/*.so") if not each.name.startswith("_tkinter")]
    runtime = tree(library, str(library), NOT_IN_LIBRARY)
    runtime = {path: content for path, content in runtime.items() if "_tkinter" not in path and "/config-" not in path}
    yield Image(
        names=workload_names("productpage-v1"),
        layers=[
            SYSTEM,
            {str(python): python, **runtime, **needed([python, *modules, *packages.rglob("*.so")])},
            {**tree(packages, PACKAGES, ("bin", "__pycache__")), **tree(source, HOME, ("tests",))},
        ],
        config={
            "Cmd": [str(python), *SERVER],
            "Env": [f"PYTHONPATH={PACKAGES}", "PYTHONDONTWRITEBYTECODE=1", "FLOOD_FACTOR=0"],
            "User": USER,
            "WorkingDir": HOME,
        },
    )
