"""Names and addresses inside the cluster; its network has no way out, so they cannot meet anyone else's."""

NODE = "embedded"
NODE_ADDRESS = "10.200.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
LOAD_BALANCER_RANGE = "10.97.0.0/24"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"

API_PORT = 6443
API_SERVER = f"https://127.0.0.1:{API_PORT}"
ETCD = "https://127.0.0.1:2379"
ETCD_PEER = "https://127.0.0.1:2380"
REGISTRY = "127.0.0.1:5000"
CONTAINERD = "/run/containerd/containerd.sock"
PAUSE = "registry.k8s.io/pause:embedded"

API_SERVER_HOSTS = (
    "127.0.0.1",
    "localhost",
    NODE_ADDRESS,
    API_SERVICE,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
)
"""What the API server's certificate is valid for: from the host through the relay, from the node and from pods."""
