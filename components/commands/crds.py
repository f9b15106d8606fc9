"""Marks the CRDs that a stack brought by a Helm chart as its own, and removes them with it.

    python -m commands.crds own    --kubeconfig K --context C --stack S --group istio.io [--keep NAME,...] [--release R]
    python -m commands.crds remove --kubeconfig K --context C --stack S --group istio.io [--istiod NAMESPACE]

Helm neither upgrades nor removes the CRDs of a chart's crds/ folder, and keeps templated ones that say so. What `own`
has marked is known to later runs, can be upgraded by charts that have it in their templates (Istio 1.24 and newer: Helm
only touches what carries its own marks), and is removed by `remove` unless somebody's custom resources need it.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ..kube import MERGE, Kube, RefusedError
from . import UserError, run, say

OWNER = "istio-minikube/stack"  # components/ownership.py writes the same label
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OWNED = f"{CRDS}?labelSelector={quote(OWNER, safe='')}"
# In every namespace, of one label: the root certificate and, from Istio 1.27 on, the list of what was revoked.
CA_CONFIG_MAPS = ("istio-ca-root-cert", "istio-ca-crl")
ISTIOD_GONE_SECONDS = 60
CRD_GONE_SECONDS = 60
SERVED_SECONDS = 30


def helm_marks(release: str) -> dict[str, dict[str, str]]:
    """What Helm wants to see on an object before it takes it for its release NAMESPACE/NAME.

    Source: https://helm.sh/docs/topics/charts/ and Helm's pkg/action/validate.go.
    """
    namespace, _, name = release.partition("/")
    return {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
    }


def own(kube: Kube, stack: str, group: str, keep: frozenset[str], release: str) -> None:
    """Mark every CRD of the group but those named in ``keep``, which were there before."""
    marks = helm_marks(release) if release else {"labels": {}}
    patch = {"metadata": {**marks, "labels": {**marks["labels"], OWNER: stack}}}
    names = sorted(_of_group(kube.metadata(CRDS), group) - keep)
    with ThreadPoolExecutor() as pool:
        for name, _ in zip(names, pool.map(lambda name: _patch(kube, name, patch), names), strict=True):
            print(name)


def remove(kube: Kube, stack: str, group: str, istiod: str) -> None:
    """Remove the stack's CRDs of the group; those with custom resources stay and are no longer the stack's.

    Nothing waits until they are gone, which takes seconds: the last Command of a destroy does, with ``await_removed``.
    """
    if istiod:
        _remove_leftovers(kube, istiod)
    marked = [item for item in kube.metadata(CRDS) if item.get("labels", {}).get(OWNER) == stack]
    labels = {item["name"]: item for item in marked}
    names = sorted(_of_group(marked, group))
    with ThreadPoolExecutor() as pool:
        found = dict(zip(names, pool.map(lambda name: _custom_resources(kube, name), names), strict=True))
    for name, users in found.items():
        if users and _goes_with_helm(labels[name]):
            raise UserError(
                f"CRD {name} has {users[0]}, which is not this stack's, and Helm would take both away with the chart "
                "that brought the CRD (Istio 1.24 to 1.27 do not protect it): move it away, or run `up` with "
                "istioVersion 1.28 or newer first, then destroy again"
            )
    gone = [name for name, users in found.items() if not users]
    for name, users in found.items():
        if users:
            more = f" and {len(users) - 1} more" if len(users) > 1 else ""
            say(f"kept: CRD {name}, as {users[0]}{more} is not this stack's and needs it")
            _patch(kube, name, {"metadata": {"labels": {OWNER: None}}})
    with ThreadPoolExecutor() as pool:
        for name, _ in zip(gone, pool.map(lambda name: kube.delete(f"{CRDS}/{name}"), gone), strict=True):
            say(f"removed: CRD {name}")


def await_removed(kube: Kube) -> None:
    """Wait until the CRDs that any stack has removed are gone: an ``up`` that finds one on its way out refuses it.

    Raises:
        UserError: one of them stays, such as for a custom resource with a finalizer.
    """
    deadline = time.monotonic() + CRD_GONE_SECONDS
    while left := [crd["name"] for crd in kube.metadata(OWNED) if "deletionTimestamp" in crd]:
        if time.monotonic() > deadline:
            raise UserError(f"CRD {left[0]} is still there {CRD_GONE_SECONDS} s after it was deleted")
        time.sleep(0.2)


def _patch(kube: Kube, name: str, patch: dict[str, Any]) -> None:
    kube.request("PATCH", f"{CRDS}/{name}", patch, content_type=MERGE)


def _of_group(items: Iterable[dict[str, Any]], group: str) -> set[str]:
    endings = tuple(f".{each}" for each in group.split(","))
    return {item["name"] for item in items if item["name"].endswith(endings)}


def _goes_with_helm(metadata: dict[str, Any]) -> bool:
    """Whether the CRD is in a release's manifest (not in a chart's crds/) without the mark that makes Helm leave it."""
    templated = "helm.sh/chart" in metadata.get("labels", {})
    return templated and metadata.get("annotations", {}).get("helm.sh/resource-policy") != "keep"


def _custom_resources(kube: Kube, crd: str) -> list[str]:
    """The custom resources of a CRD, as Kind NAMESPACE/NAME."""
    spec = kube.get(f"{CRDS}/{crd}")["spec"]
    version = next(version["name"] for version in spec["versions"] if version["served"])
    items = _listed(kube, f"/apis/{spec['group']}/{version}/{spec['names']['plural']}")
    return [f"{spec['names']['kind']} {'/'.join(filter(None, (i.get('namespace'), i['name'])))}" for i in items]


def _listed(kube: Kube, path: str) -> list[dict[str, Any]]:
    """What there is under a path that the API server may not serve yet: its CRD has just come, or the server has."""
    deadline = time.monotonic() + SERVED_SECONDS
    while True:
        try:
            return kube.metadata(path)
        except RefusedError as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _remove_leftovers(kube: Kube, namespace: str) -> None:
    """Remove what istiod itself made and leaves behind, unless another istiod runs that would need it.

    That is: ConfigMaps of its certificate authority in every namespace, GatewayClasses, and in its own namespace the
    locks of its leader elections and the certificate authority's Secret.
    Source: istiod's namespacecontroller, gatewayclass controller, leaderelection and CA, of istio/istio.
    """
    _await_gone(kube, namespace)
    if others := kube.metadata("/apis/apps/v1/deployments?labelSelector=app%3Distiod"):
        say(f"kept: Istio's ConfigMaps and GatewayClasses, as istiod runs in {others[0]['namespace']}")
        return
    paths = [
        f"/api/v1/namespaces/{item['namespace']}/configmaps/{item['name']}"
        for item in kube.metadata("/api/v1/configmaps?labelSelector=istio.io%2Fconfig%3Dtrue")
        if item["name"] in CA_CONFIG_MAPS
    ]
    paths += [
        f"/api/v1/namespaces/{namespace}/configmaps/{item['name']}"
        for item in kube.metadata(f"/api/v1/namespaces/{namespace}/configmaps")
        if "control-plane.alpha.kubernetes.io/leader" in item.get("annotations", {})
    ]
    secrets = kube.objects(f"/api/v1/namespaces/{namespace}/secrets")
    paths += [
        f"/api/v1/namespaces/{namespace}/secrets/{secret['metadata']['name']}"
        for secret in secrets
        if secret.get("type", "").startswith("istio.io/")
    ]
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    paths += [f"{leases}/{item['name']}" for item in kube.metadata(leases) if item["name"].startswith("istio")]
    classes = "/apis/gateway.networking.k8s.io/v1/gatewayclasses"
    paths += [
        f"{classes}/{item['metadata']['name']}"
        for item in (kube.find(classes) or {"items": []})["items"]
        if item["spec"]["controllerName"].startswith("istio.io/")
    ]
    with ThreadPoolExecutor() as pool:
        for path, found in zip(paths, pool.map(kube.delete, paths), strict=True):
            if found:
                say(f"removed: {path.split('/', 3)[-1]}")


def _await_gone(kube: Kube, namespace: str) -> None:
    """An istiod that is on its way out would make again what is removed."""
    deadline = time.monotonic() + ISTIOD_GONE_SECONDS
    while kube.metadata(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Distiod"):
        if time.monotonic() > deadline:
            raise UserError(f"istiod still runs in {namespace} {ISTIOD_GONE_SECONDS} s after it was uninstalled")
        time.sleep(0.2)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.crds", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    owning = verbs.add_parser("own", help="mark the group's CRDs as the stack's")
    owning.add_argument("--keep", default="", metavar="NAME,...", help="CRDs that were there before")
    owning.add_argument(
        "--release", default="", metavar="NAMESPACE/NAME", help="also let this Helm release upgrade them"
    )
    removing = verbs.add_parser("remove", help="remove the stack's CRDs that nobody needs")
    removing.add_argument("--istiod", default="", metavar="NAMESPACE", help="also remove what istiod left behind")
    for verb in (owning, removing):
        verb.add_argument("--kubeconfig", required=True)
        verb.add_argument("--context", required=True)
        verb.add_argument("--stack", required=True)
        verb.add_argument("--group", required=True, help="API group, or the end of several, such as istio.io")
    given = parser.parse_args(arguments)

    def work() -> None:
        kube = Kube(given.kubeconfig, given.context)
        if given.verb == "own":
            keep = frozenset(filter(None, given.keep.split(",")))
            own(kube, given.stack, given.group, keep, given.release)
        else:
            remove(kube, given.stack, given.group, given.istiod)

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
