"""The files that a stack installs from elsewhere, and the lock that says what is in them.

``make vendor`` puts them into vendor/STACK, which git ignores, and their digests into vendor.lock.json, which it does
not. A stack that is in the lock is installed from those files alone, and only if they are what the lock says.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from components.versions import Chart, Version, addon_chart
from program.settings import Settings

PROJECT = Path(__file__).resolve().parent.parent
LOCK = "vendor.lock.json"
FOLDER = "vendor"
Locked = Mapping[str, Mapping[str, str]]


def istio_charts(settings: Settings) -> list[Chart]:
    """Istio's own charts of a stack: base, an istiod for each version, and its node agents as far as it has them."""
    planes = settings.control_planes
    wanted = [("base", planes.base), *(("istiod", version) for version in dict.fromkeys(planes.versions.values()))]
    wanted += [(chart, planes.base) for chart in settings.node_agents]
    return [Chart(name=name, version=version, repository=settings.istio_chart_repository) for name, version in wanted]


def addon_charts(settings: Settings) -> list[Chart]:
    """The charts of a stack's addons."""
    repository, istio = settings.observability.chart_repository, Version.parse(settings.control_planes.base)
    charts = (addon_chart(addon, istio) for addon in settings.observability.addons)
    return [replace(chart, repository=repository) if repository else chart for chart in charts]


def charts(settings: Settings) -> list[Chart]:
    """The charts of a stack: Istio's, and those of its addons."""
    return istio_charts(settings) + addon_charts(settings)


def manifest_file(settings: Settings) -> str:
    """The name of the file with the stack's Gateway API release."""
    return f"gateway-api-{settings.gateway_api_version}-{settings.gateway_api_channel}.yaml"


def files(settings: Settings) -> list[str]:
    """The names of all files of a stack."""
    return [*(chart.file for chart in charts(settings)), manifest_file(settings)]


def digest(content: bytes) -> str:
    """A file's sha256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_lock(project: Path = PROJECT) -> dict[str, dict[str, dict[str, str]]]:
    """By stack and file: ``sha256``, and ``source``, where the file came from.

    Raises:
        pulumi.RunError: the file cannot be read.
    """
    lock = project / LOCK
    try:
        return dict(json.loads(lock.read_text())) if lock.exists() else {}
    except (OSError, ValueError) as error:
        raise pulumi.RunError(f"{lock} cannot be read: {error}; restore it from version control") from error


def as_locked(settings: Settings, stack: str, project: Path = PROJECT) -> Settings:
    """``settings`` with the vendored files in the place of repositories, if ``stack`` is in the lock.

    Raises:
        pulumi.RunError: a file is not in the lock, is missing or is another one; names it, both digests and what to do.
    """
    locked = read_lock(project).get(stack)
    if locked is None:
        return settings
    for file in files(settings):
        _refuse_another(file, stack, locked, project)
    folder = f"{FOLDER}/{stack}"
    return replace(
        settings,
        istio_chart_repository=folder,
        gateway_api_manifest=f"{folder}/{manifest_file(settings)}",
        observability=replace(settings.observability, chart_repository=folder),
    )


def _refuse_another(file: str, stack: str, locked: Locked, project: Path) -> None:
    path = project / FOLDER / stack / file
    shown = path.relative_to(project)
    if file not in locked:
        raise pulumi.RunError(
            f"{LOCK} has no {file} for stack {stack}: `make vendor STACK={stack}` fetches it and writes it down; "
            "commit the file then"
        )
    if not path.is_file():
        raise pulumi.RunError(f"{shown} is missing, which {LOCK} has: `make vendor STACK={stack}` fetches it")
    seen = digest(path.read_bytes())
    if seen != locked[file]["sha256"]:
        raise pulumi.RunError(
            f"{shown} has sha256 {seen}, and {LOCK} says {locked[file]['sha256']}: nothing of it is installed. "
            f"`make vendor STACK={stack}` fetches it again, if {locked[file]['source']} still has what the lock says"
        )
