"""Reads the configuration of the user's own services, and refuses what cannot run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.mesh.waypoint import NAME as WAYPOINT
from components.traffic.traffic import Traffic
from components.workloads import bookinfo
from components.workloads.exposure import GATEWAY_CLASS
from program.config import expose as expose_config
from program.config import traffic as traffic_config
from program.config.expose import Expose
from program.config.gateways import Gateway
from program.config.values import DNS_LABEL, INJECTABLE, Value

# Services, Services in front of versions, the HTTPRoute at the Gateway, and what Istio makes of the Gateway.
GATEWAY_SERVICE = f"{bookinfo.GATEWAY}-{GATEWAY_CLASS}"
TAKEN = (*bookinfo.SERVICES, *(workload.name for workload in bookinfo.WORKLOADS), bookinfo.ROUTE, GATEWAY_SERVICE)
# The API server's own Service, in the namespace default, and what Istio makes of a waypoint.
OTHERS = ("kubernetes", WAYPOINT)
# A reference with a tag or a digest: https://pkg.go.dev/github.com/distribution/reference
PATH = r"[a-z0-9]+([._/-]+[a-z0-9]+)*"
IMAGE = rf"([A-Za-z0-9.-]+(:[0-9]+)?/)?{PATH}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
QUANTITY = r"(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,3})?(m|[kMGT]|[KMGT]i)?"
DEFAULT_VERSION = "v1"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of the user's own.

    Attributes:
        name: the name of its Service and its ServiceAccount.
        namespace: its namespace.
        images: version -> image.
        port: where it speaks HTTP.
        replicas: pods of each version.
        resources: requests and limits of its container.
        allow_from: the service accounts that may call it; empty leaves that to the rest of the mesh's policy.
        traffic: what is wanted of the traffic to it.
        expose: the ways in which it is reached from outside.
    """

    name: str
    namespace: str
    images: Mapping[str, str]
    port: int
    replicas: int
    traffic: Traffic
    allow_from: tuple[str, ...] = ()
    expose: tuple[Expose, ...] = ()
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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
    keys = value.keys(
        "name", "namespace", "image", "versions", "port", "replicas", "resources", "allowFrom", "traffic", "expose"
    )
    name, port = keys["name"].service_name(), keys["port"].port()
    if name in TAKEN:
        raise keys["name"].error(f"a name other than Bookinfo's: {', '.join(TAKEN)}")
    if name in OTHERS:
        raise keys["name"].error(f"a name other than {' and '.join(OTHERS)}, which Kubernetes and Istio use")
    images = _images(keys)
    traffic = traffic_config.read(keys["traffic"], traffic_config.Host(service=name, port=port, subsets=tuple(images)))
    return Service(
        name=name,
        namespace=keys["namespace"].text(*INJECTABLE, default=namespace),
        images=images,
        port=port,
        replicas=keys["replicas"].integer("a whole number of pods", least=1, most=1000, default=1),
        resources=_resources(keys["resources"]),
        allow_from=tuple(
            account.text(rf"({DNS_LABEL}/)?{DNS_LABEL}", "a service account, as NAME or NAMESPACE/NAME")
            for account in keys["allowFrom"].items("a list of service accounts")
        ),
        traffic=traffic,
        expose=expose_config.read_all(keys["expose"], ports=[port], gateways=gateways, traffic=traffic),
    )


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
    return {
        kind: {name: _quantity(entry) for name, entry in quantities.keys("cpu", "memory").items() if entry.is_set}
        for kind, quantities in value.keys("requests", "limits").items()
        if quantities.is_set
    }


def _quantity(value: Value) -> str:
    # One processor may be written as a number.
    return Value(value.path, str(value.seen)).text(QUANTITY, "a Kubernetes quantity above zero, such as 100m or 128Mi")
