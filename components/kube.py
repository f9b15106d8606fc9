"""The Kubernetes API of one context of a kubeconfig, by path and manifest: what this project's programs need of it.

The official client does the connection and the credentials. Its models, slow to import, are not used.
"""

import contextlib
import http.client
import json
import os
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client, config

from .commands import UserError
from .kubeconfig import FROM_ENVIRONMENT, IN_CLUSTER, account_token, files, in_cluster_document

TIMEOUT_SECONDS = 10
RETRY_SECONDS = 0.2
CONNECTIONS = 32  # at most, kept for reuse
APPLY = "application/apply-patch+yaml"
# Its UID is the cluster's identity: it is there from the beginning, and cannot be made anew.
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
MERGE = "application/merge-patch+json"
# Metadata is all that is wanted of objects such as CRDs, whose schemas are most of their size.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def listing(api_version: str, kind: str, namespace: str = "") -> str:
    """The path of every object of a kind, in one namespace where it is given."""
    # As Kubernetes guesses it, which holds for every kind of this project: policies, but gateways.
    word = kind.lower()
    plural = f"{word[:-1]}ies" if word.endswith("y") and word[-2] not in "aeiou" else f"{word}s"
    return f"{api_path(api_version)}{f'/namespaces/{namespace}' if namespace else ''}/{plural}"


def api_path(api_version: str) -> str:
    """The path of an API group's version, such as ``/apis/apps/v1``."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


class KubeError(UserError):
    """One paragraph: which file, context or server, and what is wrong with it."""


class MissingContextError(KubeError):
    """The kubeconfig file or the context does not exist."""


class UnreachableError(KubeError):
    """The API server does not answer."""


class RefusedError(KubeError):
    """The API server answers with an error; ``status`` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _load_account(context: str, settings: client.Configuration) -> str:
    token = account_token()
    if not token.is_file():
        raise KubeError(
            f"kubeconfig is {IN_CLUSTER}, and {token} does not exist: this runs in no pod, or in "
            "one without a ServiceAccount's token; set kubeconfig to the path of a file"
        )
    try:
        config.load_kube_config_from_dict(
            in_cluster_document(), context=context, client_configuration=settings, persist_config=False
        )
    except Exception as error:  # the client's own, OSError: whatever a half-mounted volume brings about
        raise KubeError(f"the pod's account in {token.parent} cannot be used: {error}") from error
    return IN_CLUSTER


def _load_files(name: str, context: str, settings: client.Configuration) -> str:
    paths = files(name)
    shown = os.pathsep.join(map(str, paths))
    found = [path for path in paths if path.is_file()]
    if not found:
        several = f", or {FROM_ENVIRONMENT} for those that it lists" if os.pathsep in shown else ""
        raise MissingContextError(
            f"kubeconfig {shown} does not exist; accepted: the path of a kubeconfig file{several}"
        )
    known: list[str] = []
    try:
        # kubectl passes over a file without content, and the client does not.
        read = {path: content for path in found if (content := yaml.safe_load(path.read_text())) is not None}
        known += [entry["name"] for content in read.values() for entry in content.get("contexts") or []]
        if context in known:
            joined = os.pathsep.join(map(str, read))
            config.load_kube_config(joined, context=context, client_configuration=settings)
    except Exception as error:  # yaml's, the client's, TypeError: whatever a broken file brings about
        raise KubeError(f"kubeconfig {shown} cannot be used: {error}") from error
    if context not in known:
        names = ", ".join(sorted(set(known))) or "none, as it has no contexts"
        raise MissingContextError(f"context {context!r} is not in kubeconfig {shown}; accepted: {names}")
    return shown


class Kube:
    """One cluster's API server."""

    def __init__(self, kubeconfig: str | Path, context: str) -> None:
        """Read the kubeconfig, a file or one of the names in kubeconfig.py; nothing is sent yet.

        Raises:
            MissingContextError: there is no such file, or no such context in it.
            KubeError: the file cannot be used.
        """
        settings = client.Configuration()
        settings.retries = False
        settings.connection_pool_maxsize = CONNECTIONS
        if str(kubeconfig) == IN_CLUSTER:
            shown = _load_account(context, settings)
        else:
            shown = _load_files(str(kubeconfig), context, settings)
        self._client = client.ApiClient(settings)
        self.where = f"the API server {settings.host} of context {context} in {shown}"

    def get(self, path: str, accept: str = "application/json") -> dict[str, Any]:
        """GET a path.

        Raises:
            UnreachableError: nothing answers.
            RefusedError: an error answers.
        """
        return self.request("GET", path, accept=accept)

    def find(self, path: str) -> dict[str, Any] | None:
        """GET a path; None where nothing is found."""
        try:
            return self.get(path)
        except RefusedError as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def objects(self, path: str) -> list[dict[str, Any]]:
        """Every object under a path such as ``/api/v1/pods``."""
        items: list[dict[str, Any]] = self.get(path)["items"]
        return items

    def metadata(self, path: str) -> list[dict[str, Any]]:
        """The metadata of every object under a path."""
        return [item["metadata"] for item in self.get(path, METADATA_ONLY)["items"] or ()]

    def served_metadata(self, path: str) -> list[dict[str, Any]]:
        """The same, and nothing where the API server does not serve that kind."""
        try:
            return self.metadata(path)
        except RefusedError as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return []
            raise

    def delete(self, path: str) -> bool:
        """DELETE a path, and in the background what it owns; whether it was there."""
        try:
            self.request("DELETE", path)
        except RefusedError as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def text(self, path: str) -> tuple[int, str]:
        """GET a path that need not be JSON, such as a page behind the service proxy; its status and body."""
        status, body = self._send("GET", path, None, {})
        return status, body.decode(errors="replace")

    def forwarded(self, pod: str, port: int, path: str) -> tuple[int, str]:
        """GET a path from a port on a pod's own loopback, as ``kubectl port-forward`` reaches it; status and body.

        Args:
            pod: the pod's own path, such as /api/v1/namespaces/istio-system/pods/istiod-0.
            port: 1 to 65535; speaks HTTP.
            path: what to ask there, from /.

        Raises:
            UnreachableError: this account may not forward ports, or nothing answers HTTP there.
        """
        import websocket  # slow to import: hardly anything needs it
        from kubernetes.stream.ws_client import portforward_call

        websocket.setdefaulttimeout(TIMEOUT_SECONDS)
        _, url, headers, *_ = self._client.param_serialize("GET", f"{pod}/portforward", auth_settings=["BearerToken"])
        try:
            forward = portforward_call(
                self._client.configuration, "GET", url, query_params=[("ports", str(port))], headers=headers
            )
            with contextlib.closing(forward):
                connection = http.client.HTTPConnection("localhost", port)
                connection.sock = forward.socket(port)
                connection.sock.settimeout(TIMEOUT_SECONDS)
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
        except (client.ApiException, http.client.HTTPException, OSError) as error:
            reason = " ".join(str(error).split())
            raise UnreachableError(f"{self.where} forwards no port {port} of {pod}: {reason}") from error

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "", accept: str = "application/json"
    ) -> dict[str, Any]:
        """Send a request whose answer is JSON; the answer.

        Raises:
            UnreachableError: nothing answers.
            RefusedError: an error answers; with the API server's own words.
        """
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        status, answer = self._send(method, path, body, headers)
        try:
            content = dict(json.loads(answer))
        except (ValueError, TypeError):  # no JSON, or no object
            content = {}
        if status >= HTTPStatus.BAD_REQUEST:
            words = content.get("message") or answer.decode(errors="replace")[:300]
            raise RefusedError(f"{self.where} answers {status} to {method} {path}: {words}", status)
        if not content:
            raise UnreachableError(f"{self.where} is none: what answers {method} {path} is not Kubernetes")
        return content

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, bytes]:
        request = self._client.param_serialize(
            method, path, header_params=dict(headers), body=body, auth_settings=["BearerToken"]
        )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            while True:
                response = self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
                # "Come back later", which is also what custom resources answer while their CRD changes.
                if response.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                    return response.status, response.read()
                time.sleep(RETRY_SECONDS)
        except (client.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            # The client words TLS errors as ApiException.
            reason = " ".join(str(error).split())
            raise UnreachableError(f"{self.where} does not answer: {reason}") from error
