"""Configuration of kubelet and kube-proxy, both of which read JSON as YAML."""

from pathlib import Path

from embedded.node.addresses import (
    CONTAINERD,
    DNS_SERVICE,
    DOMAIN,
    NODE,
    NODE_ADDRESS,
    POD_RANGE,
)
from embedded.node.settings import Settings


def kubelet_configuration(settings: Settings) -> dict[str, object]:
    """A KubeletConfiguration that lets in the API server only."""
    pki = settings.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.cgroup}",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": DOMAIN,
        "resolvConf": str(settings.configuration / "resolv.conf"),
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # The machine's disk is not the node's to clean up, and neither is it ever too full for one more pod.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "eventRecordQPS": 0,
        "volumePluginDir": str(settings.root / "kubelet" / "plugins"),
    }


def kubelet_arguments(configuration: Path, kubeconfig: Path) -> list[str]:
    """Flags of kubelet."""
    return [
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--root-dir=/var/lib/kubelet",
    ]


def proxy_configuration(kubeconfig: Path) -> dict[str, object]:
    """A KubeProxyConfiguration that leaves the machine's connection tracking as it is."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        # A new Service or endpoint is programmed at once, not a second later, which is the default and what 0 means.
        "nftables": {"minSyncPeriod": "20ms"},
    }
