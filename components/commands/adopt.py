"""Hands a mesh that `istioctl install` or `helm install` made over to Helm releases, without touching what runs.

    python -m commands.adopt begin  --kubeconfig K --context C --base NAMESPACE/NAME --istiod NAMESPACE/NAME
                                    [--forget NAME,...]
    python -m commands.adopt finish --kubeconfig K --context C

`begin` puts Helm's marks on the objects of the components Base and Pilot, so that releases of the same charts take them
over as they are; it makes way for the stack's own ingress gateway, whose pods go on serving. `finish` removes what
istioctl made beside the charts, once the release has istiod's webhook. Both can be run again at any time, but for
`--forget`: Helm forgets these releases in istiod's namespace, so that others can have their names; their objects stay.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..kube import MERGE, Kube
from . import run, say
from .crds import CRDS, helm_marks

# Source: Helm's pkg/action/validate.go.
HELM_NAME, HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
COMPONENT, REVISION, MANAGED = "operator.istio.io/component", "istio.io/rev", "operator.istio.io/managed"
# Whoever finds these takes an object for istioctl's, and `istioctl install` removes what it no longer has.
ISTIOCTLS = (
    MANAGED,
    "operator.istio.io/version",
    "install.operator.istio.io/owning-resource",
    "install.operator.istio.io/owning-resource-namespace",
    "install.operator.istio.io/owning-resource-not-pruned",
)
RBAC = "/apis/rbac.authorization.k8s.io/v1"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
POLICIES = ("ies", "ybindings")  # not every Kubernetes has them
# What the charts base and istiod of Istio 1.23 to 1.31 consist of, and the profile's ingress gateway.
LISTS = (
    *("/api/v1/serviceaccounts", "/api/v1/services", "/api/v1/configmaps", "/apis/apps/v1/deployments"),
    *(f"{RBAC}/{kind}" for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    *("/apis/policy/v1/poddisruptionbudgets", "/apis/autoscaling/v2/horizontalpodautoscalers"),
    *(f"{WEBHOOKS}/{kind}" for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")),
    *(f"{WEBHOOKS}/{kind}{s}" for kind in ("validatingadmissionpolic", "mutatingadmissionpolic") for s in POLICIES),
    CRDS,
)
# istioctl's default revision tag: the chart base has the validator, and no chart the injector.
DEFAULT_VALIDATOR = "istiod-default-validator"
DEFAULT_INJECTOR = f"{WEBHOOKS}/mutatingwebhookconfigurations/istio-revision-tag-default"
# The chart's own, which istioctl keeps from matching anything while that tag is there, and Helm does not set free:
# DeactivateIstioInjectionWebhook in istioctl/pkg/tag/util.go of istio/istio, 1.23.0 to 1.30.3.
INJECTOR = f"{WEBHOOKS}/mutatingwebhookconfigurations/istio-sidecar-injector"
DEACTIVATED = "istio.io/deactivated"
INGRESS = "istio-ingressgateway"
# What the chart base has in istiod's namespace.
READER = "istio-reader-service-account"
VALIDATOR = f"{WEBHOOKS}/validatingwebhookconfigurations/{DEFAULT_VALIDATOR}"


def cluster_objects(base: str, istiod: str) -> dict[str, str]:
    """The paths of the objects of no namespace in the charts base and istiod, each with its release.

    Source: manifests/charts/{base,istio-control/istio-discovery}/templates of istio/istio, 1.23 to 1.31.
    """
    namespace, _, name = istiod.partition("/")
    mark = name.removeprefix("istiod")
    found = {VALIDATOR: base}
    for role in ("istiod-clusterrole", "istiod-gateway-controller", "istio-reader-clusterrole"):
        found |= {f"{RBAC}/{kind}/{role}{mark}-{namespace}": istiod for kind in ("clusterroles", "clusterrolebindings")}
    place = "" if namespace == "istio-system" else f"-{namespace}"
    injector = f"istio-sidecar-injector{mark}{place}"
    found[f"{WEBHOOKS}/mutatingwebhookconfigurations/{injector}"] = istiod
    found[f"{WEBHOOKS}/validatingwebhookconfigurations/istio-validator{mark}-{namespace}"] = istiod
    return found


def release_of(metadata: Mapping[str, Any]) -> str:
    """The Helm release that an object is marked as part of, as NAMESPACE/NAME; empty for none."""
    marks = metadata.get("annotations", {})
    return f"{marks.get(HELM_NAMESPACE, '')}/{marks[HELM_NAME]}" if HELM_NAME in marks else ""


def begin(kube: Kube, base: str, istiod: str, forget: Iterable[str] = ()) -> None:
    """Mark each object for the release NAMESPACE/NAME that has it; print them."""
    namespace, _, name = istiod.partition("/")
    revision = name.removeprefix("istiod").removeprefix("-") or "default"
    releases = {"Base": base, "Pilot": istiod}
    for path, metadata in _made_by_istioctl(kube):
        labels = metadata["labels"]
        if path == DEFAULT_INJECTOR or labels.get(REVISION, revision) != revision:
            continue
        component = "Base" if metadata["name"] == DEFAULT_VALIDATOR else labels[COMPONENT]
        if component in releases:
            marks = helm_marks(releases[component])
            # None takes a label away.
            _patch(kube, path, {**marks, "labels": {**dict.fromkeys(ISTIOCTLS), **marks["labels"]}})
            print(f"{path} is release {releases[component]}'s")
        elif component == "IngressGateways" and metadata["namespace"] == namespace and INGRESS in metadata["name"]:
            _make_way(kube, path)
    _take_over(kube, base, istiod)
    for each in forget:
        _forget(kube, f"{namespace}/{each}")


def _take_over(kube: Kube, base: str, istiod: str) -> None:
    """Mark what other releases have, and what nobody has, of the charts base and istiod."""
    place, _, name = istiod.partition("/")
    earlier: dict[str, str] = {}
    telling = {
        f"/apis/apps/v1/namespaces/{place}/deployments/{name}": istiod,
        f"/api/v1/namespaces/{place}/serviceaccounts/{READER}": base,
        **cluster_objects(base, istiod),
    }
    for path, release in telling.items():
        found = kube.find(path)
        if found is None or MANAGED in found["metadata"].get("labels", {}):
            continue
        owner = release_of(found["metadata"])
        if owner and owner != release:
            earlier[owner] = release
        elif not owner:
            _patch(kube, path, helm_marks(release))
            print(f"{path} is release {release}'s")
    if not earlier:
        return
    for listed in LISTS:
        for path, metadata in _paths(listed, kube.served_metadata(listed)):
            if (owner := release_of(metadata)) in earlier:
                _patch(kube, path, helm_marks(earlier[owner]))
                print(f"{path} is release {earlier[owner]}'s, and no longer {owner}'s")
    for owner in earlier:
        _forget(kube, owner)


def _forget(kube: Kube, release: str) -> None:
    """Have Helm forget a release; its objects stay."""
    namespace, _, name = release.partition("/")
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    for metadata in kube.metadata(f"{secrets}?labelSelector=owner%3Dhelm%2Cname%3D{name}"):
        kube.delete(f"{secrets}/{metadata['name']}")
        say(f"forgotten by Helm, and its objects kept: release {release}, {metadata['name']}")


def finish(kube: Kube) -> None:
    """Let the release's own injector work, and remove that of istioctl's default tag, which stands in for it."""
    found = kube.find(DEFAULT_INJECTOR)
    if found and MANAGED in found["metadata"].get("labels", {}):
        # In this order: at no time does a pod miss its sidecar.
        _activate(kube)
        kube.delete(DEFAULT_INJECTOR)
        say(f"removed: {DEFAULT_INJECTOR.split('/', 3)[-1]}")


def _activate(kube: Kube) -> None:
    injector = kube.find(INJECTOR) or {"webhooks": []}
    selectors = [
        webhook.get(which, {}) for webhook in injector["webhooks"] for which in ("namespaceSelector", "objectSelector")
    ]
    if [selector for selector in selectors if selector.get("matchLabels", {}).pop(DEACTIVATED, None)]:
        kube.request("PATCH", INJECTOR, {"webhooks": injector["webhooks"]}, content_type=MERGE)
        say(f"works again: {INJECTOR.split('/', 3)[-1]}")


def _make_way(kube: Kube, path: str) -> None:
    """Let the stack's own gateway have this name."""
    if "/deployments/" in path:
        # Orphaned, the pods go on serving; the stack's Deployment selects the same ones and rolls them.
        kube.delete(f"{path}?propagationPolicy=Orphan")
        say(f"removed, and its pods kept: {path.split('/', 3)[-1]}")
    else:
        _patch(kube, path, {"labels": dict.fromkeys((*ISTIOCTLS, COMPONENT))})
        print(f"{path} is the stack's")


def _patch(kube: Kube, path: str, metadata: dict[str, Any]) -> None:
    # A list of one empty entry makes the fields nobody's, so that others may apply theirs:
    # https://kubernetes.io/docs/reference/using-api/server-side-apply/#clearing-managedfields
    kube.request("PATCH", path, {"metadata": {**metadata, "managedFields": [{}]}}, content_type=MERGE)


def _made_by_istioctl(kube: Kube) -> Iterator[tuple[str, dict[str, Any]]]:
    for listed in LISTS:
        found = kube.served_metadata(f"{listed}?labelSelector={MANAGED.replace('/', '%2F')}")
        yield from _paths(listed, [metadata for metadata in found if COMPONENT in metadata["labels"]])


def _paths(listed: str, found: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects by their paths; ``listed`` is the path of all of them."""
    root, _, plural = listed.rpartition("/")
    for metadata in found:
        place = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        yield f"{root}{place}/{plural}/{metadata['name']}", metadata


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.adopt", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    beginning = verbs.add_parser("begin", help="mark istioctl's objects as Helm's")
    beginning.add_argument("--base", required=True, metavar="NAMESPACE/NAME", help="the release of chart base")
    beginning.add_argument("--istiod", required=True, metavar="NAMESPACE/NAME", help="the release of chart istiod")
    beginning.add_argument("--forget", default="", metavar="NAME,...", help="releases that Helm forgets")
    finishing = verbs.add_parser("finish", help="remove what istioctl made beside the charts")
    for verb in (beginning, finishing):
        verb.add_argument("--kubeconfig", required=True)
        verb.add_argument("--context", required=True)
    given = parser.parse_args(arguments)

    def work() -> None:
        kube = Kube(given.kubeconfig, given.context)
        if given.verb == "begin":
            begin(kube, given.base, given.istiod, filter(None, given.forget.split(",")))
        else:
            finish(kube)

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
