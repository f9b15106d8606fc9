"""The mesh's building blocks: one ComponentResource a module."""

from components.bookinfo import Bookinfo, BookinfoArgs
from components.exposure import Exposure, ExposureArgs
from components.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from components.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from components.istio_base import IstioBase, IstioBaseArgs
from components.mesh_check import MeshCheck, MeshCheckArgs, Page
from components.minikube import Minikube, MinikubeArgs
from components.traffic import kinds
from components.traffic_policy import TrafficPolicy, TrafficPolicyArgs
from components.user_service import UserService, UserServiceArgs

__all__ = [
    "Bookinfo",
    "BookinfoArgs",
    "Exposure",
    "ExposureArgs",
    "GatewayApiCrds",
    "GatewayApiCrdsArgs",
    "IngressGateway",
    "IngressGatewayArgs",
    "InjectedNamespace",
    "InjectedNamespaceArgs",
    "IstioBase",
    "IstioBaseArgs",
    "MeshCheck",
    "MeshCheckArgs",
    "Minikube",
    "MinikubeArgs",
    "Page",
    "TrafficPolicy",
    "TrafficPolicyArgs",
    "UserService",
    "UserServiceArgs",
    "kinds",
]
