"""The mesh's building blocks: one ComponentResource a module."""

from components.authorization import Allow, Authorization, AuthorizationArgs
from components.bookinfo import Bookinfo, BookinfoArgs
from components.exposure import Exposure, ExposureArgs
from components.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from components.gateway_certificate import GatewayCertificate, GatewayCertificateArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from components.ingress_jwt import IngressJwt, IngressJwtArgs
from components.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from components.istio_base import IstioBase, IstioBaseArgs
from components.mesh_check import MeshCheck, MeshCheckArgs, Page
from components.minikube import Minikube, MinikubeArgs
from components.mutual_tls import PeerAuthentications, PeerAuthenticationsArgs
from components.network_isolation import NetworkIsolation, NetworkIsolationArgs
from components.security import Security, SecurityArgs
from components.traffic import kinds
from components.traffic_policy import TrafficPolicy, TrafficPolicyArgs
from components.user_service import UserService, UserServiceArgs

__all__ = [
    "Allow",
    "Authorization",
    "AuthorizationArgs",
    "Bookinfo",
    "BookinfoArgs",
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
    "Minikube",
    "MinikubeArgs",
    "NetworkIsolation",
    "NetworkIsolationArgs",
    "Page",
    "PeerAuthentications",
    "PeerAuthenticationsArgs",
    "Security",
    "SecurityArgs",
    "TrafficPolicy",
    "TrafficPolicyArgs",
    "UserService",
    "UserServiceArgs",
    "kinds",
]
