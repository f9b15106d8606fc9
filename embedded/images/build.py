"""Builds the cluster's images where they are missing or their sources have changed."""

import json
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.images.oci import Content, Image, Layout

RECIPE = "made-of.json"


def ensure(folder: Path, images: Sequence[Image]) -> Path:
    """Write an image layout unless it is there, made of just this; return its folder.

    Args:
        folder: Of the layout; replaced as a whole when something has changed.
        images: What it is to hold.

    Raises:
        EmbeddedError: A file that belongs in is missing, or the folder cannot be written.
    """
    made_of = folder / RECIPE
    try:
        recipe = recipe_of(images)
        if made_of.exists() and made_of.read_text() == recipe:
            return folder
        draft = folder.with_name(f"{folder.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        layout = Layout(draft)
        for image in images:
            layout.add(image)
        layout.finish()
        (draft / RECIPE).write_text(recipe)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    except OSError as error:
        message = f"The embedded cluster's images cannot be written to {folder}: {error}. Resolve that and try again."
        raise EmbeddedError(message) from error
    return folder


def link(source: Path, target: Path) -> bool:
    """Make a folder that has what a layout has now, whatever becomes of the layout: another name for the same files.

    Returns whether that is something else than it had.

    Args:
        source: The folder of the layout.
        target: Replaced as a whole, where it is of something else.
    """
    if (target / RECIPE).exists() and (target / RECIPE).read_text() == (source / RECIPE).read_text():
        return False
    draft = target.with_name(f"{target.name}.new")
    for old in (target, draft):
        if old.exists():
            shutil.rmtree(old)
    try:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            seen = draft / file.relative_to(source)
            seen.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(file, seen)
    except OSError:
        shutil.rmtree(draft)
        raise
    draft.rename(target)
    return True


def recipe_of(images: Sequence[Image]) -> str:
    """Everything that decides what comes out; files of the machine by path, size and time."""
    described = [
        {
            "names": list(image.names),
            "config": dict(image.config),
            "layers": [{path: _fingerprint(content) for path, content in layer.items()} for layer in image.layers],
        }
        for image in images
    ]
    return json.dumps({"machine": platform.machine(), "images": described}, indent=1)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file that has what another one has: another name for it, on one file system."""
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _fingerprint(content: Content) -> str:
    if isinstance(content, Path):
        facts = content.stat()
        return f"{content} {facts.st_size} {facts.st_mtime_ns}"
    return content.hex() if isinstance(content, bytes) else str(content)
