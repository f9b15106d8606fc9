"""What the starter tells the process that runs the node."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from embedded.node.parts import Parts


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a cluster has what it writes.

    Attributes:
        root: the folder of everything.
    """

    root: Path

    @property
    def certificates(self) -> Path:
        """Keys and certificates."""
        return self.root / "certificates"

    @property
    def tokens(self) -> Path:
        """Who may log in by token: the administrator on the host."""
        return self.root / "secrets" / "tokens.csv"

    @property
    def configuration(self) -> Path:
        """What the node's programs are configured with, written again at each start."""
        return self.root / "configuration"

    @property
    def published(self) -> Path:
        """The Services that the relays lead to, NAME.NAMESPACE each, the first that answers."""
        return self.root / "published"

    @property
    def images(self) -> Path:
        """The OCI image layout of the images that the cluster begins with."""
        return self.root / "images"

    @property
    def loaded(self) -> Path:
        """The OCI image layout of the images that were loaded since, which come first."""
        return self.root / "loaded"

    @property
    def logs(self) -> Path:
        """One log for each program, and those of the pods."""
        return self.root / "logs"

    @property
    def status(self) -> Path:
        """How far the start has come."""
        return self.root / "status.json"


@dataclass(frozen=True, kw_only=True)
class Settings(Places):
    """One cluster's places, and what it is made of.

    Attributes:
        parts: the programs.
        cgroup: the name of the cluster's cgroup, in each hierarchy.
        relays: by name, the descriptor of a socket that listens on the host's loopback.
    """

    parts: Parts
    cgroup: str
    relays: dict[str, int] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write these settings for `read`."""
        path.write_text(json.dumps(asdict(self), default=str))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """The settings that `write` has written."""
        content = json.loads(path.read_text())
        parts = content.pop("parts")
        libraries = parts.pop("libraries")
        return cls(
            root=Path(content.pop("root")),
            parts=Parts(**{name: Path(path) for name, path in parts.items()}, libraries=libraries),
            **content,
        )
