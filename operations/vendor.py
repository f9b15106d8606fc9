"""``make vendor``: fetches the charts and the Gateway API manifest of a stack, and locks what is in them."""

import http.client
import json
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import yaml
from pulumi.runtime import settings as runtime
from pulumi.runtime.config import set_all_config

from components.commands import UserError
from components.gateway_api import LOADER, cache_folder, load_manifest, reason, release_files
from components.versions import Chart
from embedded import toolchain
from operations.manifests.evaluate import stack_config
from program.settings import Settings
from program.supply import FOLDER, LOCK, PROJECT, charts, digest, manifest_file, read_lock

TIMEOUT_SECONDS = 60


def settings_of(stack: str) -> Settings:
    """The stack's settings, as the program would read them.

    Raises:
        pulumi.RunError: a value is not accepted.
        UserError: there is no such stack.
    """
    config = stack_config(stack)
    runtime.configure(runtime.Settings(project=next(iter(config)).split(":")[0], stack=stack))
    set_all_config(config, list(config.secrets))
    return Settings.load()


def fetched(settings: Settings) -> dict[str, tuple[bytes, str]]:
    """By name, every file of the stack and where it came from.

    Raises:
        UserError: one cannot be fetched.
        pulumi.RunError: the Gateway API's cannot be, or is of another version.
    """
    found = {chart.file: chart_archive(chart) for chart in charts(settings)}
    release = (settings.gateway_api_manifest, settings.gateway_api_version, settings.gateway_api_channel)
    load_manifest(*release, cache_folder())  # refuses another version
    sources = release_files(*release, cache_folder())
    manifest = b"\n---\n".join(file.read_bytes() for file in sources)
    return {**found, manifest_file(settings): (manifest, settings.gateway_api_manifest or "the official release")}


def chart_archive(chart: Chart) -> tuple[bytes, str]:
    """A chart's archive and where it came from: a local folder, an OCI registry, or a Helm repository by its index.

    Raises:
        UserError: it is not there, or not what the repository's index says.
        EmbeddedError: it is in an OCI registry, and helm cannot be built.
    """
    if chart.repository.startswith("oci://"):
        return _pulled(chart)
    if "://" not in chart.repository:
        path = Path(chart.repository).expanduser() / chart.file
        if not path.is_file():
            raise UserError(f"{path} does not exist; accepted: a folder that holds {chart.file}, or an address")
        return path.read_bytes(), chart.repository
    repository = f"{chart.repository.rstrip('/')}/"
    try:
        index = yaml.load(_got(f"{repository}index.yaml"), Loader=LOADER)  # noqa: S506 a safe loader, just the compiled one
        entry = next(entry for entry in index["entries"][chart.name] if entry["version"] == chart.version)
        address = urllib.parse.urljoin(repository, entry["urls"][0])
    except (yaml.YAMLError, KeyError, TypeError, IndexError, StopIteration) as error:
        raise UserError(
            f"the index of {chart.repository} has no {chart.name} {chart.version}; check the version and the repository"
        ) from error
    content = _got(address)
    said = str(entry.get("digest") or digest(content)).removeprefix("sha256:")
    if digest(content) != said:
        raise UserError(
            f"{address} has sha256 {digest(content)}, and the repository's own index says {said}: try again, or ask "
            "who runs the repository"
        )
    return content, address


def _pulled(chart: Chart) -> tuple[bytes, str]:
    """What helm pulls from an OCI registry, with the credentials in Docker's configuration file, and its address.

    Helm checks the archive against the digest in the registry's manifest.
    """
    address = f"{chart.repository.rstrip('/')}/{chart.name}"
    with tempfile.TemporaryDirectory() as folder:
        words = ("pull", address, "--version", chart.version, "--destination", folder)
        helm = [str(toolchain.ensure("cluster").cluster / "helm"), *words]
        done = subprocess.run(helm, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(
                f"{address}:{chart.version} cannot be pulled: {' '.join(done.stderr.split())}. Check the version, the "
                "network and the login (`docker login` or `helm registry login`), or name a local folder"
            )
        return (Path(folder) / chart.file).read_bytes(), f"{address}:{chart.version}"


def vendor(stack: str, settings: Settings, *, update: bool, project: Path = PROJECT) -> list[str]:
    """Put a stack's files into vendor/STACK and its entries into the lock; a line for each file.

    Nothing is written unless all of them are what the lock already says, or are new to it, or ``update`` is given.

    Raises:
        UserError: a file cannot be fetched, or is another one than it was; names it and both digests.
    """
    lock = read_lock(project)
    earlier: Mapping[str, Mapping[str, str]] = lock.get(stack, {})
    found = fetched(settings)
    lines = []
    for file, (content, source) in found.items():
        was, now = earlier.get(file, {}).get("sha256", ""), digest(content)
        if was and was != now and not update:
            raise UserError(
                f"{file} from {source} has sha256 {now}, and {LOCK} says {was} for stack {stack}: a release's file "
                f"should never change. Find out why; `make vendor STACK={stack} UPDATE=1` takes it all the same"
            )
        lines.append(f"{FOLDER}/{stack}/{file}  {now}  {'as locked' if was == now else 'locked now'}")
    folder = project / FOLDER / stack
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {path.name for path in folder.iterdir()} - set(found):
        (folder / stale).unlink()
    for file, (content, _) in found.items():
        (folder / file).write_bytes(content)
    lock[stack] = {file: {"sha256": digest(content), "source": source} for file, (content, source) in found.items()}
    (project / LOCK).write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n")
    return lines


def _got(address: str) -> bytes:
    if urllib.parse.urlsplit(address).scheme not in ("https", "http", "file"):
        raise UserError(
            f"{address} cannot be fetched from here; put the chart's archive into a folder and name that in its place"
        )
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 checked above
            content: bytes = answer.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise UserError(
            f"{address} cannot be fetched: {reason(error)}. Check the network and the repository, or name a local "
            "folder"
        ) from error
    return content
