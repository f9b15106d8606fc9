"""The minikube profiles of this machine, as ``minikube profile list`` tells them."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import UserError

# "Running" up to minikube 1.34, then "OK" and the other names of pkg/minikube/cluster/status.go. Any other state is for
# `minikube start` to put right: https://minikube.sigs.k8s.io/docs/commands/start/
RUNNING = frozenset({"Running", "OK", "HAppy", "Degraded", "Warning"})
# A listing that says more than its JSON is not one: no notice of a newer minikube, whatever its version prints.
QUIET = {"MINIKUBE_WANTUPDATENOTIFICATION": "false"}
BROKEN_KUBECONFIG = 80


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile that minikube can use.

    Attributes:
        name: its name, which is its context's too.
        status: minikube's word for how it is; empty where minikube has none.
        memory: MiB of each node; 0 for no limit.
        cpus: processors of each node; 0 for no limit.
        driver: the driver that runs its nodes.
        kubernetes_version: such as v1.30.0.
        machines: the names of its nodes' containers or virtual machines.
    """

    name: str
    status: str
    memory: int
    cpus: int
    driver: str
    kubernetes_version: str
    machines: frozenset[str]

    @property
    def runs(self) -> bool:
        """Whether its API server answers, as far as minikube knows."""
        return self.status in RUNNING

    @property
    def described(self) -> str:
        """How it is, in words for a sentence about it."""
        return self.status.lower() if self.status else "in a state that minikube has no word for"

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Profile":
        """From an entry of the listing.

        Raises:
            KeyError, TypeError, ValueError: the entry has another shape.
        """
        name, config = entry["Name"], entry["Config"]
        nodes = [node["Name"] for node in config["Nodes"] or ()]
        return cls(
            name=name,
            status=entry.get("Status", ""),
            memory=int(config["Memory"]),
            cpus=int(config["CPUs"]),
            driver=config["Driver"],
            kubernetes_version=config["KubernetesConfig"]["KubernetesVersion"],
            # Source: MachineName in pkg/minikube/config/profile.go.
            machines=frozenset(name if len(nodes) == 1 or not node else f"{name}-{node}" for node in nodes),
        )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Every profile of this machine.

    Attributes:
        profiles: those that minikube can use, by name.
        broken: the names of those that have a configuration which minikube cannot use. A name without any, as a start
            that was refused leaves it, is no profile for minikube either, and is in neither.
    """

    profiles: Mapping[str, Profile]
    broken: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        """Whether there is anything of a profile of that name."""
        return name in self.profiles or name in self.broken

    def find(self, name: str) -> Profile | None:
        """The profile of that name; None where minikube would create it.

        Raises:
            UserError: it is broken, or the name is one of another profile's nodes.
        """
        if name in self.broken:
            raise UserError(
                f"minikube profile {name!r} exists but is broken (minikube lists it as invalid). Delete it with "
                f"`minikube delete -p {name}`, or choose another name with `pulumi config set minikubeProfile NAME`."
            )
        for profile in self.profiles.values():
            if name in profile.machines and name != profile.name:
                raise UserError(
                    f"minikubeProfile is {name!r}, which is a node of minikube profile {profile.name!r}; accepted: the "
                    f"name of a profile, or a new one."
                )
        return self.profiles.get(name)


def parse(text: str) -> Listing:
    """Read what `minikube profile list -o json` printed.

    Shape: {"valid": [{"Name", "Status", "Config": {"Memory", "CPUs", "Driver", "Nodes", "KubernetesConfig": {...}}}],
    "invalid": [...]}; both lists are empty, with exit code 0, when there are no profiles at all.
    https://github.com/kubernetes/minikube/blob/v1.38.1/cmd/minikube/cmd/config/profile_list.go

    Raises:
        UserError: the text has another shape.
    """
    try:
        document = json.loads(text)
        profiles = [Profile.of(entry) for entry in document["valid"]]
        broken = frozenset(entry["Name"] for entry in document["invalid"] if entry["Config"] is not None)
    except (ValueError, KeyError, TypeError, AttributeError):
        answer = text.strip()[:300] or "nothing"
        raise UserError(f"`minikube profile list -o json` did not list the profiles; it printed: {answer}") from None
    return Listing(profiles={profile.name: profile for profile in profiles}, broken=broken)


def environment(kubeconfig: str) -> dict[str, str]:
    """The environment for minikube, whose context goes into ``kubeconfig``; empty leaves that to minikube.

    Raises:
        UserError: there is no minikube.
    """
    if shutil.which("minikube") is None:
        raise UserError(
            "minikube is not on PATH. Install it (https://minikube.sigs.k8s.io/docs/start/), or use a cluster that "
            "already runs with `pulumi config set clusterMode existing`, or run `make up`, which without minikube "
            "uses an embedded Kubernetes."
        )
    path = {"KUBECONFIG": str(Path(kubeconfig).expanduser().absolute())} if kubeconfig else {}
    return {**os.environ, **path}


def listed(kubeconfig: str) -> Listing:
    """Ask minikube for its profiles; what it says beside them is shown only where that fails.

    Raises:
        UserError: there is no minikube, or it cannot tell.
    """
    env = environment(kubeconfig)
    # Not --light: it hides the invalid profiles and says "Skipped" for every status.
    command = ["minikube", "profile", "list", "-o", "json"]
    done = subprocess.run(
        command, env=env | QUIET, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == BROKEN_KUBECONFIG:
        file = env.get("KUBECONFIG") or "~/.kube/config"
        raise UserError(
            f"`{' '.join(command)}` failed (exit code {done.returncode}), as it does where the kubeconfig cannot be "
            f"read. It is {file}: `kubectl config view --kubeconfig {file}` tells what is wrong with it."
        )
    try:
        return parse(done.stdout)
    except UserError as error:
        words = " ".join(done.stderr.split())
        raise UserError(f"{error} {words}".strip()) from None
