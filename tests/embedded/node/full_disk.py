"""``python -m tests.embedded.node.full_disk ROOT IMAGES LIBRARIES PARTS...``: a real cluster whose disk fills later.

Runs in a mount namespace of its own, in which ROOT is a small tmpfs. Prints what it sees, as one line of JSON.
"""

import errno
import json
import shutil
import subprocess
import sys
from io import FileIO
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.node.cluster import FREE_SPACE_AGAIN, RealCluster
from embedded.node.parts import Parts
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import Kubectl

SIZE = "1700m"
CHUNK = bytes(1 << 20)
BIG = "x" * 900_000
PATIENCE = 180


def fill(file: Path, leave: int = 0) -> None:
    """Write until nothing goes in any more, not even a byte; or until so many bytes are left."""
    with file.open("wb", buffering=0) as filler:
        while leave:
            if shutil.disk_usage(file.parent).free <= leave:
                return
            filler.write(CHUNK)
        for chunk in (CHUNK, b"x"):
            while not _is_full(filler, chunk):
                pass


def _is_full(filler: FileIO, chunk: bytes) -> bool:
    try:
        filler.write(chunk)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return True
    return False


def why_not_started(cluster: RealCluster) -> str:
    """What a start says that cannot be."""
    try:
        cluster.start()
    except EmbeddedError as error:
        return str(error)
    return ""


def written(kubectl: Kubectl, number: int) -> str:
    """What goes wrong with writing an object that takes room in etcd; empty where nothing does."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"big-{number}"}, "data": {"a": BIG}}
    return kubectl.tried("create", "--filename=-", "--request-timeout=10s", stdin=json.dumps(manifest)).stderr


def main() -> None:
    """Start, fill, try, make room, and see whether it heals by itself."""
    root, images, libraries, *paths = sys.argv[1:]
    names = ("control_plane", "node", "istio", "nft")
    parts = Parts(**dict(zip(names, map(Path, paths), strict=True)), libraries=libraries)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", root], check=True)
    cluster = RealCluster(Path(root), parts=parts, images=Path(images))
    seen: dict[str, object] = {}
    try:
        cluster.start()
        kubectl = Kubectl(parts.control_plane / "kubectl", cluster.kubeconfig)
        kubectl.run_client("before")
        filler = Path(root) / "filler"
        fill(filler)
        # etcd reserves room ahead: it goes on until that is used up.
        seen["refused"] = next(told for number in range(1000) if (told := written(kubectl, number)))
        filler.unlink()
        eventually(cluster.running, PATIENCE)
        eventually(lambda: not written(kubectl, 1001), PATIENCE)
        (status,) = kubectl.json("get", "pod", "before")["status"]["containerStatuses"]
        seen["restarts"] = status["restartCount"]
        kubectl.run_client("after")
        seen["had to be started"] = cluster.start()
        # With less room than a first start needs.
        cluster.stop()
        fill(filler, leave=FREE_SPACE_AGAIN + (50 << 20))
        seen["goes on with little room"] = cluster.start()
        cluster.stop()
        fill(filler)
        seen["told"] = why_not_started(cluster)
    finally:
        cluster.delete()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
