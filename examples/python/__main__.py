"""Istio, and Bookinfo in it, from the components of the package istio-minikube."""

import istio_minikube as mesh
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
context, kubeconfig = config.require("context"), config.require("kubeconfig")
owner = mesh.Owner(stack=pulumi.get_stack(), context=context, kubeconfig=kubeconfig)

cluster = k8s.Provider("cluster", context=context, kubeconfig=kubeconfig, cluster_identifier=context)
in_cluster = pulumi.ResourceOptions(provider=cluster)

gateway_api = mesh.GatewayApiCrds(
    "gateway-api",
    mesh.GatewayApiCrdsArgs(
        owner=owner,
        version=config.require("gatewayApiVersion"),
        source=config.get("gatewayApiSource") or "",
    ),
    in_cluster,
)
istio = mesh.IstioBase(
    "istio",
    mesh.IstioBaseArgs(
        version=config.require("istioVersion"),
        chart_repository=config.require("istioCharts"),
        owner=owner,
        requires=[gateway_api],
    ),
    in_cluster,
)
shop = mesh.InjectedNamespace("shop", mesh.InjectedNamespaceArgs(namespace="shop"), in_cluster)
bookinfo = mesh.Bookinfo(
    "bookinfo",
    mesh.BookinfoArgs(namespace=shop.namespace, data_plane=istio.version, injectors=[istio]),
    in_cluster,
)
mesh.TrafficPolicy(
    "reviews",
    mesh.TrafficPolicyArgs(
        namespace=shop.namespace,
        traffic=mesh.Traffic(
            service="reviews",
            port=9080,
            subsets=["v1", "v3"],
            routes=[mesh.Route(subset="v1", weight=90), mesh.Route(subset="v3", weight=10)],
        ),
        requires=[gateway_api, istio],
    ),
    in_cluster,
)
security = mesh.Security(
    "security",
    mesh.SecurityArgs(
        namespace="shop",
        namespaces={"shop": shop.namespace},
        config=mesh.SecurityConfig(mutual_tls=mesh.MutualTls(mode="STRICT", scope="namespace")),
        requires=[istio],
    ),
    in_cluster,
)
check = mesh.MeshCheck(
    "check",
    mesh.MeshCheckArgs(
        context=context,
        kubeconfig=kubeconfig,
        namespace=shop.namespace,
        istio_version=istio.version,
        deployments=bookinfo.generations,
        requires=[security],
    ),
)

pulumi.export("istioVersion", istio.version)
pulumi.export("pods", check.pods)
