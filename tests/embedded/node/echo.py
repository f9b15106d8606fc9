"""A service that tells in its answer's headers what it was asked for: an Envoy of its own."""

import json
import subprocess
import sys
from typing import Any

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


def _listener(port: int, **chain: Any) -> dict[str, Any]:
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
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
