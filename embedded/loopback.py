"""A few requests to the embedded API server, for the moments when it is only just coming up.

The official client is not used here: loading it takes as long as the cluster's whole start, and it sends loopback
traffic to a proxy where the environment names one.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from embedded.errors import EmbeddedError

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


@dataclass(frozen=True, kw_only=True)
class Api:
    """The API server on 127.0.0.1. `certificate` is what it must present, `token` what it knows us by."""

    port: int
    certificate: Path
    token: str

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request; return the HTTP status and the decoded answer (text where it is not JSON).

        Args:
            method: PATCH is a server-side apply.
            path: From the root, such as /readyz.
            body: Sent as JSON.

        Returns:
            Status 0 and None while nothing answers there.
        """
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        payload = None if body is None else json.dumps(body)
        try:
            context = ssl.create_default_context(cafile=str(self.certificate))
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
            try:
                connection.request(method, path, payload, headers)
                answer = connection.getresponse()
                text = answer.read().decode()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return 0, None
        try:
            return answer.status, json.loads(text)
        except json.JSONDecodeError:
            return answer.status, text


def identity(api: Api | None, root: Path) -> str:
    """The UID of the namespace kube-system of the cluster in ``root``.

    Raises:
        EmbeddedError: There is no API server, or it does not answer.
    """
    status, namespace = api.request("GET", KUBE_SYSTEM) if api else (0, None)
    if status != HTTPStatus.OK or not isinstance(namespace, dict):
        raise EmbeddedError(f"The embedded cluster in {root} does not answer. Start it, and try again.")
    return str(namespace["metadata"]["uid"])
