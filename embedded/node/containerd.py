"""How containerd is set up: everything it writes is the cluster's, and every pull is answered on the node."""

import json
import subprocess
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.node.addresses import CONTAINERD, PAUSE, POD_RANGE, REGISTRY
from embedded.node.settings import Settings

NETWORKS, PLUGINS = Path("/etc/cni/net.d"), Path("/opt/cni/bin")
"""Where any node has its CNI configuration and plugins, and an agent such as Istio's adds its own; both are private."""


def write(settings: Settings) -> Path:
    """Write containerd's configuration, with CNI's and the registry's beside it; the file to start it with."""
    folder = settings.configuration
    # Seen on the node as NETWORKS.
    network, registries = folder / "cni" / NETWORKS.name, folder / "registries"
    network.mkdir(parents=True, exist_ok=True)
    (network / "10-pods.conflist").write_text(json.dumps(pod_network()))
    (registries / "_default").mkdir(parents=True, exist_ok=True)
    (registries / "_default" / "hosts.toml").write_text(hosts())
    file = folder / "containerd.toml"
    file.write_text(configuration(settings, registries=registries))
    return file


def pod_network() -> dict[str, object]:
    """A pair of interfaces for each pod, routed by the node: pods see each other's own addresses."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugin = {"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}


def hosts() -> str:
    """The registry on the node's loopback speaks for every registry."""
    return f'server = "http://{REGISTRY}"\n\n[host."http://{REGISTRY}"]\n  capabilities = ["pull", "resolve"]\n'


def configuration(settings: Settings, *, registries: Path) -> str:
    """The configuration of containerd, version 3.

    restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many a container, runc may not lower it.
    """
    # A path as a TOML string: JSON's quoting is valid there.
    root, containerd_opt, runc, cni, added, conf, certs = (
        json.dumps(str(path))
        for path in (
            settings.root / "containerd",
            settings.root / "containerd" / "opt",
            settings.parts.node / "runc",
            settings.parts.node / "cni",
            PLUGINS,
            NETWORKS,
            registries,
        )
    )
    return f"""\
version = 3
root = {root}
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{CONTAINERD}"

[plugins.'io.containerd.internal.v1.opt']
  path = {containerd_opt}

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  max_concurrent_downloads = 3
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = {certs}
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{PAUSE}"

[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = {runc}
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = [{cni}, {added}]
    conf_dir = {conf}
"""


def remove_image(name: str, starter: int, programs: Path) -> None:
    """Have the node's containerd forget an image, whether it has it or not.

    Args:
        name: With registry and tag.
        starter: Id of the process that holds the node's namespaces.
        programs: The folder with containerd's own client.

    Raises:
        EmbeddedError: containerd does not.
    """
    (first,) = Path(f"/proc/{starter}/task/{starter}/children").read_text().split()
    where = (f"--address=/proc/{first}/root{CONTAINERD}", "--namespace=k8s.io")
    command = [str(programs / "ctr"), *where, "images", "remove", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"containerd does not remove the image {name}: {done.stderr.strip()}"
        raise EmbeddedError(message)
