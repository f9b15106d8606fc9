"""Every component, each a ComponentResource in a module of its own."""

from .cluster.cluster_guard import ClusterGuard, ClusterGuardArgs
from .cluster.embedded_cluster import EmbeddedCluster, EmbeddedClusterArgs
from .cluster.minikube import Minikube, MinikubeArgs
from .mesh.ambient_data_plane import AmbientDataPlane, AmbientDataPlaneArgs
from .mesh.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from .mesh.ingress_gateway import IngressGateway, IngressGatewayArgs
from .mesh.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from .mesh.istio_base import IstioBase, IstioBaseArgs
from .mesh.mesh_check import MeshCheck, MeshCheckArgs, Page
from .mesh.revision_tag import RevisionTag, RevisionTagArgs
from .mesh.waypoint import Waypoint, WaypointArgs
from .observability.addons import Addons, AddonsArgs
from .observability.mesh_telemetry import MeshTelemetry, MeshTelemetryArgs
from .observability.observability import Observability, ObservabilityArgs
from .security.authorization import Allow, Authorization, AuthorizationArgs
from .security.gateway_certificate import GatewayCertificate, GatewayCertificateArgs
from .security.ingress_jwt import IngressJwt, IngressJwtArgs
from .security.network_isolation import NetworkIsolation, NetworkIsolationArgs
from .security.peer_authentications import PeerAuthentications, PeerAuthenticationsArgs
from .security.security import Security, SecurityArgs
from .traffic.traffic import kinds
from .traffic.traffic_policy import TrafficPolicy, TrafficPolicyArgs
from .workloads.bookinfo import Bookinfo, BookinfoArgs
from .workloads.exposure import Exposure, ExposureArgs
from .workloads.user_service import UserService, UserServiceArgs

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
    "EmbeddedCluster",
    "EmbeddedClusterArgs",
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
