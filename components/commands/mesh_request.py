"""What a mesh check is asked for: CHECK.json, as the docstring of mesh_check.py has it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import UserError

Fields = dict[str, tuple[Callable[[Any], bool], str]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page behind a Service: port 1 to 65535; path starts with /, without query; title is part of its <title>."""

    service: str
    namespace: str
    port: int
    path: str
    title: str

    @property
    def proxy_path(self) -> str:
        """Return the page's path on the API server, whose proxy needs no tunnel and no port-forward.

        https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
        """
        return f"/api/v1/namespaces/{self.namespace}/services/{self.service}:{self.port}/proxy{self.path}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What to check. revision: of Istio, that every sidecar must be of; empty where its version tells it."""

    kubeconfig: str
    context: str
    namespace: str
    istio_version: str
    deployments: tuple[str, ...]
    pages: tuple[Page, ...]
    timeout_seconds: int
    waypoint: str = ""
    revision: str = ""


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _whole(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


_TEXT = (_text, "a text that is not empty")
_FIELDS: Fields = {
    **dict.fromkeys(("kubeconfig", "context", "namespace", "istioVersion"), _TEXT),
    "deployments": (
        lambda value: isinstance(value, list) and value != [] and all(map(_text, value)),
        "a list of at least one Deployment's name",
    ),
    "pages": (lambda value: isinstance(value, list), "a list of pages"),
    "timeoutSeconds": (_whole(3600), "a whole number from 1 to 3600"),
}
_OPTIONAL = {"waypoint": _TEXT, "revision": _TEXT}
_PAGE_FIELDS: Fields = {
    **dict.fromkeys(("service", "namespace", "title"), _TEXT),
    "port": (_whole(65535), "a whole number from 1 to 65535"),
    "path": (lambda value: _text(value) and bool(re.fullmatch("/[^?#]*", value)), "a text such as /productpage"),
}


def _fields(document: Any, fields: Fields, where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise UserError(f"{where} is {json.dumps(document)}; accepted: an object with {', '.join(fields)}.")
    if odd := [key for key in document if key not in fields] or [key for key in fields if key not in document]:
        fault = "not a known key" if odd[0] in document else "missing"
        raise UserError(f"{where}: {odd[0]} is {fault}; accepted: {', '.join(fields)}.")
    for key, (accepts, form) in fields.items():
        if not accepts(document[key]):
            raise UserError(f"{where}: {key} is {json.dumps(document[key])}; accepted: {form}.")
    return document


def parse(text: str) -> Check:
    """Read CHECK.json.

    Raises:
        UserError: not JSON, an unknown or missing key, or a wrong value; names the key, the value, what is accepted.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"The mesh check's input on stdin is not JSON: {error}.") from None
    optional = {key: _OPTIONAL[key] for key in _OPTIONAL if isinstance(document, dict) and key in document}
    given = _fields(document, _FIELDS | optional, "The mesh check's input")
    pages = [_fields(page, _PAGE_FIELDS, f"The mesh check's pages[{i}]") for i, page in enumerate(given["pages"])]
    return Check(
        kubeconfig=given["kubeconfig"],
        context=given["context"],
        namespace=given["namespace"],
        istio_version=given["istioVersion"],
        deployments=tuple(given["deployments"]),
        pages=tuple(Page(**page) for page in pages),
        timeout_seconds=given["timeoutSeconds"],
        waypoint=given.get("waypoint", ""),
        revision=given.get("revision", ""),
    )
