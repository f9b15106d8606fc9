"""Whether this machine can run a real node: what that takes is tried, in namespaces that end with the try."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from embedded.images.oci import ARCHITECTURES
from embedded.node import cgroups
from embedded.node.namespaces import UNSHARE

MINIMUM_GLIBC = (2, 31)
MINIMUM_MEMORY = 2000
"""Megabytes that must be available: the control plane takes 0.8, Istio and Bookinfo 0.7 and the pods' files some."""

PROGRAMS = {"unshare": "util-linux", "mount": "mount", "umount": "mount", "ip": "iproute2"}
"""By program, the package of most distributions that has it."""

PRIVILEGED = "run it as root on the machine itself, or in a container with --privileged"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a real node needs and this machine does not offer.

    Attributes:
        what: a clause: what is the matter.
        remedy: a clause: what helps.
    """

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})"


def machine() -> list[Finding]:
    """What the machine lacks for a real node, as far as that can be told without trying; takes milliseconds."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        what = f"there are no real pods on {platform.system()} on {platform.machine()}"
        return [Finding(what=what, remedy=f"they need Linux on {' or '.join(ARCHITECTURES)}")]
    return [*_user(), *_programs(), *_libc(), *_memory(), *_cgroups()]


def kernel(folder: Path, nft: Path | None, libraries: str = "") -> list[Finding]:
    """What the kernel refuses of all that a real node asks of it; each is tried, for a tenth of a second in all.

    Args:
        folder: Where the cluster is to be.
        nft: The program nft; None leaves out what would be tried with it.
        libraries: LD_LIBRARY_PATH for that nft, unless it is the machine's.
    """
    existing = next(each for each in (folder.resolve(), *folder.resolve().parents) if each.is_dir())
    script = "\n".join(
        f'( {command} ) >/dev/null 2>"$T/why" || echo "{number} $(tail -n 1 "$T/why")"'
        for number, (_, _, command) in enumerate(_TRIALS)
        if nft or "$NFT" not in command
    )
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=existing) as scratch:
        for name in ("memory", "lower", "upper", "work", "merged"):
            Path(scratch, name).mkdir()
        Path(scratch, "file").touch()
        Path(scratch, "rules").write_text(_RULES)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "T": scratch, "NFT": str(nft)}
        if libraries:
            environment["LIBRARIES"] = libraries
        tried = subprocess.run(
            [*UNSHARE, "sh", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
    if tried.returncode != 0:
        return [Finding(what=f"no namespaces can be made: {tried.stderr.strip()}", remedy=PRIVILEGED)]
    return [_refused(line, folder) for line in tried.stdout.splitlines()]


def _user() -> list[Finding]:
    if os.geteuid() == 0:
        return []
    return [Finding(what="mounts, network interfaces and cgroups need root", remedy=PRIVILEGED)]


def _programs() -> list[Finding]:
    return [
        Finding(what=f"{name} is not on PATH", remedy=f"install the package {package}")
        for name, package in PROGRAMS.items()
        if not shutil.which(name)
    ]


def _libc() -> list[Finding]:
    try:
        name, _, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        version = tuple(int(part) for part in number.split("."))
    except (ValueError, OSError):
        name, version = "", ()
    if name == "glibc" and version >= MINIMUM_GLIBC:
        return []
    needed = ".".join(map(str, MINIMUM_GLIBC))
    has = f"glibc {'.'.join(map(str, version))}" if version else "another C library"
    return [Finding(what=f"Envoy needs glibc {needed}, here is {has}", remedy="use a newer distribution")]


def _memory() -> list[Finding]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("MemAvailable"))
    if available >= MINIMUM_MEMORY:
        return []
    what = f"{available} MB of memory are available, {MINIMUM_MEMORY} are needed"
    return [Finding(what=what, remedy="close something large")]


def _cgroups() -> list[Finding]:
    if not cgroups.ROOT.is_dir() or not cgroups.hierarchies():
        return [Finding(what=f"no cgroups are mounted on {cgroups.ROOT}", remedy=PRIVILEGED)]
    version = cgroups.version()
    needed = {*cgroups.NEEDED, *(("cpuacct", "devices") if version == 1 else ())}
    if missing := needed - cgroups.controllers():
        what = f"cgroup version {version} is without the controllers {', '.join(sorted(missing))}"
        return [Finding(what=what, remedy="enable them on the kernel's command line (cgroup_enable=...)")]
    name = f"embedded-probe-{os.getpid()}"
    try:
        cgroups.create(name)
    except OSError as error:
        return [Finding(what=f"no cgroup can be made: {error}", remedy=_cgroup_remedy(version))]
    finally:
        cgroups.clear(name)
    return []


def _cgroup_remedy(version: int) -> str:
    if version == 1:
        return PRIVILEGED
    # The kernel lets a cgroup other than the root have either processes or controllers for those below it.
    return f"{PRIVILEGED}; in a container, move its processes below first: " + (
        f"mkdir {cgroups.ROOT}/init && xargs -rn1 < {cgroups.ROOT}/cgroup.procs > {cgroups.ROOT}/init/cgroup.procs"
    )


# What the node does with the kernel, one line each: a name, a remedy, a command. All are tried, whichever fails.
_TRIALS = (
    ("a mount tree of one's own", PRIVILEGED, "mount --make-rprivate /"),
    ("a file system in memory", PRIVILEGED, 'mount -t tmpfs tmpfs "$T/memory"'),
    ("a file over a kernel setting", PRIVILEGED, 'mount --bind "$T/file" /proc/sys/vm/overcommit_memory'),
    ("a pair of network interfaces", "load the kernel module veth", "ip link add a0 type veth peer name a1"),
    ("a network namespace inside one", PRIVILEGED, "unshare --net true"),
    (
        "an overlay file system in {folder}",
        "load the kernel module overlay, and put the cluster's folder on a disk, not on another overlay",
        'mount -t overlay overlay -o "lowerdir=$T/lower,upperdir=$T/upper,workdir=$T/work" "$T/merged"',
    ),
    ("forwarding of packets", PRIVILEGED, "echo 1 > /proc/sys/net/ipv4/ip_forward"),
    (
        "nftables with NAT",
        "load the kernel modules nf_tables and nft_chain_nat; nft must be 1.0.1 or newer",
        'env ${LIBRARIES:+LD_LIBRARY_PATH="$LIBRARIES"} "$NFT" -f "$T/rules"',
    ),
)

# What kube-proxy and Istio's agent use of nftables.
_RULES = """
table inet trial {
  chain d { meta l4proto tcp dnat ip to 10.0.0.1:80; }
  map m { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain p { type nat hook prerouting priority -100; ip daddr . meta l4proto . th dport vmap @m; }
  chain o { type nat hook output priority -100; meta skuid 1337 counter return; meta l4proto tcp redirect to :15001; }
  chain q { type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
  chain n { numgen random mod 2 vmap { 0 : goto d, 1 : goto d }; }
  chain f { type filter hook forward priority 0; ct state invalid drop; fib daddr type local accept; reject; }
}
"""


def _refused(line: str, folder: Path) -> Finding:
    number, _, reason = line.partition(" ")
    name, remedy, _ = _TRIALS[int(number)]
    return Finding(what=f"the kernel refuses {name.format(folder=folder)}: {reason}", remedy=remedy)
