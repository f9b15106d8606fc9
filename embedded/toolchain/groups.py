"""What is built: groups of programs that are needed together, and the flags that they are built with."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from pathlib import Path

from embedded.toolchain import layout
from embedded.toolchain.go import MODULE, kubernetes_version, module_version
from embedded.toolchain.progress import Say

OWN = "istio-minikube/embedded/go"
KUBERNETES = "k8s.io/kubernetes/cmd"
CONTAINERD = "github.com/containerd/containerd/v2"
CNI = "github.com/containernetworking/plugins/plugins"
ISTIO = "istio.io/istio"
PULUMI = "github.com/pulumi/pulumi"
K9S = "github.com/derailed/k9s"
KUBERNETES_PLUGIN = "github.com/pulumi/pulumi-kubernetes/provider/v4"

TAGS = ("vtprotobuf", "disable_pgv", "grpcnotrace", "retrynotrace")
"""Istio's own build tags, given to every program: what two programs share is compiled once only where tags agree."""

ISTIO_VERSION = "1.31.0"
"""What Istio's module, a commit of its main branch, calls itself."""

KUBERNETES_PLUGIN_RELEASE = "4.25.0"
"""The release of pulumi-kubernetes whose commit its Go module is."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One `go build`.

    Attributes:
        packages: The programs' import paths.
        folder: Where in the group's folder they go.
        module: The folder below embedded/go of the module that pins them.
        tags: Build tags.
        main_version: Sets the variable main.version.
        linker: Further linker flags.
        environment: Given the folders of what the step needs, further variables of Go's environment.
    """

    packages: tuple[str, ...]
    folder: str = "."
    module: str = "."
    tags: tuple[str, ...] = TAGS
    main_version: str | None = None
    linker: str = ""
    environment: Callable[[Say], Mapping[str, str]] = field(default=lambda _: {})

    @property
    def programs(self) -> tuple[str, ...]:
        """Paths in the group's folder."""
        return tuple(str(Path(self.folder) / program_name(package)) for package in self.packages)

    def linker_flags(self) -> str:
        """The value of -ldflags."""
        own = [f"-X main.version={self.main_version}"] if self.main_version else []
        return " ".join([linker_flags(), *own, *filter(None, [self.linker])])


@dataclass(frozen=True, kw_only=True)
class Group:
    """Programs that are needed together, in a folder of their own.

    Attributes:
        what: What is built, in words.
        steps: How, in order.
        sources: Folders of embedded/go that only this group is built from.
        finish: Adds to the folder what is not built.
        extra: Paths in the folder that `finish` adds.
    """

    what: str
    steps: tuple[Step, ...]
    sources: tuple[str, ...] = ()
    finish: Callable[[Path, Say], None] = field(default=lambda _folder, _say: None)
    extra: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Everything that a whole folder of the group holds."""
        return (*(program for step in self.steps for program in step.programs), *self.extra)


def groups() -> dict[str, Group]:
    """Every group by name."""
    return {
        "cluster": Group(
            what="the control plane, kwok, helm and kubectl",
            steps=(
                Step(
                    packages=(
                        "go.etcd.io/etcd/server/v3",
                        f"{KUBERNETES}/kube-apiserver",
                        f"{KUBERNETES}/kube-controller-manager",
                        f"{KUBERNETES}/kube-scheduler",
                        f"{KUBERNETES}/kubectl",
                        "sigs.k8s.io/kwok/cmd/kwok",
                        "helm.sh/helm/v3/cmd/helm",
                    )
                ),
            ),
        ),
        "engine": _engine(),
        "node": Group(
            what="kubelet, kube-proxy, containerd, runc, CNI plugins, CoreDNS and Bookinfo",
            steps=(
                Step(
                    packages=(
                        f"{KUBERNETES}/kubelet",
                        f"{KUBERNETES}/kube-proxy",
                        f"{CONTAINERD}/cmd/containerd",
                        f"{CONTAINERD}/cmd/containerd-shim-runc-v2",
                        f"{CONTAINERD}/cmd/ctr",
                        f"{OWN}/bookinfo",
                        f"{OWN}/coredns",
                        f"{OWN}/nodekit",
                        f"{OWN}/pause",
                    )
                ),
                Step(packages=(f"{CNI}/main/ptp", f"{CNI}/main/loopback", f"{CNI}/ipam/host-local"), folder="cni"),
                Step(
                    packages=("github.com/opencontainers/runc",),
                    # CRI sandboxes ask for seccomp; static, as libseccomp need not be on the machine.
                    tags=("seccomp", "netgo", "osusergo"),
                    main_version=module_version("github.com/opencontainers/runc").removeprefix("v"),
                    linker="-linkmode external -extldflags -static",
                    environment=layout.runc_environment,
                ),
            ),
            sources=("bookinfo", "coredns", "nodekit", "pause"),
        ),
        "istio": Group(
            what="Istio's control plane, proxy agent, CNI plugin and Envoy",
            steps=(
                Step(
                    packages=(
                        f"{ISTIO}/pilot/cmd/pilot-discovery",
                        # Of a module that a tool line of go.mod pins for the other programs.
                        f"{ISTIO}/cni/cmd/install-cni",
                        f"{ISTIO}/cni/cmd/istio-cni",
                    )
                ),
                Step(packages=(f"{ISTIO}/pilot/cmd/pilot-agent",), tags=("agent", *TAGS)),
            ),
            finish=layout.add_envoy,
            extra=("envoy",),
        ),
        "istioctl": Group(what="istioctl", steps=(Step(packages=(f"{ISTIO}/istioctl/cmd/istioctl",)),)),
        "k9s": _k9s(),
    }


def _engine() -> Group:
    command = installed_version("pulumi-command")
    plugins = Path("home", "plugins")
    return Group(
        what="the Pulumi CLI and its plugins",
        steps=(
            Step(packages=(f"{PULUMI}/pkg/v3/cmd/pulumi", f"{OWN}/pulumi-language-python"), folder="bin"),
            Step(
                packages=(f"{OWN}/pulumi-resource-kubernetes",),
                folder=str(plugins / f"resource-kubernetes-v{installed_version('pulumi-kubernetes')}"),
                module="pulumi-resource-kubernetes",
            ),
            Step(
                packages=(f"{OWN}/pulumi-resource-command",),
                folder=str(plugins / f"resource-command-v{command}"),
                main_version=f"{command}+of.istio-minikube",
            ),
        ),
        sources=(
            "lifeline",
            "pulumi-language-python",
            "pulumi-resource-command",
            "pulumi-resource-kubernetes",
            "sdks",
        ),
        finish=layout.add_language_executor,
        extra=(f"bin/{layout.LANGUAGE_EXECUTOR}",),
    )


def _k9s() -> Group:
    pinned = module_version(K9S, MODULE / "k9s" / "go.mod")
    step = Step(packages=(K9S,), module="k9s", linker=f"-X {K9S}/cmd.version={pinned}")
    return Group(what="k9s", steps=(step,), sources=("k9s",))


def program_name(package: str) -> str:
    """What `go build` calls the program of a package: the last part of its path that is no major version."""
    last, before = package.split("/")[-1], package.split("/")[-2]
    return before if re.fullmatch(r"v\d+", last) else last


def linker_flags() -> str:
    """Flags that give the programs their versions; clients cannot parse what a Kubernetes without them says it is."""
    kubernetes = kubernetes_version()
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    kubernetes_facts = "k8s.io/component-base/version"
    istio_facts = f"{ISTIO}/pkg/version"
    facts = {
        f"{kubernetes_facts}.gitVersion": kubernetes,
        f"{kubernetes_facts}.gitMajor": major,
        f"{kubernetes_facts}.gitMinor": minor,
        f"{kubernetes_facts}.gitTreeState": "clean",
        f"{CONTAINERD}/version.Version": module_version(CONTAINERD),
        f"{istio_facts}.buildVersion": ISTIO_VERSION,
        f"{istio_facts}.buildHub": "docker.io/istio",
        f"{istio_facts}.buildStatus": "Clean",
        f"{istio_facts}.buildGitRevision": module_version(ISTIO).rpartition("-")[2],
        f"{PULUMI}/sdk/v3/go/common/version.Version": module_version(f"{PULUMI}/sdk/v3"),
        # The SDK compares the part before the plus sign with its own version; the part after it is what this really is.
        f"{KUBERNETES_PLUGIN}/pkg/version.Version": (
            f"{installed_version('pulumi-kubernetes')}+of.{KUBERNETES_PLUGIN_RELEASE}"
        ),
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in facts.items())])
