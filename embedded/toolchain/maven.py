"""Artifacts of Maven's repository, by Maven's own client."""

import shutil
import subprocess
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable
from embedded.toolchain.failures import is_network_failure

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


def fetched(artifact: str, folder: Path) -> Path:
    """Put an artifact into a folder and return its file.

    Args:
        artifact: Such as io.openliberty:openliberty-runtime:24.0.0.12:zip.
        folder: Where it goes, and with it what Maven needs for this: the user's own repository stays as it is.

    Raises:
        Unreachable: The repository cannot be reached.
        EmbeddedError: There is no such artifact, or no client on PATH.
    """
    client = shutil.which("mvn")
    if client is None:
        message = f"Maven's client, which fetches {artifact}, is not on PATH: apt-get install maven (Debian, Ubuntu)."
        raise EmbeddedError(message)
    repository = f"-Dmaven.repo.local={folder / 'repository'}"
    command = [client, "--batch-mode", "--quiet", "-Dstyle.color=never", repository, COPY]
    command += [f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    name, version, kind = artifact.split(":")[1:]
    file = folder / f"{name}-{version}.{kind}"
    if done.returncode != 0 or not file.exists():
        errors = [line for line in done.stdout.splitlines() if "[ERROR]" in line]
        reason = errors[0].partition("[ERROR] ")[2] if errors else (done.stdout + done.stderr).strip()
        message = f"Maven cannot fetch {artifact}: {reason[:400]}."
        raise Unreachable(message) if is_network_failure(done.stdout) else EmbeddedError(message)
    return file
