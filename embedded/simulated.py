"""The programs of an embedded cluster with a simulated node: their flags, ports and key, and the node itself."""

import secrets
import socket
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from embedded import toolchain
from embedded.loopback import Api

NODE = "embedded"
NODE_CPU = "4"
NODE_MEMORY = "5500Mi"
NODE_PODS = "110"
SERVICE_RANGE = "127.96.0.0/16"
"""Inside 127.0.0.0/8: a packet to a Service cannot leave the machine."""

POD_RANGE = "239.96.0.0/16"
"""Endpoints may not be loopback addresses, so pods get multicast ones: the kernel refuses TCP to those at once."""

# No cloud, no disks, no kubelet certificates here. The token controller would need a key for a kind of
# token that nothing has used since Kubernetes 1.24.
IDLE_CONTROLLERS = (
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "cloud-node-lifecycle-controller",
    "device-taint-eviction-controller",
    "ephemeral-volume-controller",
    "legacy-serviceaccount-token-cleaner-controller",
    "node-ipam-controller",
    "node-route-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "podcertificaterequest-cleaner-controller",
    "resourceclaim-controller",
    "service-lb-controller",
    "serviceaccount-token-controller",
    "storage-version-migrator-controller",
    "storageversion-garbage-collector-controller",
    "ttl-controller",
    "volumeattributesclass-protection-controller",
)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where on 127.0.0.1 the processes listen."""

    etcd: int
    etcd_peer: int
    apiserver: int


def etcd_arguments(ports: Ports, data: Path) -> list[str]:
    """Flags of etcd; nothing is synced to disk, as nothing here must survive a power cut."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_arguments(ports: Ports, *, certificates: Path, tokens: Path, signing_key: Path) -> list[str]:
    """Flags of kube-apiserver.

    Args:
        ports: Where it and etcd listen.
        certificates: Folder in which it puts a certificate that it signs itself.
        tokens: CSV file of who may log in.
        signing_key: PEM file of the key that signs ServiceAccounts' tokens.
    """
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        # Else it would publish its own address as an endpoint, and endpoints may not be loopback addresses.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={signing_key}",
        f"--service-account-signing-key-file={signing_key}",
        # No container runs that could answer a webhook, such as a revision tag's; policies do what istiod's would.
        "--disable-admission-plugins=MutatingAdmissionWebhook",
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
        "--profiling=false",
    ]


def controller_manager_arguments(certificate: Path) -> list[str]:
    """Flags of kube-controller-manager, which serves nothing itself.

    Args:
        certificate: PEM file of the API server's certificate, published to every namespace.
    """
    return [
        "--secure-port=0",
        "--leader-elect=false",
        f"--root-ca-file={certificate}",
        f"--controllers=*,{','.join(f'-{name}' for name in IDLE_CONTROLLERS)}",
        # A year: nothing renews the node's lease, see kwok_arguments.
        "--node-monitor-grace-period=8760h",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def scheduler_arguments() -> list[str]:
    """Flags of kube-scheduler, which serves nothing itself."""
    return ["--secure-port=0", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"]


def kwok_arguments() -> list[str]:
    """Flags of kwok.

    It holds no lease of the node: with one, it would pass over pods that it is told of after it has created the
    lease and before it is told of that, and never come back to them.
    """
    return [
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=0",
        "--enable-crds=Stage",
        "--node-ip=127.0.0.1",
        f"--cidr={POD_RANGE}",
    ]


def node_manifest() -> dict[str, object]:
    """The one node, of the tutorial's size (minikube start --memory=5500 --cpus=4)."""
    resources = {"cpu": NODE_CPU, "memory": NODE_MEMORY, "pods": NODE_PODS, "ephemeral-storage": "100Gi"}
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": NODE,
        "type": "kwok",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": labels},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": NODE},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "simulated by kwok",
                "kernelVersion": "simulated",
                "containerRuntimeVersion": f"kwok://{toolchain.module_version('sigs.k8s.io/kwok')}",
                "kubeletVersion": toolchain.kubernetes_version(),
                "kubeProxyVersion": "",
                "bootID": "",
                "machineID": "",
                "systemUUID": "",
            },
        },
    }


def signing_key() -> str:
    """A new P-256 private key as PEM.

    RFC 5915 leaves the public half optional and Go computes it, so the random number alone, with a fixed frame
    around it, is a whole key: no cryptography package is needed.
    """
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    number = (1 + secrets.randbelow(order - 1)).to_bytes(32)
    version_then_octets, prime256v1 = bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")
    body = b64encode(version_then_octets + number + prime256v1).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body[:64]}\n{body[64:]}\n-----END EC PRIVATE KEY-----\n"


def free_ports() -> Ports:
    """Three ports that the operating system says are free, all different."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        for each in (first, second, third):
            each.bind(("127.0.0.1", 0))
        etcd, etcd_peer, apiserver = (each.getsockname()[1] for each in (first, second, third))
    return Ports(etcd=etcd, etcd_peer=etcd_peer, apiserver=apiserver)


def is_free(port: int) -> bool:
    """Whether a server could listen there on 127.0.0.1 now."""
    with socket.socket() as probe:
        # As the servers do: connections of the previous run that are closing down are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def node_is_ready(api: Api) -> bool:
    """Whether the node is Ready and has no taint."""
    status, node = api.request("GET", f"/api/v1/nodes/{NODE}")
    if status != 200 or node["spec"].get("taints"):
        return False
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def has_default_account(api: Api) -> bool:
    """Whether pods can be created in namespace default."""
    return bool(api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200)
