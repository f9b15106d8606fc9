"""Files of folders, as content of images."""

from collections.abc import Collection
from pathlib import Path

from embedded.images.contents import BASE
from embedded.images.oci import Content, Folder, Layer, Link

NOT_RUN = frozenset({".a", ".bat", ".pyc"})
"""Endings of files that no program of an image reads."""

USER = "1000:1000"
SYSTEM: Layer = {
    **BASE,
    "/etc/passwd": b"root:x:0:0::/:/\nbookinfo:x:1000:1000::/tmp:/\nliberty:x:1001:1001::/tmp:/\n",
    "/etc/group": b"root:x:0:\nbookinfo:x:1000:\nliberty:x:1001:\n",
}
"""The lowest layer of each image: who there is, and how names are looked up."""


def tree(folder: Path, place: str, skip: Collection[str] = ()) -> dict[str, Content]:
    """Everything in a folder, by its path in an image.

    Args:
        folder: The folder.
        place: Where the image has it, such as /opt/microservices.
        skip: Names of files and folders that are left out wherever they are.
    """
    found: dict[str, Content] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix in NOT_RUN or not set(skip).isdisjoint(relative.parts):
            continue
        if path.is_symlink():
            found[f"{place}/{relative}"] = Link(target=str(path.readlink()))
        elif path.is_file():
            found[f"{place}/{relative}"] = path
        elif not any(path.iterdir()):
            found[f"{place}/{relative}"] = Folder()
    return found
