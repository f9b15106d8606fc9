"""Reads the configuration of the user's own services, and refuses what cannot run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from components.mesh.waypoint import NAME as WAYPOINT
from components.security.policy import Workload
from components.traffic.traffic import Traffic
from components.workloads import bookinfo
from components.workloads.exposure import GATEWAY_CLASS
from components.workloads.service_port import HTTP, ServicePort, container_ports
from program.config import expose as expose_config
from program.config import traffic as traffic_config
from program.config.expose import Expose
from program.config.gateways import Gateway
from program.config.kubernetes import pods
from program.config.kubernetes import ports as port_config
from program.config.kubernetes.shapes import NAME, labels, quantity
from program.config.values import DNS_LABEL, INJECTABLE, Value

# Services, Services in front of versions, the HTTPRoute at the Gateway, and what Istio makes of the Gateway.
GATEWAY_SERVICE = f"{bookinfo.GATEWAY}-{GATEWAY_CLASS}"
ACCOUNTS = tuple(map(bookinfo.service_account_name, bookinfo.SERVICES))
WORKLOADS = tuple(workload.name for workload in bookinfo.WORKLOADS)
TAKEN = (*bookinfo.SERVICES, *WORKLOADS, *ACCOUNTS, bookinfo.ROUTE, bookinfo.GATEWAY, GATEWAY_SERVICE)
# The API server's own Service and the account that every namespace has, and what Istio makes of a waypoint.
OTHERS = ("kubernetes", "default", WAYPOINT)
# A reference with a tag or a digest: https://pkg.go.dev/github.com/distribution/reference
PATH = r"[a-z0-9]+([._/-]+[a-z0-9]+)*"
IMAGE = rf"([A-Za-z0-9.-]+(:[0-9]+)?/)?{PATH}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
DEFAULT_VERSION = "v1"
# The keys of a service that this stack deploys, and of one that somebody else does.
FIRST = ("name", "namespace", "image", "versions", "port", "replicas", "resources", "allowFrom", "traffic")
DEPLOYED = (*FIRST, "expose", "kind", "ports", "imagePullSecrets", *pods.KEYS)
EXISTING = ("name", "namespace", "kind", "versions", "port", "ports", "selector", "allowFrom", "traffic", "expose")
PULL_SECRETS = "a list of Secrets, such as [{name: registry-credentials}]"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of the user's own.

    Attributes:
        name: the name of its Service and its ServiceAccount.
        namespace: its namespace.
        existing: whether somebody else deploys it: only policies, traffic and routes are this stack's then.
        images: version -> image; none where it is somebody else's.
        port: the Service's port that traffic and routes go to.
        ports: every port that is known.
        replicas: pods of each version, at least.
        resources: requests and limits of its container.
        kubernetes: what else is said of its pods and objects, as ``pods.KEYS`` has it.
        pull_secrets: Secrets with a registry's credentials, beside those of every pod.
        allow_from: the service accounts that may call it; empty leaves that to the rest of the mesh's policy.
        traffic: what is wanted of the traffic to it.
        selector: the labels of its pods, where they are somebody else's; empty for what its Service says.
        ports_known: whether it is known where its containers listen.
        expose: the ways in which it is reached from outside.
    """

    name: str
    namespace: str
    existing: bool = False
    images: Mapping[str, str]
    port: int
    ports: tuple[ServicePort, ...] = ()
    replicas: int
    traffic: Traffic
    allow_from: tuple[str, ...] = ()
    expose: tuple[Expose, ...] = ()
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kubernetes: Mapping[str, Any] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    ports_known: bool = True

    @property
    def has_named_ports(self) -> bool:
        """Whether its ports were given as a list, and not as the one port that speaks HTTP."""
        return self.ports != (ServicePort(name=HTTP, port=self.port),)

    @property
    def pod_count(self) -> int:
        """How many pods it has at least."""
        return self.replicas * len(self.images)

    @property
    def workload(self) -> Workload:
        """Its pods, as policies name them."""
        over_tcp = [port for port in container_ports(self.ports) if port.protocol in ("", "TCP") and self.ports_known]
        return Workload(
            namespace=self.namespace,
            selector=self.selector or {"app": self.name},
            ports=tuple(port.container_port for port in over_tcp),
            http_ports=tuple(port.container_port for port in over_tcp if port.is_http),
        )

    @property
    def address(self) -> str:
        """Where other pods of the mesh find it."""
        scheme = {"https": "https://"}.get(self.ports[0].application, "http://" if self.ports[0].is_http else "")
        return f"{scheme}{self.name}.{self.namespace}:{self.port}"


def read_all(value: Value, namespace: str, gateways: Mapping[str, Gateway] | None = None) -> tuple[Service, ...]:
    """The services, by default in ``namespace``, and shown at ``gateways``.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    services: dict[str, Service] = {}
    for item in value.items("a list of services"):
        service = _service(item, namespace, gateways or {})
        if service.name in services:
            raise Value(f"{item.path}.name", service.name).error("a name that no other service has")
        services[service.name] = service
    _refuse_same_objects(value, services)
    return tuple(services.values())


def _refuse_same_objects(value: Value, services: Mapping[str, Service]) -> None:
    """``a`` of version ``b-c`` and ``a-b`` of version ``c`` would be one Deployment."""
    made: dict[tuple[str, str], str] = {(service.namespace, name): name for name, service in services.items()}
    for name, service in services.items():
        for version in service.images:
            place = service.namespace, f"{name}-{version}"
            if made.setdefault(place, name) != name:
                raise value.below(f".{name}", version).error(
                    f"another version or name, as {place[1]} is made for {made[place]} already"
                )


def _service(value: Value, namespace: str, gateways: Mapping[str, Gateway]) -> Service:
    kind = value.below(".kind", value.mapping().get("kind")).choice("deployment", "existing", default="deployment")
    return _existing(value, namespace, gateways) if kind == "existing" else _deployed(value, namespace, gateways)


def _deployed(value: Value, namespace: str, gateways: Mapping[str, Gateway]) -> Service:
    keys = value.keys(*DEPLOYED)
    ports, images, resources = port_config.read(keys), _images(keys), _resources(keys["resources"])
    named = [port.name for port in container_ports(ports)] if keys["ports"].is_set else []
    kubernetes = pods.read(keys, named, resources.get("requests", {}))
    replicas = keys["replicas"].integer("a whole number of pods", least=1, most=1000, default=1)
    return Service(
        **_shared(keys, namespace, gateways, ports, tuple(images)),
        images=images,
        replicas=kubernetes.get("autoscaling", {}).get("minReplicas", replicas),
        resources=resources,
        kubernetes=kubernetes,
        pull_secrets=tuple(_pull_secret(secret) for secret in keys["imagePullSecrets"].items(PULL_SECRETS)),
    )


def _existing(value: Value, namespace: str, gateways: Mapping[str, Gateway]) -> Service:
    keys = value.keys(*EXISTING)
    listed = keys["versions"].items("a list of values of the label version")
    versions = tuple(dict.fromkeys(version.dns_label() for version in listed))
    return Service(
        **_shared(keys, namespace, gateways, port_config.read(keys), versions),
        existing=True,
        images={},
        replicas=0,
        selector=labels(keys["selector"]),
    )


def _shared(
    keys: Mapping[str, Value],
    namespace: str,
    gateways: Mapping[str, Gateway],
    ports: tuple[ServicePort, ...],
    versions: tuple[str, ...],
) -> dict[str, Any]:
    name, first = keys["name"].service_name(), ports[0]
    if name in TAKEN:
        raise keys["name"].error(f"a name other than Bookinfo's: {', '.join(TAKEN)}")
    if name in OTHERS:
        raise keys["name"].error(f"a name other than {', '.join(OTHERS)}, which Kubernetes and Istio use")
    host = traffic_config.Host(
        service=name,
        port=first.port,
        target_port=str(first.target_port or ""),
        port_name=first.name,
        app_protocol=first.app_protocol,
        is_http=first.is_http,
        subsets=versions,
    )
    traffic = traffic_config.read(keys["traffic"], host)
    return {
        "name": name,
        "namespace": keys["namespace"].text(*INJECTABLE, default=namespace),
        "port": first.port,
        "ports": ports,
        "allow_from": tuple(
            account.text(rf"({DNS_LABEL}/)?{DNS_LABEL}", "a service account, as NAME or NAMESPACE/NAME")
            for account in keys["allowFrom"].items("a list of service accounts")
        ),
        "traffic": traffic,
        "expose": expose_config.read_all(keys["expose"], ports=ports, gateways=gateways, traffic=traffic),
    }


def _pull_secret(value: Value) -> str:
    """A Secret as a pod names it, or by its name alone as the stack's key ``imagePullSecrets`` has it."""
    secret = value if isinstance(value.seen, str) else value.keys("name")["name"]
    return str(NAME(secret))


def _images(keys: Mapping[str, Value]) -> dict[str, str]:
    """One image, or one for each version."""
    if keys["image"].is_set == keys["versions"].is_set:
        raise keys["image"].error("an image, or versions with an image each, such as {v1: IMAGE, v2: IMAGE}; not both")
    if keys["image"].is_set:
        return {DEFAULT_VERSION: _image(keys["image"])}
    versions = keys["versions"].entries("an object of versions and images, such as {v1: IMAGE, v2: IMAGE}")
    if not versions:
        raise keys["versions"].error("one version or more")
    return {Value(entry.path, version).dns_label(): _image(entry) for version, entry in versions.items()}


def _image(value: Value) -> str:
    image = value.text(IMAGE, "an image with a tag or a digest, such as docker.io/library/nginx:1.27")
    if "@" not in image and ":" not in image.rpartition("/")[2]:
        raise value.error(f"an image with a tag or a digest, such as {image}:1.0; without one, it is another any day")
    return image


def _resources(value: Value) -> dict[str, dict[str, str]]:
    found = {
        kind: {name: quantity(entry) for name, entry in quantities.keys("cpu", "memory").items() if entry.is_set}
        for kind, quantities in value.keys("requests", "limits").items()
        if quantities.is_set
    }
    limits = found.get("limits", {})
    for name, requested in found.get("requests", {}).items():
        if name in limits and parse_quantity(requested) > parse_quantity(limits[name]):
            raise value.below(f".requests.{name}", requested).error(f"no more than limits.{name}, {limits[name]}")
    return found
