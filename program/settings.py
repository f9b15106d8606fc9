"""The stack's configuration as one frozen, typed value: the only reader of ``pulumi.Config``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, Self, cast

import pulumi

from components.images import ImageSource
from components.kubeconfig import FROM_ENVIRONMENT, IN_CLUSTER
from components.mesh.gateway_service import ServiceType
from components.mesh.istio_base import NAMESPACE as ISTIO_NAMESPACE
from components.observability.observability import ObservabilityConfig
from components.security.security import SecurityConfig
from components.traffic.egress import ExternalHost
from components.traffic.traffic import Traffic
from components.versions import Version
from components.workloads.bookinfo import SHOWN
from embedded.access import CONTEXT
from program import conflicts, control_planes, exposed
from program.config import charts as charts_config
from program.config import egress as egress_config
from program.config import images as images_config
from program.config import node_agents, paths
from program.config import observability as observability_config
from program.config import security as security_config
from program.config import traffic as traffic_config
from program.config.addresses import retired_addresses
from program.config.gateways import Gateway
from program.config.keys import Keys
from program.config.services import Service
from program.config.values import INJECTABLE, RELEASE
from program.control_planes import DEFAULT, ControlPlanes

ClusterMode = Literal["minikube", "embedded", "existing"]
Channel = Literal["standard", "experimental"]
Compatibility = Literal["enforce", "warn"]
DataPlane = Literal["sidecar", "ambient"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every key of the stack's configuration, checked. Pulumi.yaml describes each key and holds its default.

    Sizes are MiB (``minikube_memory``) and processors (``minikube_cpus``). ``istio_version`` is MAJOR.MINOR.PATCH;
    ``kubernetes_version`` and ``gateway_api_version`` are vMAJOR.MINOR.PATCH. Empty strings stand for "not set".
    ``allowed_registries`` is for the policies alone, ``accept_cluster`` for `make up` and `make recover`: the program
    itself takes no other cluster than the recorded one.
    ``secrets`` names the keys, of ``SECRET_KEYS``, whose values are secrets, or hold one.
    """

    cluster_mode: ClusterMode
    kubeconfig: str
    context: str
    allowed_contexts: Sequence[str]
    accept_cluster: str
    adopt: bool
    minikube_profile: str
    minikube_memory: int
    minikube_cpus: int
    minikube_driver: str
    kubernetes_version: str
    istio_version: str
    istio_chart_repository: str
    istio_values: Mapping[str, Any]
    cni_values: Mapping[str, Any]
    ztunnel_values: Mapping[str, Any]
    ingress_service_type: ServiceType
    replicas: int
    gateway_api_version: str
    gateway_api_channel: Channel
    gateway_api_manifest: str
    namespace: str
    revision: str
    revisions: Mapping[str, str]
    tags: Mapping[str, str]
    namespace_revisions: Mapping[str, str]
    data_plane: DataPlane
    cni: bool
    bookinfo: bool
    mesh_check_http: bool
    protect: bool
    compatibility: Compatibility
    scenario: str
    traffic: tuple[Traffic, ...]
    services: tuple[Service, ...]
    egress: tuple[ExternalHost, ...]
    outbound_traffic_policy: str
    rollout: tuple[str, ...]
    gateways: Mapping[str, Gateway]
    security: SecurityConfig
    observability: ObservabilityConfig
    image_registry: str
    image_registries: Mapping[str, str]
    image_pull_secrets: Sequence[str]
    image_digests: Mapping[str, str]
    allowed_registries: Sequence[str]
    secrets: frozenset[str] = frozenset()

    @classmethod
    def load(cls) -> Self:
        """Read the current stack's configuration, and warn of addresses in it that end.

        Raises:
            pulumi.RunError: a key is unknown, missing or has a value that is not accepted; the message names the key,
                the value seen and what would be accepted.
        """
        keys = Keys(pulumi.Config())
        namespace = keys["namespace"].text(*INJECTABLE)
        bookinfo = keys["bookinfo"].boolean()
        scenario = traffic_config.read_scenario(keys["scenario"], bookinfo=bookinfo)
        service_type = cast(ServiceType, keys["ingressServiceType"].choice("LoadBalancer", "NodePort", "ClusterIP"))
        replicas = keys["replicas"].integer("a whole number of pods", least=1)
        gateways, services = conflicts.read(
            keys["gateways"], keys["services"], namespace=namespace, service_type=service_type, replicas=replicas
        )
        istio_version = keys["istioVersion"].text(RELEASE, "MAJOR.MINOR.PATCH, such as 1.23.0")
        revisions = control_planes.read_revisions(keys["revisions"])
        tags = control_planes.read_tags(keys["tags"], revisions)
        data_plane = cast(DataPlane, keys["dataPlane"].choice("sidecar", "ambient"))
        istio_values = charts_config.read_istiod(keys["istioValues"])
        versions = list(revisions.values()) or [istio_version]
        cni = node_agents.read_cni(keys["cni"], data_plane=data_plane, versions=versions, istio_values=istio_values)
        agents = node_agents.charts(data_plane, cni=cni)
        source = images_config.read_source(keys["imageRegistry"], keys["imageRegistries"], keys["imagePullSecrets"])
        settings = cls(
            cluster_mode=cast(ClusterMode, keys["clusterMode"].choice("minikube", "embedded", "existing")),
            kubeconfig=paths.kubeconfig(
                keys["kubeconfig"].text(
                    r"\S.*",
                    f"the path of a kubeconfig file, such as ~/.kube/config, {FROM_ENVIRONMENT} or {IN_CLUSTER}",
                )
            ),
            context=keys["context"].text(r"\S.*", "the name of a context in the kubeconfig"),
            allowed_contexts=[
                context.text(r"\S.*", "the name of a context in the kubeconfig")
                for context in keys["allowedContexts"].items("a list of contexts")
            ],
            accept_cluster=keys["acceptCluster"].text(
                r"([-0-9a-f]{36})?", "the UID of a namespace kube-system, or empty"
            ),
            adopt=keys["adopt"].boolean(),
            minikube_profile=keys["minikubeProfile"].text(
                r"[a-zA-Z0-9][-a-zA-Z0-9]*[a-zA-Z0-9]",
                "two or more letters, digits and dashes, a dash neither first nor last, such as minikube",
            ),
            minikube_memory=keys["minikubeMemory"].integer("a whole number of MiB", least=1800),
            minikube_cpus=keys["minikubeCpus"].integer("a whole number of processors", least=2),
            minikube_driver=keys["minikubeDriver"].text(r"[a-z0-9]*", "a minikube driver such as docker, or empty"),
            kubernetes_version=keys["kubernetesVersion"].text(f"v{RELEASE}", "vMAJOR.MINOR.PATCH, such as v1.30.0"),
            istio_version=istio_version,
            istio_chart_repository=keys["istioChartRepository"].text(
                r"\S.*",
                "the address of a Helm repository, oci://HOST/PATH, or a folder that holds NAME-VERSION.tgz",
            ),
            istio_values=istio_values,
            cni_values=charts_config.read_agent(keys["cniValues"], "cni", "" if agents else "cni or dataPlane ambient"),
            ztunnel_values=charts_config.read_agent(
                keys["ztunnelValues"], "ztunnel", "" if data_plane == "ambient" else "dataPlane ambient"
            ),
            ingress_service_type=service_type,
            replicas=replicas,
            gateway_api_version=keys["gatewayApiVersion"].text(f"v{RELEASE}", "vMAJOR.MINOR.PATCH, such as v1.1.0"),
            gateway_api_channel=cast(Channel, keys["gatewayApiChannel"].choice("standard", "experimental")),
            gateway_api_manifest=keys["gatewayApiManifest"].text(r".*", "the path of a file or folder, or empty"),
            namespace=namespace,
            revision=control_planes.read_selected(keys["revision"], revisions, tags),
            revisions=revisions,
            tags=tags,
            namespace_revisions=control_planes.read_namespaces(
                keys["namespaceRevisions"],
                revisions,
                tags,
                frozenset({ISTIO_NAMESPACE, namespace, *exposed.namespaces(services, gateways)}),
            ),
            data_plane=data_plane,
            cni=cni,
            bookinfo=bookinfo,
            mesh_check_http=keys["meshCheckHttp"].boolean(),
            protect=keys["protect"].boolean(),
            compatibility=cast(Compatibility, keys["compatibility"].choice("enforce", "warn")),
            scenario=scenario,
            traffic=traffic_config.read_all(
                keys["traffic"], scenario, bookinfo=bookinfo, elsewhere=[service.name for service in services]
            ),
            services=services,
            gateways=gateways,
            egress=conflicts.read_hosts(keys["egress"], data_plane=data_plane, gateways=gateways),
            outbound_traffic_policy=egress_config.read_policy(
                keys["outboundTrafficPolicy"], data_plane=data_plane, istio_values=istio_values
            ),
            rollout=control_planes.read_rollout(keys["rollout"], data_plane=data_plane),
            security=security_config.read(
                keys["security"],
                bookinfo=bookinfo,
                istio_values=istio_values,
                cni=cni,
                namespace=namespace,
                services=services,
                gateways=gateways,
            ),
            observability=observability_config.read(keys["observability"], istio_values=istio_values),
            image_registry=source.mirror,
            image_registries=source.mirrors,
            image_pull_secrets=source.pull_secrets,
            image_digests=images_config.read_digests(
                keys["imageDigests"],
                source=source,
                istio_versions=versions,
                charts=["istiod", *agents],
                bookinfo=bookinfo,
                services=services,
            ),
            allowed_registries=[
                images_config.registry(allowed) for allowed in keys["allowedRegistries"].items("a list of registries")
            ],
            secrets=keys.secrets,
        )
        keys.refuse_others()
        for warning in retired_addresses(vars(settings)):
            pulumi.warn(warning)
        if settings.allowed_contexts and settings.context not in settings.allowed_contexts:
            raise keys["context"].error(f"one of allowedContexts: {', '.join(settings.allowed_contexts)}")
        if settings.kubeconfig == IN_CLUSTER and settings.context != IN_CLUSTER:
            raise keys["context"].error(f"{IN_CLUSTER}, as kubeconfig is that and knows no other")
        if settings.kubeconfig in (FROM_ENVIRONMENT, IN_CLUSTER) and settings.cluster_mode == "minikube":
            raise keys["kubeconfig"].error(
                "the path of one file with clusterMode minikube, which writes its context there"
            )
        if settings.cluster_mode == "minikube" and settings.context != settings.minikube_profile:
            raise keys["context"].error(
                f"{settings.minikube_profile!r}, as with clusterMode minikube a context is named after its profile"
            )
        if settings.cluster_mode == "embedded" and PurePath(settings.kubeconfig).name != "kubeconfig":
            raise keys["kubeconfig"].error("FOLDER/kubeconfig, such as .embedded/kubeconfig, with clusterMode embedded")
        if settings.cluster_mode == "embedded" and settings.context != CONTEXT:
            raise keys["context"].error(f"{CONTEXT!r}, as with clusterMode embedded the context has that name")
        return settings

    @property
    def control_planes(self) -> ControlPlanes:
        """The istiods that there are to be: those of ``revisions``, or the one of ``istio_version``."""
        versions = self.revisions or {self.revision or DEFAULT: self.istio_version}
        return ControlPlanes(
            versions=versions,
            base=max([self.istio_version, *versions.values()], key=Version.parse),
            selected=self.revision,
            tags=self.tags,
            namespaces=self.namespace_revisions,
            side_by_side=bool(self.revisions),
        )

    @property
    def node_agents(self) -> tuple[str, ...]:
        """The charts of Istio's agents that run on every node."""
        return node_agents.charts(self.data_plane, cni=self.cni)

    @property
    def image_source(self) -> ImageSource:
        """Where every image comes from."""
        return ImageSource(
            mirror=self.image_registry,
            mirrors=self.image_registries,
            digests=self.image_digests,
            pull_secrets=self.image_pull_secrets,
        )

    @property
    def page_is_faulty(self) -> bool:
        """Whether Bookinfo's page fails, or is late, on purpose for whoever asks for it through the Gateway."""
        return any(each.service == SHOWN and each.fault and not each.fault.headers for each in self.traffic)

    @property
    def istio(self) -> Version:
        """``istio_version``, to be compared."""
        return Version.parse(self.istio_version)

    @property
    def gateway_api(self) -> Version:
        """``gateway_api_version``, to be compared."""
        return Version.parse(self.gateway_api_version)
