"""Builds the groups that are missing, one after the other, each into a folder named after what decides its content."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.toolchain import cache, go
from embedded.toolchain.compiler import Compiler
from embedded.toolchain.failures import disk_full_explained
from embedded.toolchain.groups import Group, groups
from embedded.toolchain.progress import Progress, Say, telling, to_stderr

FREE_SPACE_NEEDED = 2 << 30
"""Bytes: the programs take 1.3 GB, what is linked on the way the rest. Go's own caches come on top."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    """Where each group is, or will be once it is built; see `groups` for what is in it."""

    cluster: Path
    engine: Path
    node: Path
    istio: Path
    istioctl: Path
    k9s: Path


def ensure(*names: str, say: Say = to_stderr) -> Folders:
    """Return where the groups are, first building those of `names` that are missing.

    A build that was interrupted continues where it stopped: Go keeps what it has compiled, and a group is there as a
    whole or not at all.

    Args:
        names: Names of groups; the folders of others may be missing.
        say: Receives progress, a line at a time; standard error by default.

    Raises:
        Unreachable: The Go modules (or another registry's packages) cannot be downloaded.
        EmbeddedError: A build failed, the disk is full, or the machine lacks a compiler.
    """
    known = groups()
    wanted = {name: known[name] for name in names}
    if not _missing(wanted):
        return folders()
    with disk_full_explained(cache.cache_folder()):
        _build(_missing(wanted), say)
    return folders()


def built(*names: str) -> bool:
    """Whether groups are there, so that nothing need be built or downloaded."""
    known = groups()
    return not _missing({name: known[name] for name in names})


def folders() -> Folders:
    """Where every group is or will be."""
    return Folders(**{name: _folder(name, group) for name, group in groups().items()})


def _missing(wanted: dict[str, Group]) -> dict[str, Group]:
    return {name: group for name, group in wanted.items() if not _complete(_folder(name, group), group)}


def _complete(folder: Path, group: Group) -> bool:
    return all((folder / path).is_file() for path in group.files)


def _folder(name: str, group: Group) -> Path:
    """Named after a hash of everything that decides what is in it."""
    recipe = hashlib.sha256(cache.PLATFORM.encode())
    for path in _inputs(group):
        recipe.update(str(path.relative_to(go.MODULE.parent)).encode() + b"\0" + path.read_bytes() + b"\0")
    for step in group.steps:
        recipe.update(repr((step.packages, step.folder, step.tags, step.linker_flags())).encode())
    return cache.cache_folder() / "tools" / f"{name}-{recipe.hexdigest()[:16]}"


def _inputs(group: Group) -> Iterator[Path]:
    yield from (go.MODULE / "go.mod", go.MODULE / "go.sum", go.MODULE.parent / "requirements.txt")
    for source in group.sources:
        files = (path for path in (go.MODULE / source).rglob("*") if path.is_file())
        yield from sorted(path for path in files if not path.name.endswith("_test.go"))


def _build(missing: dict[str, Group], say: Say) -> None:
    tools = cache.cache_folder() / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(tools).free
    if free < FREE_SPACE_NEEDED:
        message = (
            f"Building the embedded cluster's tools needs {FREE_SPACE_NEEDED >> 20} MB in {tools}, where only "
            f"{free >> 20} MB are free: make room, or point XDG_CACHE_HOME at a larger disk."
        )
        raise EmbeddedError(message)
    command = go.find_go(say)
    titles = "; ".join(group.what for group in missing.values())
    say(f"Building from Go modules: {titles}. This takes minutes the first time; the result is kept in {tools}.")
    compiler = Compiler(go=command, log=tools / "plan.log", say=say)
    progress = compiler.plan(step for group in missing.values() for step in group.steps)
    with telling(say, progress.line):
        for name, group in missing.items():
            progress.what = group.what
            _build_group(_folder(name, group), group, compiler, progress)


def _build_group(folder: Path, group: Group, compiler: Compiler, progress: Progress) -> None:
    with cache.only_one(folder.with_suffix(".lock"), group.what, compiler.say):
        if _complete(folder, group):  # another process has built it meanwhile
            return
        compiler.log = folder.with_suffix(".log")
        compiler.log.write_text("")
        with cache.workshop(folder) as draft:
            for step in group.steps:
                compiler.build(step, draft / step.folder, progress)
            group.finish(draft, compiler.say)
            if folder.exists():
                shutil.rmtree(folder)
            draft.rename(folder)
