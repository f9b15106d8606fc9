"""A name for a revision of Istio, which namespaces can use in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from ..objects import KubernetesObject, name_of
from .injected_namespace import INJECTION, REVISION
from .istio_base import NAMESPACE, istiod_release

TAG = "istio.io/tag"
INJECT = "sidecar.istio.io/inject"
DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class RevisionTagArgs:
    """Which tag, of which revision.

    Attributes:
        tag: DNS-1123 label; ``default`` is also behind istio-injection=enabled.
        revision: the revision that it stands for; empty for the istiod without a name.
        istiods: the control planes, of which the tag's must answer before the tag leads to it.

    Source: https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels and
    manifests/charts/istio-control/istio-discovery/templates/revision-tags.yaml of istio/istio, 1.23.0 to 1.30.3.
    """

    tag: str
    revision: str = ""
    istiods: Sequence[pulumi.Resource] = ()


def webhook_name(tag: str) -> str:
    """The name of the tag's object."""
    return f"istio-revision-tag-{tag}"


def is_in(key: str, *values: str) -> dict[str, Any]:
    """A label has one of these values."""
    return {"key": key, "operator": "In", "values": list(values)}


def absent(key: str) -> dict[str, Any]:
    """There is no such label."""
    return {"key": key, "operator": "DoesNotExist"}


def selections(tag: str) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """By a webhook's prefix: the labels of the namespace, and of the pod, for which it injects."""
    accepts = {"key": INJECT, "operator": "NotIn", "values": ["false"]}
    found = {
        "rev.namespace.": ([is_in(REVISION, tag), absent(INJECTION)], [accepts]),
        "rev.object.": ([absent(REVISION), absent(INJECTION)], [accepts, is_in(REVISION, tag)]),
    }
    if tag == DEFAULT:
        found["namespace."] = ([is_in(INJECTION, "enabled")], [accepts])
        found["object."] = ([absent(INJECTION), absent(REVISION)], [is_in(INJECT, "true"), absent(REVISION)])
    return found


def webhooks(tag: str, revision: str) -> list[dict[str, Any]]:
    """The tag's webhooks, which are those of its revision but for whom they are for. istiod puts its caBundle in."""
    service = {"name": istiod_release(revision), "namespace": NAMESPACE, "path": "/inject", "port": 443}
    return [
        {
            "name": f"{prefix}sidecar-injector.istio.io",
            "clientConfig": {"service": service},
            "sideEffects": "None",
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchExpressions": of_namespace},
            "objectSelector": {"matchExpressions": of_pod},
        }
        for prefix, (of_namespace, of_pod) in selections(tag).items()
    ]


def tag_labels(tag: str, revision: str) -> Mapping[str, str]:
    """The labels by which istiod knows a tag of its own, and ``istioctl tag list`` any."""
    return {"app": "sidecar-injector", TAG: tag, REVISION: revision or DEFAULT}


class RevisionTag(pulumi.ComponentResource):
    """A revision tag, as ``istioctl tag set`` creates it.

    Not by the chart's ``revisionTags``: Helm would not let a tag move from one revision's release to another's.

    Attributes:
        tag: the tag, once it is there.

    Example:
        RevisionTag("tag-prod", RevisionTagArgs(tag="prod", revision="1-30-3", istiods=[istio]), in_cluster)
    """

    tag: pulumi.Output[str]

    def __init__(self, name: str, args: RevisionTagArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:RevisionTag", name, None, opts)
        webhook = KubernetesObject(
            "admissionregistration.k8s.io/v1:MutatingWebhookConfiguration",
            f"{name}-webhook",
            parent=self,
            depends_on=list(args.istiods),
            metadata={"name": webhook_name(args.tag), "labels": tag_labels(args.tag, args.revision)},
            webhooks=webhooks(args.tag, args.revision),
        )
        self.tag = name_of(webhook).apply(lambda _: args.tag)
        self.register_outputs({"tag": self.tag})
