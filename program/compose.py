"""Composes the components: which are created, with what, and what waits for what; decisions are in its arguments."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

import components as mesh
from components.kubeconfig import provider_arguments
from components.ownership import Owner
from components.python import INTERPRETER
from program import applications, gateways
from program.foundation import ground
from program.lookup import Cluster
from program.preflight import plan
from program.settings import Settings

EMBEDDED = f"exec {INTERPRETER} -m embedded"
"""The shell command that starts and deletes the embedded cluster, in the project's folder."""


def owner_of(settings: Settings) -> Owner:
    """Whose the resources of the current stack are, on the cluster that ``settings`` names."""
    return Owner(stack=pulumi.get_stack(), kubeconfig=settings.kubeconfig, context=settings.context)


def compose(settings: Settings, found: Cluster) -> None:
    """Create everything that ``settings`` ask for, in front of the cluster that was ``found``.

    Raises:
        pulumi.RunError: the settings do not fit each other or the cluster; nothing was created.
    """
    planned = plan(settings, found)
    for warning in planned.warnings:
        pulumi.warn(warning)
    settings = replace(
        settings,
        traffic=planned.traffic,
        services=planned.services,
        mesh_check_http=planned.mesh_check_http,
    )
    provider, guard = arrive(settings, found)
    base = ground(settings, planned, owner_of(settings), provider)
    deployments = {settings.namespace: applications.bookinfo(base)} if settings.bookinfo else {}
    for place, created in applications.services(base).items():
        deployments[place] = deployments.get(place, {}) | created
    gateways.show(base, applications.traffic(base))
    applications.egress(base)
    applications.observability(base)
    checks = applications.checks(base, deployments, after=applications.security(base))
    applications.rollout(base, after=checks)
    leave(guard, base.made)


def arrive(settings: Settings, found: Cluster) -> tuple[k8s.Provider, mesh.ClusterGuardArgs]:
    """The provider of every Kubernetes resource, once the cluster runs and is the right one; and what guards it."""
    guard = mesh.ClusterGuardArgs(
        identity=found.identity,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
    )
    if own := _own_cluster(settings, found):
        guard = replace(guard, identity=found.identity or own.cluster, after=[own])
    arrival = mesh.ClusterGuard("arrival", guard)
    # Literal file, context and identity: the first preview needs no cluster, and nothing ever replaces them.
    provider = k8s.Provider(
        "cluster",
        **provider_arguments(settings.kubeconfig, settings.context),
        cluster_identifier=settings.context,
        # What drifted is taken back also where kubectl or a controller wrote it; server-side apply refuses else.
        enable_patch_force=True,
        opts=pulumi.ResourceOptions(depends_on=[arrival]),
    )
    return provider, guard


def _own_cluster(settings: Settings, found: Cluster) -> mesh.Minikube | mesh.EmbeddedCluster | None:
    """The cluster that this stack starts itself; None where it uses one that is there."""
    if settings.cluster_mode == "minikube":
        args = mesh.MinikubeArgs(
            profile=settings.minikube_profile,
            memory=settings.minikube_memory,
            cpus=settings.minikube_cpus,
            kubernetes_version=settings.kubernetes_version,
            kubeconfig=settings.kubeconfig,
            driver=settings.minikube_driver,
            missing=found.missing,
        )
        return mesh.Minikube("minikube", args)
    if settings.cluster_mode == "embedded":
        folder = str(Path(settings.kubeconfig).parent)
        return mesh.EmbeddedCluster(
            "embedded", mesh.EmbeddedClusterArgs(program=EMBEDDED, folder=folder, missing=found.missing)
        )
    return None


def leave(guard: mesh.ClusterGuardArgs, made: Sequence[pulumi.Resource]) -> None:
    """What is deleted first, and only from the right cluster."""
    mesh.ClusterGuard("departure", replace(guard, after=[*guard.after, *made]))
