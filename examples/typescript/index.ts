import * as istio from "@pulumi/istio-minikube";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const place = { context: config.require("context"), kubeconfig: config.require("kubeconfig") };
const owner = { stack: pulumi.getStack(), ...place };

const cluster = new kubernetes.Provider("cluster", { ...place, clusterIdentifier: place.context });
const inCluster = { providers: { kubernetes: cluster } };

const gatewayApi = new istio.GatewayApiCrds("gateway-api", {
    owner,
    version: config.require("gatewayApiVersion"),
    source: config.get("gatewayApiSource"),
}, inCluster);

const mesh = new istio.IstioBase("istio", {
    version: config.require("istioVersion"),
    chartRepository: config.require("istioCharts"),
    owner,
}, { ...inCluster, dependsOn: [gatewayApi] });

const shop = new istio.InjectedNamespace("shop", { namespace: "shop" }, inCluster);
const namespace = shop.namespace;

const bookinfo = new istio.Bookinfo("bookinfo", {
    namespace,
    dataPlane: mesh.version,
}, { ...inCluster, dependsOn: [mesh] });

new istio.TrafficPolicy("reviews", {
    namespace,
    traffic: {
        service: "reviews",
        port: 9080,
        subsets: ["v1", "v3"],
        routes: [{ subset: "v1", weight: 90 }, { subset: "v3", weight: 10 }],
    },
}, { ...inCluster, dependsOn: [gatewayApi, mesh] });

const security = new istio.Security("security", {
    namespace: "shop",
    namespaces: { shop: namespace },
    config: { mutualTls: { mode: "STRICT", scope: "namespace" } },
}, { ...inCluster, dependsOn: [mesh] });

const check = new istio.MeshCheck("check", {
    ...place,
    namespace,
    istioVersion: mesh.version,
    deployments: bookinfo.generations,
}, { dependsOn: [security] });

export const istioVersion = mesh.version;
export const pods = check.pods;
