"""What of a service is shown to the outside, in the Gateway API's terms: pure data.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRouteRule, GRPCRouteRule)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

RouteKind = Literal["HTTPRoute", "GRPCRoute"]
MatchType = Literal["Exact", "RegularExpression"]
PathType = Literal["Exact", "PathPrefix", "RegularExpression"]
# Of a rule and of a route, in the oldest release of the Gateway API that is supported, v1.1.
MOST_MATCHES, MOST_RULES = 8, 16


@dataclass(frozen=True, kw_only=True)
class PathMatch:
    """A request's path.

    Attributes:
        type: how it is compared.
        value: the path, from / on, or a regular expression (RE2) for all of it.
    """

    type: PathType = "PathPrefix"
    value: str


@dataclass(frozen=True, kw_only=True)
class ValueMatch:
    """The value of a header or of a query parameter.

    Attributes:
        type: how it is compared.
        value: the value, or a regular expression (RE2) for all of it.
    """

    type: MatchType = "Exact"
    value: str


@dataclass(frozen=True, kw_only=True)
class HeaderFilter:
    """What happens to headers on their way.

    Attributes:
        set: headers that get this value, whatever they had.
        add: headers that get this value beside what they had.
        remove: headers that go.
    """

    set: Mapping[str, str] = field(default_factory=dict)
    add: Mapping[str, str] = field(default_factory=dict)
    remove: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class UrlRewrite:
    """What the service gets in the place of what was asked for.

    Attributes:
        hostname: in the place of the Host; empty for the same.
        replace_prefix_match: in the place of the path's prefix that matched; empty for the same.
        replace_full_path: in the place of the whole path; empty for the same.
    """

    hostname: str = ""
    replace_prefix_match: str = ""
    replace_full_path: str = ""


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """Where the client is sent, in the place of an answer of the service's.

    Attributes:
        scheme: http or https; empty for the same.
        hostname: empty for the same.
        port: 0 for the scheme's, or the same.
        status_code: 301 or 302.
        replace_prefix_match: in the place of the path's prefix that matched; empty for the same.
        replace_full_path: in the place of the whole path; empty for the same.
    """

    scheme: Literal["http", "https", ""] = ""
    hostname: str = ""
    port: int = 0
    status_code: int = 302
    replace_prefix_match: str = ""
    replace_full_path: str = ""


@dataclass(frozen=True, kw_only=True)
class RouteRule:
    """Requests that are alike, and what is done with them. What is empty holds for any request, and changes nothing.

    Attributes:
        paths: the path is one of these; not of a GRPCRoute.
        methods: the method is one of these, such as GET; of a GRPCRoute, SERVICE or SERVICE/METHOD.
        headers: each of these headers has its value.
        query_params: each of these parameters of the query has its value; not of a GRPCRoute.
        request_headers: what happens to the request's headers.
        response_headers: what happens to the answer's headers.
        url_rewrite: what the service gets; not of a GRPCRoute.
        redirect: where the client is sent; not of a GRPCRoute, and not beside url_rewrite.
    """

    paths: Sequence[PathMatch] = ()
    methods: Sequence[str] = ()
    headers: Mapping[str, ValueMatch] = field(default_factory=dict)
    query_params: Mapping[str, ValueMatch] = field(default_factory=dict)
    request_headers: HeaderFilter | None = None
    response_headers: HeaderFilter | None = None
    url_rewrite: UrlRewrite | None = None
    redirect: Redirect | None = None

    @property
    def replaces_prefix(self) -> bool:
        """Whether a prefix of the path is replaced, of which the Gateway API takes one a rule."""
        changes = (self.url_rewrite, self.redirect)
        return any(each is not None and each.replace_prefix_match for each in changes)


@dataclass(frozen=True, kw_only=True)
class RouteParent:
    """The Gateway that a route is attached to.

    Attributes:
        name: its name.
        namespace: its namespace; empty for the route's own.
        section_name: the name of one of its listeners; empty for all that take the route.
    """

    name: str
    namespace: str = ""
    section_name: str = ""


def parent_ref(parent: RouteParent) -> dict[str, Any]:
    """A parent as a route names it."""
    said = {"name": parent.name, "namespace": parent.namespace, "sectionName": parent.section_name}
    return {key: value for key, value in said.items() if value}


def matches(rule: RouteRule, kind: RouteKind) -> list[dict[str, Any]]:
    """Every combination of a path and a method, each with the headers and parameters; none for any request."""
    common: dict[str, Any] = {}
    if rule.headers:
        common["headers"] = _values(rule.headers)
    if rule.query_params:
        common["queryParams"] = _values(rule.query_params)
    paths = [{"path": {"type": path.type, "value": path.value}} for path in rule.paths] or [{}]
    methods = [{"method": _method(method, kind)} for method in rule.methods] or [{}]
    found: list[dict[str, Any]] = [{**path, **method, **common} for path, method in product(paths, methods)]
    return [each for each in found if each]


def _values(found: Mapping[str, ValueMatch]) -> list[dict[str, str]]:
    return [{"type": match.type, "name": name, "value": match.value} for name, match in sorted(found.items())]


def _method(method: str, kind: RouteKind) -> Any:
    if kind == "HTTPRoute":
        return method
    service, _, name = method.partition("/")
    return {"type": "Exact", "service": service, **({"method": name} if name else {})}


def filters(rule: RouteRule) -> list[dict[str, Any]]:
    """What is done with a rule's requests and answers, as a route says it."""
    found = []
    for kind, change in (
        ("RequestHeaderModifier", rule.request_headers),
        ("ResponseHeaderModifier", rule.response_headers),
    ):
        if change:
            found.append({"type": kind, kind[0].lower() + kind[1:]: _header_filter(change)})
    if rewrite := rule.url_rewrite:
        said = {"hostname": rewrite.hostname, "path": _path(rewrite)}
        found.append({"type": "URLRewrite", "urlRewrite": {key: value for key, value in said.items() if value}})
    if redirect := rule.redirect:
        aim = {
            "scheme": redirect.scheme,
            "hostname": redirect.hostname,
            "path": _path(redirect),
            "port": redirect.port,
            "statusCode": redirect.status_code,
        }
        found.append(
            {"type": "RequestRedirect", "requestRedirect": {key: value for key, value in aim.items() if value}}
        )
    return found


def _header_filter(change: HeaderFilter) -> dict[str, Any]:
    said = {
        key: [{"name": name, "value": value} for name, value in sorted(headers.items())]
        for key, headers in (("set", change.set), ("add", change.add))
        if headers
    }
    return {**said, **({"remove": list(change.remove)} if change.remove else {})}


def _path(change: UrlRewrite | Redirect) -> dict[str, str]:
    if change.replace_prefix_match:
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": change.replace_prefix_match}
    if change.replace_full_path:
        return {"type": "ReplaceFullPath", "replaceFullPath": change.replace_full_path}
    return {}


def rule_specs(rule: RouteRule, kind: RouteKind, backends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A rule as a route has it: as many as it takes, as each has no more matches than every release of the API takes.

    Args:
        rule: what is shown.
        kind: the route's.
        backends: where requests go that are not redirected.
    """
    said: dict[str, Any] = {}
    if changes := filters(rule):
        said["filters"] = changes
    if not rule.redirect:
        said["backendRefs"] = [dict(backend) for backend in backends]
    met = matches(rule, kind)
    size = 1 if rule.replaces_prefix else MOST_MATCHES
    chunks = [met[start : start + size] for start in range(0, len(met), size)] or [[]]
    return [{**({"matches": chunk} if chunk else {}), **said} for chunk in chunks]
