"""The mesh's building blocks: one ComponentResource a module."""

from components.bookinfo import Bookinfo, BookinfoArgs
from components.cluster_guard import ClusterGuard, ClusterGuardArgs
from components.exposure import Exposure, ExposureArgs
from components.gateway_api_crds import GatewayApiCrds, GatewayApiCrdsArgs
from components.ingress_gateway import IngressGateway, IngressGatewayArgs
from components.injected_namespace import InjectedNamespace, InjectedNamespaceArgs
from components.istio_base import IstioBase, IstioBaseArgs
from components.mesh_check import MeshCheck, MeshCheckArgs, Page
from components.minikube import Minikube, MinikubeArgs

__all__ = [
    "Bookinfo",
    "BookinfoArgs",
    "ClusterGuard",
    "ClusterGuardArgs",
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
]
