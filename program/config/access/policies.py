"""Reads AuthorizationPolicies of services and of the Gateway: the config key ``security.policies``.

Rules have Istio's own shape: https://istio.io/latest/docs/reference/config/security/authorization-policy/ (Rule), and
https://istio.io/latest/docs/reference/config/security/conditions/ for ``when``.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Literal, cast

from components.security.policy import Policy, principal
from program.config.kubernetes.shapes import Fields, Shape, listed, network, text
from program.config.values import DNS_LABEL, Value

Action = Literal["ALLOW", "DENY", "AUDIT", "CUSTOM"]
ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
# The names that this program gives to policies of its own, and what a dry run makes of any.
RESERVED = r"allow-.*|deny-by-default|.*-require-token|.*-dry-run"


def _port(value: Value) -> str:
    """A port as Istio has it here, which is text."""
    return str(value.port())


ADDRESS = network("a CIDR such as 203.0.113.0/24, or an IP address", parse=ip_interface)
IDENTITY = text(
    "an identity as TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, such as cluster.local/ns/shop/sa/web, with a * as its first "
    "or last letter, or * alone; for an account of the mesh, serviceAccounts",
    r"(?!spiffe:)(\*|\*?[^*\s]*/sa/[^*\s]+|[^*\s]+\*|\*[^*\s]+)",
)
ACCOUNT = text("a service account, as NAME or NAMESPACE/NAME", rf"({DNS_LABEL}/)?{DNS_LABEL}")
# Istio matches text as a whole, or by a * at one end.
PLAIN = text(
    "text, with a * as its first or last letter where it may begin or end with anything", r"\*|\*?[^*]+|[^*]+\*"
)
# No request has another: what begins otherwise would fit none.
METHOD = text("a method such as GET, with a * as its first or last letter for several", r"\*|\*?[-A-Z]+|[-A-Z]+\*")
# From Istio 1.22 on also {*} and {**} between slashes.
PATHS = text(
    "a path such as /api/*, or a template such as /api/{*}/orders",
    r"\*[^*\s]*|/[^*\s]*\*?|/[^\s]*\{\*{1,2}\}[^\s]*",
)
NAMESPACE = text("a namespace, with a * at one end for several", r"\*|\*?[-a-z0-9]+|[-a-z0-9]+\*")


def _lists(**shapes: Shape) -> dict[str, Shape]:
    """A list of one value or more by each name, and by NOT-NAME what must not be."""
    both: dict[str, Shape] = {}
    for name, shape in shapes.items():
        both[name] = both[f"not{name[0].upper()}{name[1:]}"] = listed(shape, "a list of one or more", least=1)
    return both


SOURCE = _lists(
    principals=IDENTITY,
    serviceAccounts=ACCOUNT,
    requestPrincipals=PLAIN,
    namespaces=NAMESPACE,
    ipBlocks=ADDRESS,
    remoteIpBlocks=ADDRESS,
)
OPERATION = _lists(hosts=PLAIN, ports=_port, methods=METHOD, paths=PATHS)
# What Istio from 1.23 on knows, and how the values look.
CONDITIONS: dict[str, Shape] = {
    r"request\.headers\[[-_A-Za-z0-9]+\]": PLAIN,
    r"source\.ip|remote\.ip|destination\.ip": ADDRESS,
    r"source\.namespace": NAMESPACE,
    r"source\.principal": IDENTITY,
    r"request\.auth\.(principal|audiences|presenter)": PLAIN,
    r"request\.auth\.claims(\[[^]\s]+\])+": PLAIN,
    r"destination\.port": _port,
    r"connection\.sni": PLAIN,
    r"experimental\.envoy\.filters\.\S+": PLAIN,
}
KEYS = "request.headers[NAME], source.ip, source.namespace, source.principal, remote.ip, request.auth.principal, "
KEYS += "request.auth.audiences, request.auth.presenter, request.auth.claims[NAME], destination.ip, destination.port, "
KEYS += "connection.sni or experimental.envoy.filters.NAME[KEY]"
# What a rule of CUSTOM cannot say, as the authorizer is asked before the caller is known.
UNKNOWN_TO_CUSTOM = re.compile(r"(not)?(principals|requestPrincipals|namespaces|serviceAccounts)$", re.IGNORECASE)
CUSTOM_CONDITIONS = ("source.namespace", "source.principal", "request.auth.")


def _some(value: Value, fields: Mapping[str, Shape]) -> dict[str, Any]:
    found = Fields(fields=fields)(value)
    if not found:
        raise value.error(f"one or more of {', '.join(fields)}")
    return found


def _condition(value: Value) -> dict[str, Any]:
    keys = value.keys("key", "values", "notValues")
    name = keys["key"].text(r"\S+", KEYS)
    shape = next((shape for pattern, shape in CONDITIONS.items() if re.fullmatch(pattern, name)), None)
    if shape is None:
        raise keys["key"].error(KEYS)
    lists = {which: keys[which] for which in ("values", "notValues") if keys[which].is_set}
    if not lists:
        raise value.error("values, notValues or both")
    return {"key": name, **{which: listed(shape, "a list of one or more", 1)(each) for which, each in lists.items()}}


RULE = Fields(
    fields={
        "from": listed(
            Fields(fields={"source": lambda value: _some(value, SOURCE)}, needs=("source",)),
            "a list such as [{source: {namespaces: [shop]}}]",
            least=1,
        ),
        "to": listed(
            Fields(fields={"operation": lambda value: _some(value, OPERATION)}, needs=("operation",)),
            "a list such as [{operation: {methods: [GET], paths: [/api/*]}}]",
            least=1,
        ),
        "when": listed(_condition, "a list such as [{key: 'request.auth.claims[groups]', values: [readers]}]", least=1),
    }
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a policy may name.

    Attributes:
        services: the namespace of each of the stack's services, by name.
        gateways: the namespace of each of its Gateways, by name.
        tokens: what looks at tokens: ``service`` or ``gateway``, and its name.
        ports: by ``service`` or ``gateway`` and its name, its Service's ports that its containers have by another
            number, and that number.
        providers: the authorizers of ``istioValues.meshConfig.extensionProviders``.
        dry_run: whether policies are a dry run where they do not say it themselves.
    """

    services: Mapping[str, str]
    gateways: Mapping[str, str]
    tokens: Collection[tuple[str, str]] = ()
    ports: Mapping[tuple[str, str], Mapping[int, int]] = field(default_factory=dict)
    providers: Collection[str] = ()
    dry_run: bool = False


def read(value: Value, known: Known) -> tuple[Policy, ...]:
    """The policies of the object ``security.policies``.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    entries = value.entries("an object of named policies")
    return tuple(_policy(name, entry, known) for name, entry in entries.items())


def _policy(name: str, value: Value, known: Known) -> Policy:
    Value(value.path, name).text(
        rf"(?!({RESERVED})$){DNS_LABEL}", "a DNS-1123 label as its name, other than allow-* and those of this program"
    )
    keys = value.keys("service", "gateway", "action", "rules", "dryRun", "provider")
    if keys["service"].is_set == keys["gateway"].is_set:
        raise value.error("one of service: NAME and gateway: NAME")
    kind, targets = ("service", known.services) if keys["service"].is_set else ("gateway", known.gateways)
    target = keys[kind].choice(*targets, accepted=f"one of this stack's {kind}s: {', '.join(targets) or 'it has none'}")
    action = cast(Action, keys["action"].choice(*ACTIONS, default="ALLOW"))
    if not keys["rules"].is_set or (action != "ALLOW" and not keys["rules"].items("a list of rules")):
        more = ", or [] which allows nothing" if action == "ALLOW" else ""
        raise keys["rules"].error(f"one rule or more, such as [{{from: [{{source: {{namespaces: [shop]}}}}]}}]{more}")
    rules = [RULE(rule) for rule in keys["rules"].items("a list of rules")]
    if (kind, target) not in known.tokens and (asks := next(_token_fields(keys["rules"], rules), None)):
        raise asks.error(
            f"nothing of tokens while {target} looks at none: see security.jwt"
            + (f", and list {target} in security.jwt.services" if kind == "service" else "")
        )
    _refuse_ports_of_the_service(keys["rules"], rules, known.ports.get((kind, target), {}))
    if action == "CUSTOM":
        _refuse_unknown_to_custom(keys["rules"], rules)
    if keys["provider"].is_set and action != "CUSTOM":
        raise keys["provider"].error("a provider with action: CUSTOM alone")
    if keys["dryRun"].is_set and action not in ("ALLOW", "DENY"):
        raise keys["dryRun"].error(f"nothing beside {action}, which Istio does not try: ALLOW or DENY alone")
    return Policy(
        name=name,
        service=target if kind == "service" else "",
        gateway=target if kind == "gateway" else "",
        action=action,
        rules=tuple(_in_istios_terms(rule, targets[target]) for rule in rules),
        dry_run=keys["dryRun"].boolean(default=known.dry_run) if action in ("ALLOW", "DENY") else False,
        provider=_provider(keys["provider"], known.providers) if action == "CUSTOM" else "",
    )


def _provider(value: Value, providers: Collection[str]) -> str:
    known = ", ".join(providers) or "it has none"
    return value.choice(*providers, accepted=f"one of istioValues.meshConfig.extensionProviders by name: {known}")


def _fields(value: Value, rules: Collection[Mapping[str, Any]]) -> Iterator[tuple[str, Value]]:
    """Each field of a source, and each condition's key, with where it stands."""
    for index, rule in enumerate(rules):
        for number, entry in enumerate(rule.get("from", ())):
            for name, seen in entry["source"].items():
                yield name, value.below(f"[{index}].from[{number}].source.{name}", seen)
        for number, condition in enumerate(rule.get("when", ())):
            yield condition["key"], value.below(f"[{index}].when[{number}].key", condition["key"])


def _token_fields(value: Value, rules: Collection[Mapping[str, Any]]) -> Iterator[Value]:
    for name, said in _fields(value, rules):
        if name.lower().endswith("requestprincipals") or name.startswith("request.auth."):
            yield said


def _refuse_ports_of_the_service(value: Value, rules: Collection[Mapping[str, Any]], ports: Mapping[int, int]) -> None:
    """No connection reaches a pod at its Service's port: a rule for it would fit none."""
    for path, port in _ports(rules):
        if found := ports.get(int(port)):
            raise value.below(path, port).error(f"ports of the containers: {found} in the place of {port}")


def _ports(rules: Collection[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Where each port of a rule stands, and the port."""
    for index, rule in enumerate(rules):
        for number, entry in enumerate(rule.get("to", ())):
            for name in ("ports", "notPorts"):
                for port in entry["operation"].get(name, ()):
                    yield f"[{index}].to[{number}].operation.{name}", port
        for number, condition in enumerate(rule.get("when", ())):
            if condition["key"] == "destination.port":
                for name in ("values", "notValues"):
                    for port in condition.get(name, ()):
                        yield f"[{index}].when[{number}].{name}", port


def _refuse_unknown_to_custom(value: Value, rules: Collection[Mapping[str, Any]]) -> None:
    for name, said in _fields(value, rules):
        if UNKNOWN_TO_CUSTOM.match(name) or name.startswith(CUSTOM_CONDITIONS):
            raise said.error("nothing beside action: CUSTOM, whose rules may tell requests by operation, IP and header")


def _in_istios_terms(rule: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """A rule with service accounts as principals, which every version of Istio knows: the field is of Istio 1.26."""
    if "from" not in rule:
        return dict(rule)
    return {**rule, "from": [{"source": _with_principals(entry["source"], namespace)} for entry in rule["from"]]}


def _with_principals(source: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    found = dict(source)
    for accounts, principals in (("serviceAccounts", "principals"), ("notServiceAccounts", "notPrincipals")):
        if accounts in found:
            identities = [principal(namespace, account) for account in found.pop(accounts)]
            found[principals] = [*found.get(principals, ()), *identities]
    return found
