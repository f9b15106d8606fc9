"""A service that tells in its answer's headers what it was asked for: an Envoy of its own."""

import json
import subprocess
import sys
from typing import Any

from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl
from tests.embedded.node.mesh import OUTSIDE

PROXY = "docker.io/istio/proxyv2:1.31.0"
PLAIN, GRPC, ENCRYPTED = 18080, 18090, 18443
TOLD = {"x-path": "%REQ(:PATH)%", "x-host": "%REQ(:AUTHORITY)%", "x-protocol": "%PROTOCOL%", "x-got": "%REQ(x-sent)%"}
EXTENSIONS = "type.googleapis.com/envoy.extensions"
MANAGER = f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{EXTENSIONS}.filters.http.router.v3.Router"
TLS = f"{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext"


def configuration() -> dict[str, Any]:
    """Envoy's: HTTP/1.1 and HTTP/2 at PLAIN and GRPC; the same at ENCRYPTED with a certificate that nobody trusts."""
    command = [sys.executable, "-m", "components.commands.self_signed", "--host=pass.example"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    certificate = {
        "certificate_chain": {"inline_string": made["certificate"]},
        "private_key": {"inline_string": made["key"]},
    }
    context = {"@type": TLS, "common_tls_context": {"tls_certificates": [certificate]}}
    listeners = [
        _listener(PLAIN),
        _listener(GRPC),
        _listener(ENCRYPTED, transport_socket={"name": "tls", "typed_config": context}),
    ]
    return {"static_resources": {"listeners": listeners}}


def answering(body: str) -> dict[str, Any]:
    """Of an Envoy that answers every request at PLAIN with these words."""
    return {"static_resources": {"listeners": [_listener(PLAIN, body)]}}


def run(kubectl: Kubectl, name: str, configuration: dict[str, Any]) -> str:
    """Run a pod of it outside the mesh, of which no Service tells; its address."""
    where, command = f"--namespace={OUTSIDE}", ["envoy", "--disable-hot-restart", "--config-yaml"]
    words = [*command, json.dumps(configuration)]
    kubectl("run", name, where, f"--image={PROXY}", "--image-pull-policy=IfNotPresent", "--command", "--", *words)
    kubectl("wait", where, "--for=condition=Ready", f"pod/{name}", f"--timeout={PATIENCE}")
    # Without a probe it is ready before it listens.
    listens = ("get", "--raw", f"/api/v1/namespaces/{OUTSIDE}/pods/{name}:{PLAIN}/proxy/")
    eventually(lambda: kubectl.tried(*listens).returncode == 0, 120)
    address: str = kubectl.json("get", f"pod/{name}", where)["status"]["podIP"]
    return address


def _listener(port: int, body: str = "", **chain: Any) -> dict[str, Any]:
    answer = {"status": 200, **({"body": {"inline_string": body}} if body else {})}
    route = {
        "match": {"prefix": "/"},
        "direct_response": answer,
        "response_headers_to_add": [{"header": {"key": key, "value": value}} for key, value in TOLD.items()],
    }
    hosts = [{"name": "any", "domains": ["*"], "routes": [route]}]
    manager = {
        "@type": MANAGER,
        "stat_prefix": "echo",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    filters = [{"name": "http", "typed_config": manager}]
    return {
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},  # noqa: S104 the pod's own
        "filter_chains": [{"filters": filters, **chain}],
    }
