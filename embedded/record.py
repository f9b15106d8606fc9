"""Which kind of node the embedded cluster in a folder has, as its folder says.

Apart from `embedded.kinds`, so that whoever only asks need not import what clusters consist of.
"""

from enum import StrEnum
from pathlib import Path

from embedded.node import cgroups

RECORD = "node"
"""In a cluster's folder, the file that says which kind of node it has."""


class Kind(StrEnum):
    """What pods are: REAL ones run, and answer; of SIMULATED ones only the status says so."""

    REAL = "real"
    SIMULATED = "simulated"


def recorded(root: Path) -> Kind | None:
    """The kind of the cluster that is in a folder; None where there is none."""
    try:
        return Kind((root / RECORD).read_text().strip())
    except (FileNotFoundError, ValueError):
        if cgroups.exists(cgroups.name_for(root.resolve())):
            return Kind.REAL  # it runs, though its folder has been removed
        # Clusters of before there were real ones have no record.
        return Kind.SIMULATED if (root / "etcd").exists() else None
