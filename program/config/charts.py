"""Reads values of Istio's charts, and refuses those of a type that Istio drops or misreads without a word."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from program.config.mesh_types import MESSAGES
from program.config.values import Value


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


OBJECT = "an object, such as {pilot: {autoscaleEnabled: false}}"
# What Istio's charts take at the top, 1.24 to 1.31; anything else they ignore without a word.
AGENT_KEYS: Mapping[str, frozenset[str]] = {
    "cni": _words(
        "affinity ambient chained cniBinDir cniConfDir cniConfFileName cniNetnsDir compatibilityVersion "
        "daemonSetLabels env excludeNamespaces global hub image istioOwnedCNIConfig "
        "istioOwnedCNIConfigFileName logLevel logging ownerName platform podAnnotations podLabels privileged "
        "profile provider pullPolicy repair resourceQuotas resources revision rollingMaxUnavailable "
        "seLinuxOptions seccompProfile tag terminationGracePeriodSeconds tolerations updateStrategy "
        "useAppArmorAnnotation variant "
    ),
    "ztunnel": _words(
        "affinity annotations caAddress compatibilityVersion dnsConfig dnsPolicy env global hub image "
        "imagePullPolicy imagePullSecrets istioNamespace labels logAsJson logLevel meshConfig multiCluster "
        "network nodeSelector peerCaCrl platform podAnnotations podLabels profile resourceName resourceQuotas "
        "resourceScope resources revision seLinuxOptions tag terminationGracePeriodSeconds tolerations "
        "updateStrategy variant volumeMounts volumes xdsAddress "
    ),
}
# What istiod's own chart takes below `cni`: whether it counts on the agent, whose own values are another chart's.
CNI_USAGE = frozenset({"chained", "enabled", "provider"})
TEXTS = frozenset({"compatibilityVersion", "hub", "platform", "profile", "revision", "tag", "variant"})
TEXT_MAPS = _words(
    "annotations daemonSetLabels defaultNodeSelector deploymentAnnotations deploymentLabels "
    "injectedAnnotations labels nodeSelector podAnnotations podLabels serviceAccountAnnotations "
    "serviceAnnotations sidecarInjectorWebhookAnnotations "
)
# Read by istiod, or handed through as it stands.
NOT_OURS = frozenset({"affinity", "meshConfig", "meshNetworks", "templates", "tolerations", "volumes", "volumeMounts"})
DURATION = r"0|[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))+"
DROPS = "istiod drops all of its configuration for one value of another type"
# From here on Helm writes a number as 1e+06.
EXPONENT = 10**6
Fields = Mapping[str, str]


def read_istiod(value: Value) -> dict[str, Any]:
    """Values of the istiod chart.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    values = value.mapping(OBJECT)
    whole = value.below("", values)
    if "ztunnel" in values:
        raise _below(whole, "ztunnel", values["ztunnel"]).error("no such key here: ztunnel's values are ztunnelValues")
    usage = values.get("cni")
    for key, entry in usage.items() if isinstance(usage, Mapping) else ():
        if key not in CNI_USAGE:
            raise _below(_below(whole, "cni", usage), key, entry).error(
                f"{', '.join(sorted(CNI_USAGE))}: the values of istio-cni's own chart are cniValues"
            )
    _refuse_misread(whole)
    if isinstance(mesh := values.get("meshConfig"), Mapping):
        _check(_below(whole, "meshConfig", mesh), "MeshConfig")
    shared = values.get("global")
    if isinstance(shared, Mapping) and "meshNetworks" in shared:
        _check(_below(_below(whole, "global", shared), "meshNetworks", shared["meshNetworks"]), "{}Network")
    return values


def read_agent(value: Value, chart: str, installed_by: str = "") -> dict[str, Any]:
    """Values of the chart of one of Istio's node agents: ``cni`` or ``ztunnel``.

    Args:
        value: the object.
        chart: the chart.
        installed_by: the settings that would install it, where none of them is set; empty where it is installed.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    values = value.mapping("an object, such as {resources: {requests: {cpu: 100m}}}")
    whole = value.below("", values)
    if values and installed_by:
        raise value.error(f"nothing, as {chart} is installed with {installed_by} only")
    for key, entry in values.items():
        if key not in AGENT_KEYS[chart]:
            raise _below(whole, key, entry).error(f"one of these keys: {', '.join(sorted(AGENT_KEYS[chart]))}")
    _refuse_misread(whole)
    if isinstance(mesh := values.get("meshConfig"), Mapping):
        _check(_below(whole, "meshConfig", mesh), "MeshConfig")
    return values


def unknown_mesh_fields(values: Mapping[str, Any]) -> list[str]:
    """The paths in ``meshConfig`` that MeshConfig does not have, which istiod ignores."""
    mesh = values.get("meshConfig")
    return list(_unknown(mesh, "MeshConfig", "istioValues.meshConfig")) if isinstance(mesh, Mapping) else []


def _below(value: Value, key: str, seen: Any) -> Value:
    return value.below(f".{key}", seen)


def _refuse_misread(value: Value) -> None:
    """Texts that YAML takes for something else, and maps of texts that the API server would refuse in mid-update."""
    for key, entry in value.seen.items():
        below = _below(value, key, entry)
        if key in TEXTS and entry is not None and not isinstance(entry, str):
            raise below.error("text; in quotes, as YAML reads 1.30 as the number 1.3")
        if key in TEXT_MAPS and isinstance(entry, Mapping):
            for name, text in entry.items():
                _check(_below(below, name, text), "text", "")
        elif key == "env" and isinstance(entry, Mapping):
            _refuse_exponents(below)
        elif isinstance(entry, Mapping) and key not in NOT_OURS:
            _refuse_misread(below)


def _refuse_exponents(value: Value) -> None:
    for name, number in value.seen.items():
        if isinstance(number, int | float) and abs(number) >= EXPONENT:
            raise _below(value, name, number).error("text; in quotes, as Helm writes so large a number as 1e+06")


def _fields(message: str) -> Fields:
    return dict(field.split("=") for field in MESSAGES[message].split())


def _field(fields: Fields, key: str) -> str | None:
    """A field's type, by its name in JSON or in the .proto file."""
    return fields.get(key) or fields.get(re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), key))


def _check(value: Value, kind: str, why: str = f"; {DROPS}") -> None:
    """Refuse a value that is not of a type as in ``MESSAGES``. Null, and a secret that is not known here, is any."""
    seen = value.seen
    if seen is None or value.is_masked:
        return
    if kind.startswith("[]"):
        _must(isinstance(seen, list), value, "a list", why)
        for index, item in enumerate(seen):
            _check(value.below(f"[{index}]", item), kind[2:], why)
    elif kind.startswith("{}") or kind in MESSAGES:
        _must(isinstance(seen, Mapping), value, "an object", why)
        fields = {} if kind.startswith("{}") else _fields(kind)
        for key, entry in seen.items():
            below = kind[2:] if kind.startswith("{}") else _field(fields, key)
            if below:
                _check(_below(value, key, entry), below, why)
    else:
        _check_scalar(value, kind, why)


def _check_scalar(value: Value, kind: str, why: str) -> None:
    seen = value.seen
    number = isinstance(seen, int | float) and not isinstance(seen, bool)
    whole = number and float(seen).is_integer()
    match kind:
        case "any":
            return
        case "text":
            _must(isinstance(seen, str), value, 'text, in quotes, such as "true" or "1.30"', why)
        case "bool":
            _must(isinstance(seen, bool), value, "true or false, without quotes", why)
        case "int":
            _must(whole or _is_text(seen, r"-?[0-9]+"), value, "a whole number", why)
        case "number":
            _must(number or _is_text(seen, r"-?[0-9]+(\.[0-9]+)?"), value, "a number", why)
        case "duration":
            _must(_is_text(seen, DURATION), value, "a duration such as 10s", why)
        case _:
            _must(whole or seen in kind.split("|"), value, " or ".join(kind.split("|")), why)


def _is_text(seen: Any, pattern: str) -> bool:
    return isinstance(seen, str) and re.fullmatch(pattern, seen) is not None


def _must(fits: bool, value: Value, accepted: str, why: str) -> None:
    if not fits:
        raise value.error(f"{accepted}{why}")


def _unknown(seen: Any, kind: str, path: str) -> Iterator[str]:
    if kind.startswith("[]") and isinstance(seen, list):
        for index, item in enumerate(seen):
            yield from _unknown(item, kind[2:], f"{path}[{index}]")
    elif isinstance(seen, Mapping) and (kind.startswith("{}") or kind in MESSAGES):
        fields = {} if kind.startswith("{}") else _fields(kind)
        for key, entry in seen.items():
            below = kind[2:] if kind.startswith("{}") else _field(fields, key)
            if below is None:
                yield f"{path}.{key}"
            else:
                yield from _unknown(entry, below, f"{path}.{key}")
