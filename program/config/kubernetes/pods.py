"""What a service's pods have beside image, port and resources, by the names and shapes of Kubernetes' own fields.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (PodSpec, Container, Probe,
Volume), horizontal-pod-autoscaler-v2 and pod-disruption-budget-v1.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from program.config.kubernetes.shapes import (
    NAME,
    Fields,
    Shape,
    annotations,
    as_it_stands,
    choice,
    flag,
    labels,
    listed,
    named,
    number_or_percentage,
    objects,
    port_or_name,
    quantity,
    text,
    whole,
)
from program.config.values import LABEL_KEY, Value

KEY = text("a key of it", r"[-._a-zA-Z0-9]+")
VARIABLE = text("the name of an environment variable, such as LOG_LEVEL", r"[!-<>-~]+")
PATH = text("an absolute path such as /etc/orders", r"/.*")
INSIDE = text("a path inside the volume, without ..", r"(?!/)(?!(.*/)?\.\.(/|$)).+")
WORDS = listed(text(), "a list of words")
SECONDS = whole("a whole number of seconds", 1)
TRIES = whole("a whole number of times", 1)

REFERENCE = Fields(fields={"name": NAME, "key": KEY, "optional": flag}, needs=("name", "key"))
SOURCE = Fields(
    fields={
        "secretKeyRef": REFERENCE,
        "configMapKeyRef": REFERENCE,
        "fieldRef": Fields(fields={"apiVersion": text(), "fieldPath": text()}, needs=("fieldPath",)),
        "resourceFieldRef": Fields(
            fields={"containerName": text(), "resource": text(), "divisor": text()}, needs=("resource",)
        ),
    },
    one_of=("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"),
)
WHOLE_OBJECT = Fields(fields={"name": NAME, "optional": flag}, needs=("name",))
ENVIRONMENT_OF = Fields(
    fields={"prefix": text(), "configMapRef": WHOLE_OBJECT, "secretRef": WHOLE_OBJECT},
    one_of=("configMapRef", "secretRef"),
)
VARIABLE_FIELDS = Fields(fields={"name": VARIABLE, "value": text(), "valueFrom": SOURCE}, needs=("name",))

HEADER = Fields(
    fields={"name": text("the name of a header", r"[-A-Za-z0-9]+"), "value": text()}, needs=("name", "value")
)
ACTIONS: dict[str, Shape] = {
    "httpGet": Fields(
        fields={
            "path": PATH,
            "port": port_or_name,
            "scheme": choice("HTTP", "HTTPS"),
            "host": text(),
            "httpHeaders": listed(HEADER, "a list of headers"),
        },
        needs=("port",),
    ),
    "tcpSocket": Fields(fields={"port": port_or_name, "host": text()}, needs=("port",)),
    "grpc": Fields(fields={"port": lambda value: value.port(), "service": text()}, needs=("port",)),
    "exec": Fields(fields={"command": listed(text(), "a list of one word or more", least=1)}, needs=("command",)),
}
PROBE = Fields(
    fields={
        **ACTIONS,
        "initialDelaySeconds": whole("a whole number of seconds"),
        "periodSeconds": SECONDS,
        "timeoutSeconds": SECONDS,
        "successThreshold": TRIES,
        "failureThreshold": TRIES,
        "terminationGracePeriodSeconds": SECONDS,
    },
    one_of=tuple(ACTIONS),
)
# What the API server takes of the one and not of the others.
LIVENESS = replace(
    PROBE,
    fields={**PROBE.fields, "successThreshold": lambda value: value.integer("a number of times", least=1, most=1)},
)
READINESS = replace(
    PROBE, fields={name: shape for name, shape in PROBE.fields.items() if name != "terminationGracePeriodSeconds"}
)

VOLUME_SOURCES: dict[str, Shape] = {
    "configMap": Fields(
        fields={"name": NAME, "items": objects(key=KEY, path=INSIDE), "defaultMode": whole("a mode"), "optional": flag},
        needs=("name",),
    ),
    "secret": Fields(
        fields={
            "secretName": NAME,
            "items": objects(key=KEY, path=INSIDE),
            "defaultMode": whole("a mode"),
            "optional": flag,
        },
        needs=("secretName",),
    ),
    "emptyDir": Fields(fields={"medium": choice("", "Memory"), "sizeLimit": quantity}),
    "persistentVolumeClaim": Fields(fields={"claimName": NAME, "readOnly": flag}, needs=("claimName",)),
    **dict.fromkeys(("projected", "downwardAPI", "csi", "ephemeral", "hostPath", "nfs"), as_it_stands),
}
LABEL = text("a DNS-1123 label", r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VOLUME = Fields(fields={"name": LABEL, **VOLUME_SOURCES}, needs=("name",), one_of=tuple(VOLUME_SOURCES))
MOUNT = Fields(
    fields={
        "name": LABEL,
        "mountPath": PATH,
        "subPath": text(),
        "subPathExpr": text(),
        "readOnly": flag,
        "mountPropagation": choice("None", "HostToContainer", "Bidirectional"),
    },
    needs=("name", "mountPath"),
)
TOLERATION = Fields(
    fields={
        "key": text("the name of a taint, such as pool", LABEL_KEY),
        "operator": choice("Exists", "Equal"),
        "value": text(),
        "effect": choice("NoSchedule", "PreferNoSchedule", "NoExecute"),
        "tolerationSeconds": whole("a whole number of seconds"),
    }
)


def _toleration(value: Value) -> dict[str, Any]:
    found = TOLERATION(value)
    if "key" not in found and found.get("operator") != "Exists":
        raise value.error("a key, or operator Exists, which alone tolerates any taint")
    if found.get("operator") == "Exists" and found.get("value"):
        raise value.below(".value", found["value"]).error("nothing with operator Exists")
    if "tolerationSeconds" in found and found.get("effect") != "NoExecute":
        raise value.below(".tolerationSeconds", found["tolerationSeconds"]).error("nothing but with effect NoExecute")
    return found


CONTAINER: dict[str, Shape] = {
    "command": WORDS,
    "args": WORDS,
    "workingDir": PATH,
    "env": named(VARIABLE_FIELDS, "a list of variables, such as [{name: LOG_LEVEL, value: debug}]"),
    "envFrom": listed(ENVIRONMENT_OF, "a list of sources, such as [{configMapRef: {name: orders-settings}}]"),
    "livenessProbe": LIVENESS,
    "readinessProbe": READINESS,
    "startupProbe": LIVENESS,
    "lifecycle": as_it_stands,
    "securityContext": as_it_stands,
    "volumeMounts": named(MOUNT, "a list of mounts, such as [{name: settings, mountPath: /etc/orders}]", "mountPath"),
}
"""The keys of a service that are fields of its container."""
POD: dict[str, Shape] = {
    "volumes": named(VOLUME, "a list of volumes, such as [{name: settings, configMap: {name: orders-settings}}]"),
    "nodeSelector": labels,
    "tolerations": listed(_toleration, "a list of tolerations, such as [{key: pool, operator: Exists}]"),
    "affinity": as_it_stands,
    "topologySpreadConstraints": objects(
        topologyKey=text("the name of a label of nodes, such as topology.kubernetes.io/zone", LABEL_KEY),
        maxSkew=whole("a whole number of pods", 1),
        whenUnsatisfiable=choice("DoNotSchedule", "ScheduleAnyway"),
    ),
    "priorityClassName": NAME,
    "terminationGracePeriodSeconds": whole("a whole number of seconds"),
    "automountServiceAccountToken": flag,
}
"""Those that are fields of its pods' spec."""
OTHERS: dict[str, Shape] = {
    "podSecurityContext": as_it_stands,
    "podAnnotations": annotations,
    "podLabels": labels,
    "serviceAccount": Fields(fields={"annotations": annotations}),
    "autoscaling": Fields(
        fields={
            "minReplicas": whole("a whole number of pods", 1),
            "maxReplicas": whole("a whole number of pods", 1),
            "metrics": objects(type=choice("Resource", "ContainerResource", "Pods", "Object", "External")),
            "behavior": as_it_stands,
        },
        needs=("maxReplicas",),
    ),
    "podDisruptionBudget": Fields(
        fields={
            "minAvailable": number_or_percentage,
            "maxUnavailable": number_or_percentage,
            "unhealthyPodEvictionPolicy": choice("IfHealthyBudget", "AlwaysAllow"),
        },
        one_of=("minAvailable", "maxUnavailable"),
    ),
}
"""Those that say something of their objects."""
# What Kubernetes scales by where nothing is said.
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
KEYS = {**CONTAINER, **POD, **OTHERS}
OURS = ("app", "version")


def pod_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """What of it is said of the pods' spec, by the names of its fields."""
    fields = {name: found[name] for name in POD if name in found}
    return fields | ({"securityContext": found["podSecurityContext"]} if "podSecurityContext" in found else {})


def read(keys: Mapping[str, Value], ports: Collection[str], requests: Collection[str]) -> dict[str, Any]:
    """What is set of ``KEYS``, in Kubernetes' own spelling.

    Args:
        keys: the service's keys.
        ports: the names of its ports, by which probes may call them.
        requests: what its container requests, ``cpu`` or ``memory``.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    found = {name: shape(keys[name]) for name, shape in KEYS.items() if keys[name].is_set}
    _refuse_unknown_names(keys, found, ports)
    _refuse_contradictions(keys, found)
    if "autoscaling" in found:
        _refuse_unscalable(keys, found["autoscaling"], requests)
    return found


def _refuse_unknown_names(keys: Mapping[str, Value], found: Mapping[str, Any], ports: Collection[str]) -> None:
    """What one key calls by a name that another gives."""
    volumes = [volume["name"] for volume in found.get("volumes", ())]
    for index, mount in enumerate(found.get("volumeMounts", ())):
        if mount["name"] not in volumes:
            entry = keys["volumeMounts"].below(f"[{index}].name", mount["name"])
            raise entry.error(f"the name of one of the service's volumes: {', '.join(volumes) or 'it has none'}")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket"):
            port = found.get(probe, {}).get(action, {}).get("port")
            if isinstance(port, str) and port not in ports:
                entry = keys[probe].below(f".{action}.port", port)
                known = ", ".join(ports) or "it has one without a name"
                raise entry.error(f"a port's number, or the name of one of the service's ports: {known}")


def _refuse_contradictions(keys: Mapping[str, Value], found: Mapping[str, Any]) -> None:
    for index, variable in enumerate(found.get("env", ())):
        if "value" in variable and "valueFrom" in variable:
            raise keys["env"].below(f"[{index}]", variable).error("value or valueFrom, not both")
    for label in found.get("podLabels", ()):
        if label in OURS:
            raise (
                keys["podLabels"]
                .below(f".{label}", found["podLabels"][label])
                .error(f"labels other than {' and '.join(OURS)}, by which Istio tells service and version")
            )


def _refuse_unscalable(keys: Mapping[str, Value], scaled: Mapping[str, Any], requests: Collection[str]) -> None:
    if keys["replicas"].is_set:
        raise keys["replicas"].error("replicas or autoscaling, not both: the autoscaler says how many pods there are")
    if scaled.get("minReplicas", 1) > scaled["maxReplicas"]:
        entry = keys["autoscaling"].below(".minReplicas", scaled["minReplicas"])
        raise entry.error(f"maxReplicas, {scaled['maxReplicas']}, or fewer")
    for index, metric in enumerate(scaled.get("metrics") or [CPU]):
        source = metric["type"][0].lower() + metric["type"][1:]
        said = metric.get(source)
        target = said.get("target") if isinstance(said, Mapping) else None
        if not isinstance(said, Mapping) or not isinstance(target, Mapping):
            entry = keys["autoscaling"].below(f".metrics[{index}].{source}", said)
            raise entry.error("an object with a target, such as {name: cpu, target: {type: Utilization, ...}}")
        choice("Utilization", "AverageValue", "Value")(
            keys["autoscaling"].below(f".metrics[{index}].{source}.target.type", target.get("type"))
        )
        name = said.get("name")
        if metric["type"] == "Resource" and target.get("type") == "Utilization" and name not in list(requests):
            raise keys["autoscaling"].error(
                f"a share of what the container requests together with resources.requests.{name}, or another metric"
            )
