"""The program itself on a real node: stack embedded with Istio and Bookinfo, and requests to it."""

import http.client
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded.node.cluster import RealCluster
from operations.manifests.declared import settings_of
from operations.pulumi_cli import Cli
from operations.stacks import gateways
from tests.embedded.engine import for_tests
from tests.embedded.node.kubectl import Kubectl
from tests.embedded.stack import refused

NAMESPACE = "bookinfo"
"""Of Bookinfo and of the client inside the mesh; `default`, where other tests have pods, gets no sidecars."""

OUTSIDE = "default"
CLIENT = "mesh-client"
TITLE = "<title>Simple Bookstore App</title>"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request was answered with; status 0 and the reason as body where the connection failed or broke off."""

    status: int
    body: str
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Stack embedded on the tests' node, by the real engine."""

    node: RealCluster
    kubectl: Kubectl
    state: Path

    def up(self, **config: str) -> dict[str, Any]:
        """Bring the stack to this configuration over Pulumi.embedded.yaml's; its outputs."""
        # As `make up` does; other tests publish Services of theirs.
        self.node.publish(gateways(NAMESPACE, config.get("gateways", "{}")))
        outputs = self.cli.up(self._config(config))
        for namespace in (NAMESPACE, OUTSIDE):
            if self.kubectl.tried("get", "pod", CLIENT, f"--namespace={namespace}").returncode:
                self.kubectl.run_client(CLIENT, namespace)
        return outputs

    def refused(self, **config: str) -> str:
        """An ``up`` that must fail; what it printed, in one line."""
        return refused(self.cli, self._config(config))

    def request(
        self,
        path: str = "/productpage",
        *,
        host: str | None = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        """One request from the host, through the relay and the first gateway that answers; follows no redirect."""
        given = {**(headers or {}), **({"Host": host} if host else {})}
        request = urllib.request.Request(f"http://{self.node.address('http')}{path}", headers=given, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AsItIs)
        began = time.monotonic()
        try:
            with opener.open(request, timeout=30) as answer:
                status, found, body = answer.status, answer.headers, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return Answer(status=0, body=str(error), seconds=time.monotonic() - began)
        taken = time.monotonic() - began
        return Answer(status=status, body=body, seconds=taken, headers={k.lower(): v for k, v in found.items()})

    def get(self, url: str, *options: str, inside: bool = True) -> dict[str, Any]:
        """One request from a pod: with a sidecar in Bookinfo's namespace, or outside the mesh without one.

        Args:
            url: such as http://reviews.bookinfo:9080/reviews/0.
            options: the client's, before the URL, such as -H=end-user=jason.
            inside: whether the pod has a sidecar.
        """
        return self.kubectl.get(CLIENT, *options, url, namespace=NAMESPACE if inside else OUTSIDE)

    @property
    def cli(self) -> Cli:
        return Cli(engine=for_tests(), stack="embedded", state=self.state)

    def _config(self, config: dict[str, str]) -> dict[str, str]:
        root = self.node.root
        gateway_api = settings_of("embedded")["gatewayApiVersion"]
        return {
            "clusterMode": "existing",
            "kubeconfig": str(self.node.kubeconfig),
            "istioChartRepository": str(root / "charts"),
            "gatewayApiManifest": str(root / "gateway-api" / gateway_api / "standard"),
            "namespace": NAMESPACE,
            **config,
        }


class _AsItIs(urllib.request.HTTPErrorProcessor):
    def http_response(self, _: urllib.request.Request, response: Any) -> Any:
        """A refusal is an answer, and so is a redirect."""
        return response
