"""One Namespace."""

import pulumi
import pulumi_kubernetes as k8s

provider = k8s.Provider("cluster", kubeconfig=pulumi.Config().require("kubeconfig"), context="embedded")
k8s.core.v1.Namespace("one", metadata={"name": "one"}, opts=pulumi.ResourceOptions(provider=provider))
