"""The stack's configuration as one frozen, typed value: the only reader of ``pulumi.Config``."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import pulumi
from pulumi.runtime import config as runtime_config

from versions import Version

ClusterMode = Literal["minikube", "existing"]
ServiceType = Literal["LoadBalancer", "NodePort", "ClusterIP"]
Channel = Literal["standard", "experimental"]
Compatibility = Literal["enforce", "warn"]

NUMBER = "(0|[1-9][0-9]{0,8})"
RELEASE = rf"v{NUMBER}\.{NUMBER}\.{NUMBER}"
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every key of the stack's configuration, checked. Pulumi.yaml describes each key and holds its default.

    Sizes are MiB (``minikube_memory``) and processors (``minikube_cpus``). ``istio_version`` is MAJOR.MINOR.PATCH;
    ``kubernetes_version`` and ``gateway_api_version`` are vMAJOR.MINOR.PATCH. Empty strings stand for "not set".
    """

    cluster_mode: ClusterMode
    kubeconfig: str
    context: str
    allowed_contexts: Sequence[str]
    accept_cluster: str
    minikube_profile: str
    minikube_memory: int
    minikube_cpus: int
    minikube_driver: str
    kubernetes_version: str
    istio_version: str
    istio_chart_repository: str
    istio_values: Mapping[str, Any]
    ingress_service_type: ServiceType
    replicas: int
    gateway_api_version: str
    gateway_api_channel: Channel
    gateway_api_manifest: str
    namespace: str
    revision: str
    bookinfo: bool
    mesh_check_http: bool
    protect: bool
    compatibility: Compatibility

    @classmethod
    def load(cls) -> Self:
        """Read the current stack's configuration.

        Raises:
            pulumi.RunError: a key is unknown, missing or has a value that is not accepted; the message names the key,
                the value seen and what would be accepted.
        """
        keys = _Keys(pulumi.Config())
        settings = cls(
            cluster_mode=cast(ClusterMode, keys.choice("clusterMode", "minikube", "existing")),
            kubeconfig=keys.text("kubeconfig", r"\S.*", "the path of a kubeconfig file, such as ~/.kube/config"),
            context=keys.text("context", r"\S.*", "the name of a context in the kubeconfig"),
            allowed_contexts=keys.texts("allowedContexts", r"\S.*", "names of contexts in the kubeconfig"),
            accept_cluster=keys.text(
                "acceptCluster", r"([-0-9a-f]{36})?", "the UID of a namespace kube-system, or empty"
            ),
            minikube_profile=keys.text(
                "minikubeProfile",
                r"[a-zA-Z0-9][-a-zA-Z0-9]+",
                "two or more letters, digits and dashes, such as minikube",
            ),
            minikube_memory=keys.integer("minikubeMemory", least=1800, unit="MiB"),
            minikube_cpus=keys.integer("minikubeCpus", least=2, unit="processors"),
            minikube_driver=keys.text("minikubeDriver", r"[a-z0-9]*", "a minikube driver such as docker, or empty"),
            kubernetes_version=keys.text("kubernetesVersion", RELEASE, "vMAJOR.MINOR.PATCH, such as v1.30.0"),
            istio_version=keys.text("istioVersion", RELEASE.removeprefix("v"), "MAJOR.MINOR.PATCH, such as 1.23.0"),
            istio_chart_repository=keys.text(
                "istioChartRepository",
                r"\S.*",
                "the address of a Helm repository, or a folder that holds NAME-VERSION.tgz",
            ),
            istio_values=keys.mapping("istioValues"),
            ingress_service_type=cast(
                ServiceType, keys.choice("ingressServiceType", "LoadBalancer", "NodePort", "ClusterIP")
            ),
            replicas=keys.integer("replicas", least=1, unit="pods"),
            gateway_api_version=keys.text("gatewayApiVersion", RELEASE, "vMAJOR.MINOR.PATCH, such as v1.1.0"),
            gateway_api_channel=cast(Channel, keys.choice("gatewayApiChannel", "standard", "experimental")),
            gateway_api_manifest=keys.text("gatewayApiManifest", r".*", "the path of a file or folder, or empty"),
            namespace=keys.text("namespace", DNS_LABEL, "a DNS-1123 label such as default"),
            revision=keys.text("revision", rf"({DNS_LABEL})?", "a DNS-1123 label such as 1-23-0, or empty"),
            bookinfo=keys.boolean("bookinfo"),
            mesh_check_http=keys.boolean("meshCheckHttp"),
            protect=keys.boolean("protect"),
            compatibility=cast(Compatibility, keys.choice("compatibility", "enforce", "warn")),
        )
        keys.refuse_others()
        if settings.allowed_contexts and settings.context not in settings.allowed_contexts:
            raise keys.error(
                "context", settings.context, f"one of allowedContexts: {', '.join(settings.allowed_contexts)}"
            )
        if settings.cluster_mode == "minikube" and settings.context != settings.minikube_profile:
            raise keys.error(
                "context",
                settings.context,
                f"{settings.minikube_profile!r}, as with clusterMode minikube a context is named after its profile",
            )
        return settings

    @property
    def istio(self) -> Version:
        """``istio_version``, to be compared."""
        return Version.parse(self.istio_version)

    @property
    def gateway_api(self) -> Version:
        """``gateway_api_version``, to be compared."""
        return Version.parse(self.gateway_api_version)


class _Keys:
    """Reads one key at a time as the type it should have, and remembers which keys there are."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._read: set[str] = set()

    def text(self, key: str, pattern: str, accepted: str) -> str:
        value = self._raw(key)
        if not re.fullmatch(pattern, value):
            raise self.error(key, value, accepted)
        return value

    def choice(self, key: str, *choices: str) -> str:
        value = self._raw(key)
        if value not in choices:
            raise self.error(key, value, " or ".join(choices))
        return value

    def integer(self, key: str, *, least: int, unit: str) -> int:
        value = self._raw(key)
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or int(value) < least:
            raise self.error(key, value, f"a whole number of {unit}, {least} or more")
        return int(value)

    def boolean(self, key: str) -> bool:
        return self.choice(key, "true", "false") == "true"

    def texts(self, key: str, pattern: str, accepted: str) -> Sequence[str]:
        value = self._raw(key)
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, list) or not all(isinstance(t, str) and re.fullmatch(pattern, t) for t in parsed):
            raise self.error(key, value, f"a list of {accepted}")
        return parsed

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self._raw(key)
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise self.error(key, value, "an object, such as {pilot: {autoscaleEnabled: false}}")
        return parsed

    def refuse_others(self) -> None:
        """Refuse keys of this project that nothing reads: a mistyped key must not pass for a default."""
        prefix = f"{self._config.name}:"
        present = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
        for key in sorted(key.removeprefix(prefix) for key in present if key.startswith(prefix)):
            if key not in self._read:
                raise self.error(key, present[prefix + key], f"one of these keys: {', '.join(sorted(self._read))}")

    def error(self, key: str, value: str, accepted: str) -> pulumi.RunError:
        return pulumi.RunError(f"config key {self._config.name}:{key} is {value!r}; accepted: {accepted}")

    def _raw(self, key: str) -> str:
        self._read.add(key)
        value = self._config.get(key)
        if value is None:
            raise pulumi.RunError(
                f"config key {self._config.name}:{key} is not set and Pulumi.yaml gives no default; "
                "restore Pulumi.yaml's config section, or set the key"
            )
        return value
