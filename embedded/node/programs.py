"""The node's programs: with what configuration, flags and environment each is run."""

import json
import os
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
    control_plane_folder, node = settings.parts.control_plane, settings.parts.node
    return [
        _program(settings, "etcd", control_plane_folder / "server", *control_plane.etcd_arguments(settings)),
        _program(
            settings,
            "kube-apiserver",
            control_plane_folder / "kube-apiserver",
            *control_plane.apiserver_arguments(settings),
        ),
        _program(settings, "registry", node / "nodekit", "registry", REGISTRY, settings.loaded, settings.images),
        _program(settings, "containerd", node / "containerd", "--config", containerd.write(settings), nft=True),
        relay(settings),
    ]


def clients(settings: Settings) -> list[Program]:
    """What begins when the API server answers."""
    parts, folder, pki = settings.parts, settings.configuration, settings.certificates
    manager = control_plane.controller_manager_arguments(settings, folder / "controller-manager.kubeconfig")
    node = kubelet.kubelet_arguments(folder / "kubelet.json", folder / "kubelet.kubeconfig")

    def controller(name: str, *further: str, nft: bool = False) -> Program:
        identity = (pki / "ca.crt", pki / f"{name}.crt", pki / f"{name}.key")
        return _program(settings, name, parts.node / "nodekit", name, API_SERVER, *identity, *further, nft=nft)

    return [
        _program(settings, "kube-controller-manager", parts.control_plane / "kube-controller-manager", *manager),
        _program(
            settings,
            "kube-scheduler",
            parts.control_plane / "kube-scheduler",
            *control_plane.scheduler_arguments(folder / "scheduler.kubeconfig"),
        ),
        _program(settings, "kubelet", parts.node / "kubelet", *node),
        _program(settings, "kube-proxy", parts.node / "kube-proxy", f"--config={folder / 'proxy.json'}", nft=True),
        controller("load-balancers", LOAD_BALANCER_RANGE),
        controller("network-policies", nft=True),
    ]


def relay(settings: Settings) -> Program:
    """The relay, which has the host's sockets from the starter and lives on through restarts of all others."""
    targets = [
        f"{descriptor}={RELAYED[name].format(published=settings.published)}"
        for name, descriptor in settings.relays.items()
    ]
    return Program(
        name="relay",
        command=(str(settings.parts.node / "nodekit"), "relay", f"{DNS_SERVICE}:53", *targets),
        environment=environment(settings),
        descriptors=tuple(settings.relays.values()),
    )


def environment(settings: Settings, *, nft: bool = False) -> dict[str, str]:
    """The environment of a program of the node's.

    Args:
        settings: The cluster's.
        nft: Whether it runs nft.
    """
    path = [str(settings.parts.node), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    words = {"HOME": str(settings.root), "TMPDIR": str(settings.root / "tmp"), "LANG": "C.UTF-8"}
    if nft:
        path = [str(settings.parts.nft.parent), *path]
        if settings.parts.libraries:
            words["LD_LIBRARY_PATH"] = settings.parts.libraries
    return {"PATH": os.pathsep.join(path), **words}


def _program(settings: Settings, name: str, *command: str | Path, nft: bool = False) -> Program:
    return Program(
        name=name,
        command=tuple(str(word) for word in command),
        environment=environment(settings, nft=nft),
    )
