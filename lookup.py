"""What is in the cluster before anything is composed: the one place that reads it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pulumi
import urllib3
import yaml
from kubernetes import client, config

from components.gateway_api_crds import BUNDLE_VERSION, CHANNEL, GROUP
from components.ownership import owner_labels
from settings import Settings
from versions import Version

TIMEOUT_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Crd:
    """A Gateway API CRD in the cluster. Bundle version and channel are empty where it does not say."""

    bundle_version: str
    channel: str
    ours: bool


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What the cluster holds of the things that a cluster has only one of.

    Attributes:
        kubernetes: the API server's version; None while there is no cluster.
        namespaces: every namespace, and whether this stack made it.
        gateway_api: the Gateway API's CRDs by name.
    """

    kubernetes: Version | None = None
    namespaces: Mapping[str, bool] = field(default_factory=dict)
    gateway_api: Mapping[str, Crd] = field(default_factory=dict)


def look_up(settings: Settings, stack: str) -> Cluster:
    """Read the cluster that ``settings`` names, on behalf of the stack named ``stack``.

    With clusterMode minikube there may be none yet; an empty Cluster then says so.

    Raises:
        pulumi.RunError: the cluster should be there and cannot be read; says which file, context or address.
    """
    path = Path(settings.kubeconfig).expanduser()
    api = _api_client(path, settings.context)
    if api is None and settings.cluster_mode == "existing":
        raise pulumi.RunError(_missing(path, settings.context))
    if api is None:
        return Cluster()
    try:
        return _read(api, owner_labels(stack))
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if settings.cluster_mode == "minikube" and not _profile_exists(settings.minikube_profile):
            return Cluster()  # the context is left over from a profile that was deleted
        hint = (
            f"start it with `minikube start --profile={settings.minikube_profile}`"
            if settings.cluster_mode == "minikube"
            else "start the cluster, or set kubeconfig and context to another"
        )
        raise pulumi.RunError(
            f"the API server {api.configuration.host} of context {settings.context} in {path} does not answer "
            f"({error}); {hint}"
        ) from error
    except client.ApiException as error:
        raise pulumi.RunError(
            f"the API server {api.configuration.host} of context {settings.context} in {path} refuses to be read: "
            f"{error.status} {error.reason}; check the credentials of that context"
        ) from error


def _api_client(path: Path, context: str) -> client.ApiClient | None:
    """A client for the context, or None where the file or the context does not exist."""
    if not path.is_file() or context not in _contexts(path):
        return None
    settings = client.Configuration()
    try:
        config.load_kube_config(str(path), context=context, client_configuration=settings)
    except (config.ConfigException, OSError, ValueError) as error:
        raise pulumi.RunError(f"context {context} of kubeconfig {path} cannot be used: {error}") from error
    settings.retries = urllib3.Retry(connect=0, read=1)
    return client.ApiClient(settings)


def _contexts(path: Path) -> list[str]:
    """The names of the file's contexts. Unlike the client's own list it needs no current one: `minikube delete` unsets it."""
    try:
        return sorted(entry["name"] for entry in (yaml.safe_load(path.read_text()) or {}).get("contexts") or [])
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise pulumi.RunError(f"kubeconfig {path} cannot be read: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise pulumi.RunError(f"kubeconfig {path} cannot be read: it is YAML, but no kubeconfig") from error


def _missing(path: Path, context: str) -> str:
    if not path.is_file():
        return (
            f"kubeconfig {path} does not exist; accepted: the path of a kubeconfig file. "
            "Set kubeconfig, or clusterMode to minikube to have a cluster started"
        )
    names = ", ".join(_contexts(path))
    return f"context {context!r} is not in kubeconfig {path}; accepted: {names or 'none, as it has no contexts'}"


def _read(api: client.ApiClient, owner: Mapping[str, str]) -> Cluster:
    version = Version.parse(_get(api, "/version")["gitVersion"])
    crds = {}
    for metadata in _list(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
        annotations = metadata.get("annotations", {})
        if metadata["name"].endswith(f".{GROUP}"):
            crds[metadata["name"]] = Crd(
                bundle_version=annotations.get(BUNDLE_VERSION, ""),
                channel=annotations.get(CHANNEL, ""),
                ours=_is_ours(metadata, owner),
            )
    namespaces = {metadata["name"]: _is_ours(metadata, owner) for metadata in _list(api, "/api/v1/namespaces")}
    return Cluster(kubernetes=version, namespaces=namespaces, gateway_api=crds)


def _is_ours(metadata: Mapping[str, Any], owner: Mapping[str, str]) -> bool:
    return set(owner.items()) <= set(metadata.get("labels", {}).items())


def _list(api: client.ApiClient, path: str) -> list[dict[str, Any]]:
    """The metadata of every object: a CRD's schema is not wanted and is most of its size."""
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    return [item["metadata"] for item in _get(api, path, accept)["items"]]


def _get(api: client.ApiClient, path: str, accept: str = "application/json") -> dict[str, Any]:
    request = api.param_serialize("GET", path, header_params={"Accept": accept}, auth_settings=["BearerToken"])
    response = api.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
    try:
        content = dict(json.loads(response.read()))
    except (ValueError, TypeError):  # not JSON, or not an object
        content = {}
    if response.status != HTTPStatus.OK:
        raise client.ApiException(status=response.status, reason=content.get("message", response.reason))
    if not content:
        raise urllib3.exceptions.HTTPError(f"its answer to {path} is not Kubernetes's")
    return content


def _profile_exists(profile: str) -> bool:
    """Whether minikube knows the profile; without minikube there is none."""
    if shutil.which("minikube") is None:
        return False
    found = subprocess.run(
        ["minikube", "profile", "list", "--light", "--output=json"], capture_output=True, text=True, check=False
    )
    return f'"Name":"{profile}"' in found.stdout
