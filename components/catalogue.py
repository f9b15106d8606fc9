"""Every component, each a ComponentResource in a module of its own."""

from .cluster.cluster_guard import ClusterGuard, ClusterGuardArgs
from .cluster.embedded_cluster import EmbeddedCluster, EmbeddedClusterArgs
from .cluster.minikube import Minikube, MinikubeArgs
from .images import ImageSource
from .mesh.ambient_data_plane import AmbientDataPlane, AmbientDataPlaneArgs
from .mesh.cni import CniPlugin
from .mesh.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from .mesh.gateway_service import GatewayPort, GatewayService
from .mesh.ingress_gateway import IngressGateway, IngressGatewayArgs
from .mesh.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from .mesh.injection_check import InjectionCheck, InjectionCheckArgs
from .mesh.istio_base import IstioBase, IstioBaseArgs
from .mesh.mesh_check import MeshCheck, MeshCheckArgs, Page
from .mesh.revision_tag import RevisionTag, RevisionTagArgs
from .mesh.rollout import Rollout, RolloutArgs
from .mesh.waypoint import Waypoint, WaypointArgs
from .observability.addons import Addons, AddonsArgs
from .observability.mesh_telemetry import AccessLogs, MeshTelemetry, MeshTelemetryArgs, Metrics, Tracing
from .observability.observability import Observability, ObservabilityArgs, ObservabilityConfig
from .ownership import Owner
from .security.authorization import Allow, Authorization, AuthorizationArgs
from .security.gateway_certificate import (
    CertManager,
    ExistingSecret,
    GatewayCertificate,
    GatewayCertificateArgs,
    SelfSigned,
)
from .security.ingress_jwt import IngressJwt, IngressJwtArgs, Jwt
from .security.network_isolation import NetworkIsolation, NetworkIsolationArgs
from .security.peer_authentications import MutualTls, PeerAuthentications, PeerAuthenticationsArgs, PortException
from .security.policy import Policy, Workload
from .security.security import NetworkPolicies, Security, SecurityArgs, SecurityConfig
from .traffic.egress import Egress, EgressArgs, ExternalHost, TlsOrigination
from .traffic.egress_route import EgressRoute, EgressRouteArgs
from .traffic.routes import HeaderFilter, PathMatch, Redirect, RouteParent, RouteRule, UrlRewrite, ValueMatch
from .traffic.service_route import ServiceRoute, ServiceRouteArgs
from .traffic.shared_gateway import SharedGateway, SharedGatewayArgs
from .traffic.stream_route import StreamRoute, StreamRouteArgs
from .traffic.traffic import ConnectionPool, Fault, Mirror, OutlierDetection, Retries, Route, Traffic, kinds
from .traffic.traffic_policy import TrafficPolicy, TrafficPolicyArgs
from .workloads.bookinfo import Bookinfo, BookinfoArgs
from .workloads.exposure import Exposure, ExposureArgs
from .workloads.service_port import ServicePort
from .workloads.user_service import UserService, UserServiceArgs

__all__ = [
    "AccessLogs",
    "Addons",
    "AddonsArgs",
    "Allow",
    "AmbientDataPlane",
    "AmbientDataPlaneArgs",
    "Authorization",
    "AuthorizationArgs",
    "Bookinfo",
    "BookinfoArgs",
    "CertManager",
    "ClusterGuard",
    "ClusterGuardArgs",
    "CniPlugin",
    "ConnectionPool",
    "Egress",
    "EgressArgs",
    "EgressRoute",
    "EgressRouteArgs",
    "EmbeddedCluster",
    "EmbeddedClusterArgs",
    "ExistingSecret",
    "Exposure",
    "ExposureArgs",
    "ExternalHost",
    "Fault",
    "GatewayApiCrds",
    "GatewayApiCrdsArgs",
    "GatewayCertificate",
    "GatewayCertificateArgs",
    "GatewayPort",
    "GatewayService",
    "HeaderFilter",
    "ImageSource",
    "IngressGateway",
    "IngressGatewayArgs",
    "IngressJwt",
    "IngressJwtArgs",
    "InjectedNamespace",
    "InjectedNamespaceArgs",
    "InjectionCheck",
    "InjectionCheckArgs",
    "IstioBase",
    "IstioBaseArgs",
    "Jwt",
    "MeshCheck",
    "MeshCheckArgs",
    "MeshTelemetry",
    "MeshTelemetryArgs",
    "Metrics",
    "Minikube",
    "MinikubeArgs",
    "Mirror",
    "MutualTls",
    "NetworkIsolation",
    "NetworkIsolationArgs",
    "NetworkPolicies",
    "Observability",
    "ObservabilityArgs",
    "ObservabilityConfig",
    "OutlierDetection",
    "Owner",
    "Page",
    "PathMatch",
    "PeerAuthentications",
    "PeerAuthenticationsArgs",
    "Policy",
    "PortException",
    "Redirect",
    "Retries",
    "RevisionTag",
    "RevisionTagArgs",
    "Rollout",
    "RolloutArgs",
    "Route",
    "RouteParent",
    "RouteRule",
    "Security",
    "SecurityArgs",
    "SecurityConfig",
    "SelfSigned",
    "ServicePort",
    "ServiceRoute",
    "ServiceRouteArgs",
    "SharedGateway",
    "SharedGatewayArgs",
    "StreamRoute",
    "StreamRouteArgs",
    "TlsOrigination",
    "Tracing",
    "Traffic",
    "TrafficPolicy",
    "TrafficPolicyArgs",
    "UrlRewrite",
    "UserService",
    "UserServiceArgs",
    "ValueMatch",
    "Waypoint",
    "WaypointArgs",
    "Workload",
    "kinds",
]
