"""Where an embedded cluster lives, and how one gets in."""

from base64 import b64encode
from pathlib import Path

import yaml

DEFAULT_ROOT = Path(__file__).resolve().parents[1] / ".embedded"
CONTEXT = "embedded"


def kubeconfig(port: int, certificate: bytes, token: str) -> str:
    """A kubeconfig with the one context `embedded`, holding everything that is needed.

    Args:
        port: The API server's on 127.0.0.1.
        certificate: PEM, what the API server presents.
        token: The administrator's.
    """
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": b64encode(certificate).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": server}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    return yaml.safe_dump(content, sort_keys=False)
