"""Istio's control plane: namespace, CRDs and istiod, by Istio's own Helm charts."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_command import local

from ..chart_values import merged, release_values
from ..images import ImageSource, chart_image_values, name_and_version
from ..objects import KubernetesObject, apart, name_of
from ..ownership import NOBODY, Owner
from . import cni
from .cni import CniPlugin

NAMESPACE = "istio-system"
BASE_RELEASE = "istio-base"
GROUP = "istio.io"
TIMEOUT_SECONDS = 600
# https://istio.io/latest/blog/2026/retirement-of-gcp/: the one before ends in December 2026.
CHART_REPOSITORY = "https://blob.istio.io/istio-release/charts"
# The chart's own.
AUTOSCALE_MAX = 5


@dataclass(frozen=True, kw_only=True)
class IstioBaseArgs:
    """Which Istio, from where.

    Attributes:
        version: Istio's version, MAJOR.MINOR.PATCH; also the charts' version. Needed unless ``existing``.
        chart_repository: the address of a Helm repository or of an OCI registry's folder (oci://HOST/PATH), or a local
            folder that holds NAME-VERSION.tgz.
        owner: this stack, as which the namespace and the CRDs are labelled. Needed unless ``existing``.
        existing: somebody else's istiod is there already, as Deployment istiod or istiod-REVISION in istio-system: it
            is looked up, and nothing is created, changed or deleted.
        namespace_exists: the namespace istio-system is somebody else's and is used as it is.
        foreign_crds: names of Istio CRDs that were there before.
        requires: what istiod should find when it starts: the cluster, and the Gateway API's CRDs.
        values: values of the istiod chart, merged over this component's; None drops a default of the chart.
        secret_values: whether ``values`` are to be encrypted in the state and never shown.
        image_source: where images come from; of its digests, each istiod's own version counts.
        revision: Istio revision; empty for the default one.
        revisions: istiods side by side in the place of that one: version by revision, empty for the one without a name,
            those that run already first. ``version`` is then of the CRDs.
        default_revision: of ``revisions``, the one that validates what names none; empty for nobody.
        replicas: how many istiods there are at least, 1 or more; from 2 on they keep off each other's nodes.
        cni: Istio's CNI plugin for sidecars, ready before istiods count on it; None for pods with istio-init.
        adopt: the releases take over what `istioctl install` or `helm install` made, which goes on running.
        adopted_releases: with ``adopt``, the names of Helm releases in istio-system that are taken over.

    Source: https://istio.io/latest/docs/setup/install/helm/ and https://istio.io/latest/docs/setup/upgrade/helm/
    """

    version: str = ""
    chart_repository: str = CHART_REPOSITORY
    owner: Owner = NOBODY
    existing: bool = False
    namespace_exists: bool = False
    foreign_crds: Collection[str] = ()
    requires: Sequence[pulumi.Resource] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    secret_values: bool = False
    image_source: ImageSource = field(default_factory=ImageSource)
    revision: str = ""
    revisions: Mapping[str, str] = field(default_factory=dict)
    default_revision: str = ""
    replicas: int = 1
    cni: CniPlugin | None = None
    adopt: bool = False
    adopted_releases: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise pulumi.RunError(f"replicas is {self.replicas}; accepted: 1 or more pods")
        if not self.existing and not self.version:
            raise pulumi.RunError(f"version is {self.version!r}; accepted: MAJOR.MINOR.PATCH, or existing")
        if not self.existing and self.owner == NOBODY:
            raise pulumi.RunError("owner is not given; accepted: a stack and the context of its cluster, or existing")


def chart_source(repository: str, chart: str, version: str) -> dict[str, Any]:
    """The Release inputs that name a chart: by address, or as the archive in a local folder.

    Helm takes a chart in an OCI registry by its own address, without a repository: https://helm.sh/docs/topics/registries/
    """
    if repository.startswith("oci://"):
        return {"chart": f"{repository.rstrip('/')}/{chart}", "version": version}
    if "://" in repository:
        return {"chart": chart, "version": version, "repository_opts": {"repo": repository}}
    return {"chart": f"{repository.rstrip('/')}/{chart}-{version}.tgz", "version": version}


def istiod_release(revision: str) -> str:
    """The name of istiod's Helm release, and of its Deployment."""
    return f"istiod-{revision}" if revision else "istiod"


def istiod_values(revision: str, values: Mapping[str, Any], replicas: int = 1) -> dict[str, Any]:
    """Values of the istiod chart. Istio's own defaults are the default profile, so ours only name place and number."""
    ours: dict[str, Any] = {"global": {"istioNamespace": NAMESPACE}}
    if revision:
        ours["revision"] = revision
    if replicas > 1:
        # The chart's own label of a revision's pods.
        labels = {"app": "istiod", "istio.io/rev": revision or "default"}
        ours["pilot"] = {
            "autoscaleMin": replicas,
            "autoscaleMax": max(replicas, AUTOSCALE_MAX),
            "affinity": apart(labels),
        }
    return merged(ours, values)


def base_values(args: IstioBaseArgs) -> dict[str, Any]:
    """Values of the base chart, whose own default revision, which validates, is the istiod without a name."""
    ours: dict[str, Any] = {"global": {"istioNamespace": NAMESPACE}}
    default = args.default_revision if args.revisions else args.revision
    return {**ours, "defaultRevision": default} if args.revisions or default else ours


def image_version(spec: Any) -> str:
    """The version that the spec of an istiod's Deployment runs, by its image's tag."""
    return name_and_version(spec.template.spec.containers[0].image)[1]


class IstioBase(pulumi.ComponentResource):
    """Istio's CRDs and a ready istiod in istio-system, or several of different revisions.

    Attributes:
        version: Istio's version, once istiod is ready.
        namespace: istio-system, once it is there.
        istiods: the Helm releases of istiod by revision, empty for the one without a name.

    Example:
        IstioBase("istio", IstioBaseArgs(version="1.30.3", owner=owner, requires=[gateway_api]), in_cluster)
    """

    version: pulumi.Output[str]
    namespace: pulumi.Output[str]
    istiods: dict[str, k8s.helm.v3.Release]

    def __init__(self, name: str, args: IstioBaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:IstioBase", name, None, opts)
        self.istiods = {}
        if args.existing:
            self._find(name, args.revision)
            return
        self._versions = dict(args.revisions) or {args.revision: args.version}
        # Whose an istiod is decides whether it counts as removed when the configuration lists it no longer.
        # And a mesh in somebody else's namespace, with CRDs that were there before, would carry no mark at all.
        marked = args.revisions or args.namespace_exists
        labelled = {"pilot": {"deploymentLabels": args.owner.labels}} if marked else {}
        values = merged(merged(labelled, cni.USED if args.cni else {}), args.values)
        self.namespace = pulumi.Output.from_input(NAMESPACE)
        if not args.namespace_exists:
            namespace = KubernetesObject(
                "core/v1:Namespace",
                f"{name}-namespace",
                parent=self,
                metadata={"name": NAMESPACE, "labels": args.owner.labels},
            )
            self.namespace = name_of(namespace)
        if args.adopt:
            releases = {"base": BASE_RELEASE, "istiod": istiod_release(args.revision)}
            adoption = local.Command(
                f"{name}-adoption",
                create=args.owner.adopt_command(
                    **{role: f"{NAMESPACE}/{each}" for role, each in releases.items()}, forget=args.adopted_releases
                ),
                # Once: what was handed over is the releases' from then on. Another text would run it again.
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires), ignore_changes=["create"]),
            )
            # Whoever puts something into the namespace waits until istioctl's is handed over.
            self.namespace = pulumi.Output.all(self.namespace, adoption.stdout).apply(lambda found: str(found[0]))
        # Recorded before the chart brings any CRD, and once: an `up` that fails between the chart and the Command that
        # marks its CRDs would else make the next one take them for somebody else's.
        before = local.Command(
            f"{name}-crds-before",
            create=f"echo {shlex.join(sorted(args.foreign_crds))}",
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["create"]),
        )
        base = k8s.helm.v3.Release(
            f"{name}-base",
            # The name is given, as a generated one would change labels and the owner of CRDs.
            name=BASE_RELEASE,
            namespace=self.namespace,
            values=base_values(args),
            timeout=TIMEOUT_SECONDS,
            **chart_source(args.chart_repository, "base", args.version),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[before]),
        )
        own = before.stdout.apply(
            lambda names: args.owner.own_command(
                GROUP,
                # What is adopted was there before, and becomes this stack's all the same.
                keep=args.foreign_crds if args.adopt else names.split(),
                release=f"{NAMESPACE}/{BASE_RELEASE}",
            )
        )
        # Nothing waits for this: the marks are for later runs, and for Helm's next upgrade.
        local.Command(
            f"{name}-crds",
            create=own,
            update=own,
            # Another version may bring further CRDs. Not a trigger: that would replace the Command.
            environment={"ISTIO_VERSION": args.version},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[base]),
        )
        # Between istiod, which goes before its CRDs, and the base release, which may take CRDs along.
        removal = local.Command(
            f"{name}-crds-removal",
            delete=args.owner.remove_command(GROUP, istiod=NAMESPACE),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[base, *args.requires]),
        )
        # Before any istiod that leaves pods to it, and after the last one when all goes.
        agent = [self._cni(name, args, args.cni, base)] if args.cni else []
        # One istiod by itself and the first of several are the same resource: it goes on when others come and go.
        alone = f"{name}-istiod"
        for revision, version in self._versions.items():
            named = f"{alone}-{revision or 'default'}"
            images = chart_image_values("istiod", version, args.image_source)
            self.istiods[revision] = k8s.helm.v3.Release(
                named if args.revisions else alone,
                name=istiod_release(revision),
                namespace=self.namespace,
                timeout=TIMEOUT_SECONDS,
                **release_values(
                    istiod_values(revision, merged(images, values), args.replicas), version, secret=args.secret_values
                ),
                **chart_source(args.chart_repository, "istiod", version),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[removal, *agent],
                    aliases=None if self.istiods else [pulumi.Alias(name=alone if args.revisions else named)],
                ),
            )
        if args.adopt:
            local.Command(
                f"{name}-adopted",
                create=args.owner.adopted_command,
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=list(self.istiods.values()), ignore_changes=["create"]
                ),
            )
        self.version = self.version_of(next(iter(self._versions)))
        self.register_outputs({"version": self.version, "namespace": self.namespace})

    def _cni(self, name: str, args: IstioBaseArgs, plugin: CniPlugin, base: pulumi.Resource) -> pulumi.Resource:
        """istio-cni, ready on every node."""
        images = chart_image_values(cni.CHART, args.version, args.image_source)
        return k8s.helm.v3.Release(
            f"{name}-{cni.CHART}",
            name=cni.RELEASE,
            namespace=self.namespace,
            timeout=TIMEOUT_SECONDS,
            **release_values(merged(images, plugin.values), args.version, secret=plugin.secret_values),
            **chart_source(args.chart_repository, cni.CHART, args.version),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[base], aliases=[plugin.former] if plugin.former else None
            ),
        )

    def _find(self, name: str, revision: str) -> None:
        """The outputs from an istiod that is there already."""
        found = k8s.apps.v1.Deployment.get(
            f"{name}-existing", f"{NAMESPACE}/{istiod_release(revision)}", opts=pulumi.ResourceOptions(parent=self)
        )
        self._versions = {}
        self.namespace = found.metadata.apply(lambda metadata: str(metadata.namespace))
        self.version = found.spec.apply(image_version)
        self.register_outputs({"version": self.version, "namespace": self.namespace})

    def version_of(self, revision: str) -> pulumi.Output[str]:
        """The version of a revision (empty for the one without a name), known once its istiod is ready."""
        if not self._versions:
            return self.version
        version = self._versions[revision]
        return self.istiods[revision].version.apply(lambda _: version)
