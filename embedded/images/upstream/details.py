"""Details: Ruby and WEBrick of Debian's packages, with everything that these depend on."""

from collections.abc import Iterator
from pathlib import Path

from embedded.images.contents import workload_names
from embedded.images.oci import Content, Image
from embedded.images.upstream.files import SYSTEM, USER, tree
from embedded.toolchain import debian
from embedded.toolchain.progress import Say

HOME = "/opt/microservices"
PACKAGES = ("ruby", "ruby-webrick")
FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/share/rubygems-integration")
"""What Ruby reads at run time, beside its own program."""


def images(source: Path, say: Say) -> Iterator[Image]:
    """The one image.

    Raises:
        Unreachable: The distribution's packages cannot be reached.
        EmbeddedError: This system has none, or no such ones.
    """
    root = debian.complete(*PACKAGES, purpose="Bookinfo's details", say=say)
    ruby = (root / "usr" / "bin" / "ruby").resolve()
    files: dict[str, Content] = {"/usr/bin/ruby": ruby}
    for folder in FOLDERS:
        files |= tree(root / folder, f"/{folder}", ("doc",))
    yield Image(
        names=workload_names("details-v1"),
        layers=[SYSTEM, files, {f"{HOME}/details.rb": source / "details.rb"}],
        config={
            "Cmd": ["ruby", "details.rb", "9080"],
            "Env": ["PATH=/usr/bin", "SERVICE_VERSION=v1", "ENABLE_EXTERNAL_BOOK_SERVICE=false"],
            "User": USER,
            "WorkingDir": HOME,
        },
    )
