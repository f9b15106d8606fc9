"""What a stack must be like, as pure functions: no Pulumi, no input or output.

Each rule gives a sentence for every fault that it finds. Two things call them: the CrossGuard pack beside this file,
while Pulumi previews and updates, and ``make policy``, on a rendered stack without the Pulumi CLI. Only the latter sees
what is inside a Helm release, as Pulumi is told its values alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from policy.registries import Config, allowed, is_in

Level = Literal["mandatory", "advisory", "off"]

COMPONENT = "istio-minikube:components:"
ISTIO_NAMESPACE = "istio-system"
INJECTED_BY_LABEL = {"istio-injection": "enabled"}
REVISION = "istio.io/rev"
GATEWAY_TEMPLATE = "inject.istio.io/templates"
# Whose resources others on a shared cluster build on.
PROTECTED = tuple(COMPONENT + name for name in ("IstioBase", "IngressGateway", "GatewayApiCrds", "InjectedNamespace"))


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a stack, or an object that one of its Helm releases brings.

    Attributes:
        name: what to call it in a message.
        manifest: the Kubernetes object; empty for what is none.
        kubernetes: whether the Kubernetes provider makes it.
        components: the type tokens of the components that it is part of.
        protect: whether Pulumi refuses to delete it.
        default_provider: whether it is made by a provider that the program did not name.
    """

    name: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    kubernetes: bool = True
    components: Sequence[str] = ()
    protect: bool = False
    default_provider: bool = False

    @property
    def kind(self) -> str:
        """The object's kind; empty for what is none."""
        return str(self.manifest.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata."""
        return self.manifest.get("metadata") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        """The object's spec."""
        return self.manifest.get("spec") or {}


def containers(resource: Resource) -> Iterator[Mapping[str, Any]]:
    """Every container of a workload, but those whose image ``auto`` istiod replaces by its own gateway's.

    Of a workload: a Pod, or whatever has a pod template (Deployment, StatefulSet, DaemonSet, Job, CronJob).
    """
    spec = (resource.spec.get("jobTemplate") or {}).get("spec") or resource.spec
    template = resource.manifest if resource.kind == "Pod" else spec.get("template")
    if not isinstance(template, Mapping):
        return
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    pod = template.get("spec") or {}
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        if not (container.get("image") == "auto" and GATEWAY_TEMPLATE in annotations):
            yield container


def is_injected(resource: Resource) -> bool:
    """Whether it is a namespace whose pods get sidecars."""
    labels = resource.metadata.get("labels") or {}
    return resource.kind == "Namespace" and (REVISION in labels or INJECTED_BY_LABEL.items() <= labels.items())


def images_pinned(resource: Resource) -> Iterator[str]:
    """An image names a tag other than latest, or a digest: what runs tomorrow is what was tested today."""
    for container in containers(resource):
        image = container.get("image", "")
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"container {container['name']} has image {image!r}; accepted: a tag other than latest, or a digest"


def images_only_from(registries: list[str]) -> Callable[[Resource], Iterator[str]]:
    """The rule that lets images come from these registries alone."""

    def images_from_allowed_registries(resource: Resource) -> Iterator[str]:
        """Images come from the registries that the stack's configuration names."""
        for container in containers(resource):
            if not is_in(container.get("image", ""), registries):
                yield (
                    f"container {container['name']} has image {container.get('image', '')!r}; accepted: one from "
                    f"{', '.join(registries)} (allowedRegistries lists others)"
                )

    return images_from_allowed_registries


def no_load_balancer(resource: Resource) -> Iterator[str]:
    """No Service of type LoadBalancer, asked for directly or of Istio: nothing gives it an address there."""
    wanted = resource.spec.get("type") if resource.kind == "Service" else None
    if resource.kind == "Gateway" and resource.spec.get("gatewayClassName") == "istio":
        # A load balancer is what Istio makes of a Gateway that does not say another type.
        annotations = resource.metadata.get("annotations") or {}
        wanted = annotations.get("networking.istio.io/service-type", "LoadBalancer")
    if wanted == "LoadBalancer":
        yield "is a LoadBalancer, which gets no address here; set ingressServiceType to NodePort or ClusterIP"


def injected_only_through_component(resource: Resource) -> Iterator[str]:
    """A namespace gets sidecars through InjectedNamespace only, which knows whose it is and refuses Istio's own."""
    if is_injected(resource) and f"{COMPONENT}InjectedNamespace" not in resource.components:
        yield "is labelled for injection outside InjectedNamespace; use that component"


def requests_stated(resource: Resource) -> Iterator[str]:
    """Every container says what processor time and memory it needs, so that nodes are not overfilled."""
    for container in containers(resource):
        requests = (container.get("resources") or {}).get("requests") or {}
        missing = [key for key in ("cpu", "memory") if key not in requests]
        if missing:
            yield f"container {container['name']} requests no {' and no '.join(missing)}; state resources.requests"


def no_default_provider(resource: Resource) -> Iterator[str]:
    """A Kubernetes resource names its provider: the default one writes to whatever context is current."""
    if resource.kubernetes and resource.default_provider:
        yield "is made by the default provider; give its component `provider=`"


def protected(resource: Resource) -> Iterator[str]:
    """What others build on cannot be deleted by a slip."""
    if resource.kubernetes and not resource.protect and set(PROTECTED) & set(resource.components):
        yield "is not protected on a stack that is shared; set protect to true"


def strict_mtls(resources: Sequence[Resource]) -> Iterator[str]:
    """The whole mesh refuses plain text, and nothing in it makes an exception."""
    everywhere = False
    for resource in (found for found in resources if found.kind == "PeerAuthentication"):
        modes = [resource.spec.get("mtls") or {}, *(resource.spec.get("portLevelMtls") or {}).values()]
        weak = sorted({mode["mode"] for mode in modes if mode.get("mode") in ("PERMISSIVE", "DISABLE")})
        if weak:
            yield f"{resource.name} is a PeerAuthentication with mode {' and '.join(weak)}; accepted: STRICT"
        for_all = resource.metadata.get("namespace") == ISTIO_NAMESPACE and not resource.spec.get("selector")
        everywhere |= for_all and modes[0].get("mode") == "STRICT"
    if not everywhere:
        yield f"no PeerAuthentication in {ISTIO_NAMESPACE} sets STRICT mTLS for the whole mesh"


def default_deny(resources: Sequence[Resource]) -> Iterator[str]:
    """What no AuthorizationPolicy allows is denied, in every injected namespace or, from istio-system, in all.

    Such a policy has an empty spec.

    Source: https://istio.io/latest/docs/concepts/security/#allow-nothing-deny-all-and-allow-all-policy
    """
    denied = {
        resource.metadata.get("namespace")
        for resource in resources
        if resource.kind == "AuthorizationPolicy"
        and not {key for key, value in resource.spec.items() if value not in ("ALLOW", None)}
    }
    wanted = sorted({resource.metadata.get("name", "") for resource in resources if is_injected(resource)})
    for namespace in wanted if ISTIO_NAMESPACE not in denied else ():
        if namespace not in denied:
            yield f"no AuthorizationPolicy in {namespace} or {ISTIO_NAMESPACE} has an empty spec, so nothing is denied"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule, and how hard it is on which stack.

    Attributes:
        name: kebab-case, as CrossGuard shows it.
        each: judges one resource; exactly one of ``each`` and ``all`` is set.
        all: judges the whole stack.
        levels: the level by stack.
        otherwise: the level on any other stack.
    """

    name: str
    each: Callable[[Resource], Iterator[str]] | None = None
    all: Callable[[Sequence[Resource]], Iterator[str]] | None = None
    levels: Mapping[str, Level] = field(default_factory=dict)
    otherwise: Level = "mandatory"

    @property
    def description(self) -> str:
        """The first sentence of the rule's docstring."""
        return str((self.each or self.all).__doc__).partition("\n")[0]

    def level(self, stack: str) -> Level:
        """How hard the rule is on the stack."""
        return self.levels.get(stack, self.otherwise)

    def faults(self, resources: Sequence[Resource]) -> Iterator[str]:
        """Every fault, naming the resource."""
        if self.all:
            yield from self.all(resources)
        if self.each:
            yield from (f"{resource.name} {fault}" for resource in resources for fault in self.each(resource))


FIXED = (
    Policy(name="images-pinned", each=images_pinned),
    # The tutorial's stack has a LoadBalancer, for `minikube tunnel`, so that dev is told and not stopped.
    Policy(
        name="no-load-balancer",
        each=no_load_balancer,
        levels={"ci": "mandatory", "dev": "advisory", "embedded": "advisory"},
        otherwise="off",
    ),
    Policy(name="injected-only-through-component", each=injected_only_through_component),
    # Istio's sample states none and is deployed as upstream has it; prod has no sample.
    Policy(name="requests-stated", each=requests_stated, levels={"prod": "mandatory"}, otherwise="advisory"),
    Policy(name="no-default-provider", each=no_default_provider),
    Policy(name="protected", each=protected, levels={"staging": "mandatory", "prod": "mandatory"}, otherwise="off"),
    Policy(
        name="strict-mtls",
        all=strict_mtls,
        levels={"staging": "mandatory", "prod": "mandatory"},
        otherwise="off",
    ),
    Policy(name="default-deny", all=default_deny, levels={"prod": "mandatory"}, otherwise="off"),
)


def policies(config: Config) -> tuple[Policy, ...]:
    """Every policy, for a stack with this configuration."""
    registries = images_only_from(allowed(config))
    return (Policy(name="images-from-allowed-registries", each=registries), *FIXED)
