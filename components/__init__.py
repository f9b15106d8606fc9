"""The mesh's building blocks: one ComponentResource a module."""

from components.addons import Addons, AddonsArgs
from components.ambient_data_plane import AmbientDataPlane, AmbientDataPlaneArgs
from components.authorization import Allow, Authorization, AuthorizationArgs
from components.bookinfo import Bookinfo, BookinfoArgs
from components.cluster_guard import ClusterGuard, ClusterGuardArgs
from components.exposure import Exposure, ExposureArgs
from components.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from components.gateway_certificate import GatewayCertificate, GatewayCertificateArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from components.ingress_jwt import IngressJwt, IngressJwtArgs
from components.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from components.istio_base import IstioBase, IstioBaseArgs
from components.mesh_check import MeshCheck, MeshCheckArgs, Page
from components.mesh_telemetry import MeshTelemetry, MeshTelemetryArgs
from components.minikube import Minikube, MinikubeArgs
from components.network_isolation import NetworkIsolation, NetworkIsolationArgs
from components.observability import Observability, ObservabilityArgs
from components.peer_authentications import PeerAuthentications, PeerAuthenticationsArgs
from components.revision_tag import RevisionTag, RevisionTagArgs
from components.security import Security, SecurityArgs
from components.traffic import kinds
from components.traffic_policy import TrafficPolicy, TrafficPolicyArgs
from components.user_service import UserService, UserServiceArgs
from components.waypoint import Waypoint, WaypointArgs

__all__ = [
    "Addons",
    "AddonsArgs",
    "Allow",
    "AmbientDataPlane",
    "AmbientDataPlaneArgs",
    "Authorization",
    "AuthorizationArgs",
    "Bookinfo",
    "BookinfoArgs",
    "ClusterGuard",
    "ClusterGuardArgs",
    "Exposure",
    "ExposureArgs",
    "GatewayApiCrds",
    "GatewayApiCrdsArgs",
    "GatewayCertificate",
    "GatewayCertificateArgs",
    "IngressGateway",
    "IngressGatewayArgs",
    "IngressJwt",
    "IngressJwtArgs",
    "InjectedNamespace",
    "InjectedNamespaceArgs",
    "IstioBase",
    "IstioBaseArgs",
    "MeshCheck",
    "MeshCheckArgs",
    "MeshTelemetry",
    "MeshTelemetryArgs",
    "Minikube",
    "MinikubeArgs",
    "NetworkIsolation",
    "NetworkIsolationArgs",
    "Observability",
    "ObservabilityArgs",
    "Page",
    "PeerAuthentications",
    "PeerAuthenticationsArgs",
    "RevisionTag",
    "RevisionTagArgs",
    "Security",
    "SecurityArgs",
    "TrafficPolicy",
    "TrafficPolicyArgs",
    "UserService",
    "UserServiceArgs",
    "Waypoint",
    "WaypointArgs",
    "kinds",
]
