"""The node's network, which leads nowhere: not even by mistake does a packet leave the machine."""

import subprocess
from pathlib import Path

from embedded.node.addresses import NODE_ADDRESS

# One end of a pair, as not every kernel has the driver for dummy interfaces. What has nowhere to go is sent there and
# is gone; without a default route, a connection to a Service's address would fail before kube-proxy's rules see it.
LINKS = f"""\
link set lo up
link add node0 type veth peer name nowhere
link set nowhere up
addr add {NODE_ADDRESS}/32 dev node0
link set node0 up
route add default dev node0 src {NODE_ADDRESS}
"""


def set_up() -> None:
    """Give the calling process's own network namespace its interfaces and routes.

    Raises:
        subprocess.CalledProcessError: The kernel refuses; its output says what.
    """
    subprocess.run(["ip", "-batch", "-"], input=LINKS, text=True, check=True, capture_output=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
