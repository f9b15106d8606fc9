"""What to do about a `minikube` command that failed, by its exit code and the reason that it names.

https://minikube.sigs.k8s.io/docs/contrib/errorcodes/, which is pkg/minikube/reason of kubernetes/minikube.
"""

import re
from dataclasses import dataclass

# minikube's own floors, in cmd/minikube/cmd/start.go: minUsableMem and minimumCPUS.
LEAST_MEMORY, LEAST_CPUS = 1800, 2
# The reason is never translated, unlike the words around it.
_REASON = re.compile(r"\b((?:MK|RSRC|HOST|PROVIDER|PR|DRV|GUEST|IF|INET|RUNTIME|SSH|SVC|ENV|K8S|NOT)_[A-Z0-9_]+)\b")
# "Docker has only 3913MB memory but you specified 5500MB" and "... 99999MB is more than your system limit 3913MB."
_ONLY_HAS = re.compile(r"has only (\d+)MB memory|system limit (\d+)MB|only has (\d+)MiB available")
# "Requested cpu count 16 is greater than the available cpus of 2"
_CPUS = re.compile(r"available cpus of (\d+)")
_DRIVER = re.compile(
    r"(?:PROVIDER|PR|DRV)_(DOCKER|PODMAN|KVM2?|QEMU2?|VIRTUALBOX|VFKIT|KRUNKIT|HYPERV|PARALLELS|VMWARE|SSH|NONE)_"
)
_SENTENCE = re.compile(r"\b(?:MK|RSRC|HOST|PROVIDER|PR|DRV|GUEST|IF|INET|RUNTIME|SSH|K8S|NOT)_[A-Z0-9_]+: (.+)")
_NO_DRIVER = ("DRV_NOT_DETECTED", "DRV_NOT_HEALTHY", "DRV_UNSUPPORTED_OS")
OWN_WORDS = "minikube's own words are above."


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How a minikube command ended, and what it was asked for.

    Attributes:
        code: the exit code.
        words: what it wrote to stderr.
        driver: the driver that was asked for, or that the profile has; empty where minikube chose.
        memory: MiB asked for; 0 where none were.
        cpus: processors asked for; 0 where none were.
    """

    code: int
    words: str = ""
    driver: str = ""
    memory: int = 0
    cpus: int = 0

    @property
    def reason(self) -> str:
        """Its name for the reason, such as RSRC_OVER_ALLOC_MEM; empty where it gives none."""
        found = _REASON.findall(self.words)
        return found[-1] if found else ""

    @property
    def told(self) -> str:
        """The sentence in which minikube says why it ends; empty where it says nothing of the kind."""
        found = _SENTENCE.findall(self.words)
        return f"{found[-1].strip().rstrip('.:')}." if found else ""

    @property
    def hint(self) -> str:
        """One or two sentences on what to do."""
        if self.code in (10, 14, 23):
            return self._memory()
        if self.code == 29:
            return self._cpus()
        if self.code == 26:
            return (
                "The disk, or Docker's part of it, is full: free some of it (`docker system df` tells what is on it)."
            )
        if self.code in (27, 37):
            return (
                "Files or folders that minikube needs belong to somebody else, as after a run with sudo: "
                '`sudo chown -R "$USER" ~/.minikube ~/.kube` gives them back.'
            )
        if self.code == 38:
            return "minikube's own configuration, the profile's or the kubeconfig cannot be read or written."
        if 40 <= self.code < 50:
            return "minikube could not download what it needs: check the network or the proxy settings."
        if self.code == 57:
            return self._user()
        if 50 <= self.code < 70:
            return self._usable_driver()
        if self.code == 106:
            return "This minikube does not go with kubernetesVersion: set another one, or install another minikube."
        return OWN_WORDS

    def _memory(self) -> str:
        """Of codes that several reasons share, those that are about memory."""
        limit = next((number for found in _ONLY_HAS.findall(self.words) for number in found if number), "")
        about_memory = limit or self.reason.startswith("RSRC_") or self.code == 23
        if not about_memory:
            return OWN_WORDS
        if 0 < self.memory < LEAST_MEMORY:
            return f"minikubeMemory is {self.memory} MiB: raise it to {LEAST_MEMORY} or more."
        if limit and int(limit) < LEAST_MEMORY:
            return f"minikube needs {LEAST_MEMORY} MiB at least: give Docker, or this machine, more memory."
        asked = f" ({self.memory} MiB)" if self.memory else ""
        most = f", {limit} at most" if limit else ""
        return (
            f"minikubeMemory{asked} is more than there is: lower it (`pulumi config set minikubeMemory N`{most}), or "
            "give Docker, where it is the driver, more memory."
        )

    def _cpus(self) -> str:
        if 0 < self.cpus < LEAST_CPUS:
            return f"minikubeCpus is {self.cpus}: raise it to {LEAST_CPUS} or more."
        asked = f" ({self.cpus})" if self.cpus else ""
        found = _CPUS.search(self.words)
        most = f"to {found[1]}" if found and int(found[1]) >= LEAST_CPUS else f"to what there is, {LEAST_CPUS} at least"
        return (
            f"minikubeCpus{asked} is more than there is: lower it {most}, or give Docker, where it is the driver, more "
            "processors."
        )

    def _user(self) -> str:
        if self.reason == "DRV_NEEDS_ROOT":
            return "The driver needs sudo without a password, or root."
        return (
            f"minikube does not use the driver {self._named or 'docker'} as root: run this as an ordinary user who may "
            "use it (for Docker, one of the group docker)."
        )

    def _usable_driver(self) -> str:
        if self.reason in _NO_DRIVER and not self.driver:
            return "No driver can be used: start Docker (`docker info` must answer), or install a driver."
        driver = self._named
        if not driver:
            return "The driver cannot be used: set minikubeDriver to another, or put right what is said above."
        start = " (`docker info` must answer)" if driver == "docker" else ""
        return (
            f"The driver {driver} cannot be used: start or install what it needs{start}, or set minikubeDriver to "
            "another."
        )

    @property
    def _named(self) -> str:
        """The driver, as it was asked for or as the reason has it."""
        found = _DRIVER.match(self.reason)
        return self.driver or (found[1].lower() if found else "")
