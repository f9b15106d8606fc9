"""Many Bookinfos, by this project's components or, to compare with, by a bare loop over the same resources."""

import gc
from typing import Any

gc.disable()  # as the program does

import pulumi
import pulumi_kubernetes as k8s

from components import Bookinfo, BookinfoArgs, InjectedNamespace, InjectedNamespaceArgs
from components.mesh.injected_namespace import injection_labels
from components.objects import SKIP_AWAIT, name_of
from components.workloads.bookinfo import SERVICES, WORKLOADS, deployment_spec, service_account_name, service_spec

VERSION = "1.23.0"


def by_components(place: str, opts: pulumi.ResourceOptions) -> None:
    """One Bookinfo as the program makes it."""
    namespace = InjectedNamespace(f"namespace-{place}", InjectedNamespaceArgs(namespace=place, exists=False), opts)
    args = BookinfoArgs(namespace=namespace.namespace, injectors=[], data_plane=VERSION)
    Bookinfo(f"bookinfo-{place}", args, opts)


def by_hand(place: str, opts: pulumi.ResourceOptions) -> None:
    """The same resources with the same waits, and nothing around them."""
    # Called as Any: type checkers take minutes over the typed arguments' overloads.
    kinds: Any = k8s
    namespace = kinds.core.v1.Namespace(
        f"namespace-{place}-namespace", metadata={"name": place, "labels": injection_labels("")}, opts=opts
    )
    namespaced = name_of(namespace)
    for service in SERVICES:
        labels = {"app": service, "service": service}
        kinds.core.v1.Service(
            f"bookinfo-{place}-{service}",
            metadata={"name": service, "namespace": namespaced, "labels": labels, "annotations": SKIP_AWAIT},
            spec=service_spec(service),
            opts=opts,
        )
    accounts = {
        service: kinds.core.v1.ServiceAccount(
            f"bookinfo-{place}-{service}-account",
            metadata={"name": service_account_name(service), "namespace": namespaced, "labels": {"account": service}},
            opts=opts,
        )
        for service in SERVICES
    }
    for workload in WORKLOADS:
        kinds.apps.v1.Deployment(
            f"bookinfo-{place}-{workload.name}",
            metadata={"name": workload.name, "namespace": namespaced, "labels": workload.labels},
            spec=deployment_spec(workload, name_of(accounts[workload.service]), VERSION),
            opts=opts,
        )


config = pulumi.Config()
provider = k8s.Provider("cluster", kubeconfig=config.get("kubeconfig") or "{}", context="embedded")
options = pulumi.ResourceOptions(provider=provider)
for number in range(config.require_int("copies")):
    (by_hand if config.get_bool("bare") else by_components)(f"shop-{number:03}", options)
