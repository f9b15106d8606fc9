"""Flags of the control plane's programs, which listen inside the cluster's network only."""

from pathlib import Path

from embedded.node.addresses import (
    API_PORT,
    DOMAIN,
    ETCD,
    ETCD_PEER,
    NODE_ADDRESS,
    POD_RANGE,
    SERVICE_RANGE,
)
from embedded.node.settings import Settings


def etcd_arguments(settings: Settings) -> list[str]:
    """Flags of etcd, which only the API server may use.

    Nothing is synced to disk: a killed process loses nothing by it, and a power cut does not matter here.
    """
    pki = settings.certificates
    return [
        f"--data-dir={settings.root / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=default={ETCD_PEER}",
        *(f"--{side}cert-file={pki / 'etcd.crt'}" for side in ("", "peer-")),
        *(f"--{side}key-file={pki / 'etcd.key'}" for side in ("", "peer-")),
        *(f"--{side}trusted-ca-file={pki / 'ca.crt'}" for side in ("", "peer-")),
        *(f"--{side}client-cert-auth" for side in ("", "peer-")),
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_arguments(settings: Settings) -> list[str]:
    """Flags of kube-apiserver."""
    pki = settings.certificates
    return [
        f"--etcd-servers={ETCD}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'etcd-client.key'}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={settings.tokens}",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={pki / 'service-accounts.key'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--allow-privileged=true",
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
        "--profiling=false",
    ]


def controller_manager_arguments(settings: Settings, kubeconfig: Path) -> list[str]:
    """Flags of kube-controller-manager: each controller has the rights of its own account, as everywhere."""
    pki = settings.certificates
    return [
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--cluster-cidr={POD_RANGE}",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]


def scheduler_arguments(kubeconfig: Path) -> list[str]:
    """Flags of kube-scheduler, which serves nothing itself."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
