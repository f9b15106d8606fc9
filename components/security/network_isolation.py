"""NetworkPolicies that hold below the mesh, for packets that no sidecar sees too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from ..mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from ..objects import KubernetesObject

ISOLATION = "mesh-isolation"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
DNS_PORTS = ((53, "UDP"), (53, "TCP"))
DNS_PODS = ("kube-dns", "node-local-dns")
# Where a cache on each node listens, and Cloud DNS for GKE:
# https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/ and
# https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy#network-policy-and-nodelocal-dnscache
NODE_LOCAL = ("169.254.20.10/32", "169.254.169.254/32")
ISTIOD_PORT = 15012
TRACES_PORT = 4317
# Merged metrics, health, Envoy's metrics: asked for by the kubelet and by Prometheus, from wherever they run.
SIDECAR_PORTS = (15020, 15021, 15090)


@dataclass(frozen=True, kw_only=True)
class NetworkIsolationArgs:
    """What pods may reach, and who may reach them, beside the pods of their own namespace.

    Attributes:
        namespace: the injected namespace.
        gateway: a Gateway of that namespace that stays open to the outside; empty for none.
        gateway_ports: the ports that its pods listen on.
        caller_namespaces: other namespaces whose pods may call.
        called_namespaces: other namespaces whose pods may be called.
        dns: addresses of the cluster's DNS, which a cache on the node answers at in the place of its pods.
        egress: CIDRs that pods may connect to, such as the API server's or a database's.

    Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and, for the ports,
    https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio
    """

    namespace: pulumi.Input[str]
    gateway: str = ""
    gateway_ports: Sequence[int] = (80,)
    caller_namespaces: Sequence[str] = ()
    called_namespaces: Sequence[str] = ()
    dns: Sequence[str] = ()
    egress: Sequence[str] = ()


def allow_name(gateway: str) -> str:
    """The name of the policy that opens a Gateway's listener."""
    return f"allow-{gateway}"


def _ports(*ports: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"port": port, "protocol": protocol} for port, protocol in ports]


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}


def _block(cidr: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr}}


def isolation_spec(args: NetworkIsolationArgs) -> dict[str, Any]:
    """Of all pods: their own namespace, DNS, istiod, traces and what is listed; the sidecars' ports to anybody.

    The API server calls istiod's webhooks (15017) in istio-system, where no policy is made; pods of the mesh call the
    API server only if their own program does.
    """
    same: Mapping[str, Any] = {"podSelector": {}}
    pods = {"matchExpressions": [{"key": "k8s-app", "operator": "In", "values": list(DNS_PODS)}]}
    blocks = [_block(f"{address}/{128 if ':' in address else 32}") for address in args.dns]
    dns = [{**_namespace("kube-system"), "podSelector": pods}, *map(_block, NODE_LOCAL), *blocks]
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [same, *map(_namespace, args.caller_namespaces)]},
            {"ports": _ports(*((port, "TCP") for port in SIDECAR_PORTS))},
        ],
        "egress": [
            {"to": [same, *map(_namespace, args.called_namespaces), *map(_block, args.egress)]},
            {"to": dns, "ports": _ports(*DNS_PORTS)},
            {"to": [_namespace(ISTIO_NAMESPACE)], "ports": _ports((ISTIOD_PORT, "TCP"), (TRACES_PORT, "TCP"))},
        ],
    }


def gateway_spec(gateway: str, *ports: int) -> dict[str, Any]:
    """Of a Gateway's pods: anybody may call their listeners."""
    return {
        "podSelector": {"matchLabels": {GATEWAY_LABEL: gateway}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": _ports(*((port, "TCP") for port in ports))}],
    }


class NetworkIsolation(pulumi.ComponentResource):
    """Packets stay in the namespace, except for what the mesh needs. It takes a CNI that enforces NetworkPolicies.

    Example:
        NetworkIsolation(
            "network",
            NetworkIsolationArgs(namespace=shop.namespace, gateway="bookinfo-gateway", egress=["10.0.0.0/8"]),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: NetworkIsolationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:NetworkIsolation", name, None, opts)
        specs = {ISOLATION: isolation_spec(args)}
        if args.gateway:
            specs = {allow_name(args.gateway): gateway_spec(args.gateway, *args.gateway_ports), **specs}
        for object_name, spec in specs.items():
            KubernetesObject(
                "networking.k8s.io/v1:NetworkPolicy",
                f"{name}-{object_name}",
                parent=self,
                metadata={"name": object_name, "namespace": args.namespace},
                spec=spec,
            )
        self.register_outputs({})
