"""The node's programs: with what configuration, flags and environment each is run."""

import json
import os
import platform
from pathlib import Path

from embedded.node import certificates, containerd, control_plane, kubelet
from embedded.node.addresses import API_PORT, API_SERVER, DNS_SERVICE, LOAD_BALANCER_RANGE, REGISTRY
from embedded.node.settings import Settings
from embedded.node.supervisor import Program

RELAYED = {"api": f"127.0.0.1:{API_PORT}", "http": "@{published}:80", "https": "@{published}:443"}
"""By name of a relay, its target as nodekit takes it."""

KUBECONFIGS = ("controller-manager", "kubelet", "proxy", "scheduler")


def write_configuration(settings: Settings) -> None:
    """Write what the programs read, except containerd's, which `first` writes."""
    folder = settings.configuration
    for identity in KUBECONFIGS:
        (folder / f"{identity}.kubeconfig").write_text(certificates.kubeconfig(settings.certificates, identity))
    (folder / "kubelet.json").write_text(json.dumps(kubelet.kubelet_configuration(settings)))
    (folder / "proxy.json").write_text(json.dumps(kubelet.proxy_configuration(folder / "proxy.kubeconfig")))
    (folder / "resolv.conf").write_text("")
    settings.published.touch()


def first(settings: Settings) -> list[Program]:
    """What needs nothing of the others."""
    tools = settings.tools
    return [
        _program(settings, "etcd", tools / "server", *control_plane.etcd_arguments(settings)),
        _program(settings, "kube-apiserver", tools / "kube-apiserver", *control_plane.apiserver_arguments(settings)),
        _program(settings, "registry", tools / "nodekit", "registry", str(settings.images), REGISTRY),
        _program(settings, "containerd", tools / "containerd", "--config", str(containerd.write(settings))),
        relay(settings),
    ]


def clients(settings: Settings) -> list[Program]:
    """What begins when the API server answers."""
    tools, folder, pki = settings.tools, settings.configuration, settings.certificates
    manager = control_plane.controller_manager_arguments(settings, folder / "controller-manager.kubeconfig")
    node = kubelet.kubelet_arguments(folder / "kubelet.json", folder / "kubelet.kubeconfig")
    return [
        _program(settings, "kube-controller-manager", tools / "kube-controller-manager", *manager),
        _program(
            settings,
            "kube-scheduler",
            tools / "kube-scheduler",
            *control_plane.scheduler_arguments(folder / "scheduler.kubeconfig"),
        ),
        _program(settings, "kubelet", tools / "kubelet", *node),
        _program(settings, "kube-proxy", tools / "kube-proxy", f"--config={folder / 'proxy.json'}", packages=True),
        _program(
            settings,
            "load-balancers",
            tools / "nodekit",
            *("load-balancers", API_SERVER, str(pki / "ca.crt")),
            *(str(pki / "load-balancers.crt"), str(pki / "load-balancers.key"), LOAD_BALANCER_RANGE),
        ),
    ]


def relay(settings: Settings) -> Program:
    """The relay, which has the host's sockets from the starter and lives on through restarts of all others."""
    targets = [
        f"{descriptor}={RELAYED[name].format(published=settings.published)}"
        for name, descriptor in settings.relays.items()
    ]
    return Program(
        name="relay",
        command=(str(settings.tools / "nodekit"), "relay", f"{DNS_SERVICE}:53", *targets),
        environment=environment(settings),
        descriptors=tuple(settings.relays.values()),
    )


def environment(settings: Settings, *, packages: bool = False) -> dict[str, str]:
    """The environment of a program of the node's.

    Args:
        settings: The cluster's.
        packages: Whether it needs what only the unpacked distribution packages have.
    """
    path = [str(settings.tools), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    words = {"HOME": str(settings.root), "TMPDIR": str(settings.root / "tmp"), "LANG": "C.UTF-8"}
    if packages and settings.packages:
        path = [str(settings.packages / "usr" / "sbin"), *path]
        words["LD_LIBRARY_PATH"] = str(libraries(settings.packages))
    return {"PATH": os.pathsep.join(path), **words}


def libraries(packages: Path) -> Path:
    """Where Debian's packages have their shared libraries."""
    return packages / "usr" / "lib" / f"{platform.machine()}-linux-gnu"


def _program(settings: Settings, name: str, *command: "str | Path", packages: bool = False) -> Program:
    return Program(
        name=name,
        command=tuple(str(word) for word in command),
        environment=environment(settings, packages=packages),
    )
