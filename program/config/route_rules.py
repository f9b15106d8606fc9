"""Reads one rule of a route: which requests, and what is done with them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from components.traffic.routes import HeaderFilter, PathMatch, Redirect, RouteRule, UrlRewrite, ValueMatch
from program.config.values import DNS_NAME, Value

# https://gateway-api.sigs.k8s.io/reference/spec/#httppathmatch
PATH = r"(?=.{1,1024}$)/(?!/)((?!//|/\.{1,2}(/|$)|%2[fF])([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2}))*"
A_PATH = "a path from / on such as /orders, without //, . or .. in it"
HEADER = r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}"
HEADER_VALUE = r"(?=.{1,4096}$)\S(.*\S)?"
PARAMETER_VALUE = r"(?=.{1,1024}$)\S(.*\S)?"
# Of headers, parameters and hosts: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRouteMatch, HTTPHeaderFilter)
MOST = 16
# What Envoy's RE2 has not, and what no reader of regular expressions takes: one such route stops all of a gateway's.
NOT_IN_RE2 = r"(?<!\\)(\\\\)*(\(\?(=|!|<=|<!)|\\[1-9])"
BROKEN = ("missing )", "unbalanced parenthesis", "unterminated character set", "nothing to repeat")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
# https://gateway-api.sigs.k8s.io/reference/spec/#grpcmethodmatch
GRPC_METHOD = r"[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*(/[A-Za-z_][A-Za-z_0-9]*)?"


def read_rule(keys: Mapping[str, Value], protocol: str) -> RouteRule:
    """A rule by its keys.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    rule = RouteRule(
        paths=tuple(dict.fromkeys(map(_path, keys["paths"].items("a list of paths, such as [/orders]")))),
        methods=tuple(dict.fromkeys(_method(item, protocol) for item in keys["methods"].items("a list of methods"))),
        # In small letters, as traffic has them: a name in capitals is the same header.
        headers={name.lower(): each for name, each in _values(keys["headers"], "header", HEADER_VALUE).items()},
        query_params=_values(keys["queryParams"], "parameter", PARAMETER_VALUE),
        request_headers=_header_filter(keys["requestHeaders"]),
        response_headers=_header_filter(keys["responseHeaders"]),
        url_rewrite=_rewrite(keys["urlRewrite"]),
        redirect=_redirect(keys["redirect"]),
    )
    if rule.redirect and rule.url_rewrite:
        raise keys["urlRewrite"].error("urlRewrite or redirect, not both: what is redirected reaches no service")
    if rule.replaces_prefix and (not rule.paths or any(path.type != "PathPrefix" for path in rule.paths)):
        raise keys["paths"].error("prefixes beside replacePrefixMatch, such as [/orders]")
    return rule


def _path(value: Value) -> PathMatch:
    """A prefix as text, or type and value."""
    if not is_object(value):
        return PathMatch(value=value.text(PATH, A_PATH))
    keys = value.keys("type", "value")
    kind = keys["type"].choice("Exact", "PathPrefix", "RegularExpression", default="PathPrefix")
    if kind == "RegularExpression":
        return PathMatch(type="RegularExpression", value=_expression(keys["value"], r"\S{1,1024}", "the whole path"))
    return PathMatch(type=cast(Any, kind), value=keys["value"].text(PATH, A_PATH))


def is_object(value: Value) -> bool:
    """Whether it is said by an object, which may be JSON text; and not by a text alone."""
    return isinstance(value.seen, Mapping) or (isinstance(value.seen, str) and value.seen.lstrip().startswith("{"))


def _expression(value: Value, pattern: str, what: str) -> str:
    """A regular expression (RE2) for ``what``."""
    accepted = f"a regular expression (RE2) for {what}"
    text = value.text(pattern, accepted)
    if found := re.search(NOT_IN_RE2, text):
        raise value.error(f"{accepted}, which knows no {found[2]}")
    try:
        re.compile(text)
    except re.error as error:
        # RE2 has more than Python: what is not plainly broken is the proxy's to judge.
        if error.msg.startswith(BROKEN):
            raise value.error(f"{accepted} ({error})") from error
    return text


def _method(value: Value, protocol: str) -> str:
    if protocol == "GRPC":
        return value.text(GRPC_METHOD, "SERVICE or SERVICE/METHOD, such as shop.Orders/Get")
    return value.choice(*METHODS)


def _values(value: Value, what: str, pattern: str) -> dict[str, ValueMatch]:
    """Exact values as text, or type and value."""

    def match(entry: Value) -> ValueMatch:
        if not is_object(entry):
            return ValueMatch(
                value=entry.text(
                    pattern, f"the exact value of the {what}, in quotes where it is a number, true or false"
                )
            )
        keys = entry.keys("type", "value")
        if keys["type"].choice("Exact", "RegularExpression", default="Exact") == "RegularExpression":
            return ValueMatch(
                type="RegularExpression", value=_expression(keys["value"], pattern, f"the {what}'s value")
            )
        return ValueMatch(value=keys["value"].text(pattern, f"the value of the {what}"))

    return _named(value, what, match)


def _named(value: Value, what: str, read: Callable[[Value], Any]) -> dict[str, Any]:
    found = {}
    entries = value.entries(f"an object of {what}s by name")
    if len(entries) > MOST:
        raise value.error(f"{MOST} {what}s or fewer")
    for name, entry in entries.items():
        found[Value(entry.path, name).text(HEADER, f"the name of a {what}")] = read(entry)
        # A header's name is the same in capitals, a parameter's is not.
        if what == "header" and name.lower() in {other.lower() for other in found if other != name}:
            raise Value(entry.path, name).error("a header that no other key names, in capitals or not")
    return found


def _header_filter(value: Value) -> HeaderFilter | None:
    if not value.is_set:
        return None
    keys = value.keys("set", "add", "remove")
    found = HeaderFilter(
        set=_named(keys["set"], "header", _header_value),
        add=_named(keys["add"], "header", _header_value),
        remove=tuple(
            dict.fromkeys(
                item.text(HEADER, "the name of a header") for item in keys["remove"].items("a list of headers")
            )
        ),
    )
    if len(found.remove) > MOST:
        raise keys["remove"].error(f"{MOST} headers or fewer")
    if found == HeaderFilter():
        raise value.error("one of set: {NAME: VALUE}, add: {NAME: VALUE} and remove: [NAME]")
    return found


def _header_value(value: Value) -> str:
    return value.text(HEADER_VALUE, "the header's value, in quotes where it is a number, true or false")


def _rewrite(value: Value) -> UrlRewrite | None:
    if not value.is_set:
        return None
    keys = value.keys("hostname", "replacePrefixMatch", "replaceFullPath")
    _refuse_two_paths(keys)
    found = UrlRewrite(
        hostname=_hostname(keys["hostname"]),
        replace_prefix_match=keys["replacePrefixMatch"].text(PATH, A_PATH, default=""),
        replace_full_path=keys["replaceFullPath"].text(PATH, A_PATH, default=""),
    )
    if found == UrlRewrite():
        raise value.error("one of hostname, replacePrefixMatch and replaceFullPath")
    return found


def _redirect(value: Value) -> Redirect | None:
    if not value.is_set:
        return None
    keys = value.keys("scheme", "hostname", "port", "statusCode", "replacePrefixMatch", "replaceFullPath")
    _refuse_two_paths(keys)
    found = Redirect(
        scheme=cast(Any, keys["scheme"].choice("http", "https", default="")),
        hostname=_hostname(keys["hostname"]),
        port=keys["port"].port(default=0),
        # The two that every release of the Gateway API knows.
        status_code=keys["statusCode"].integer("an HTTP status", least=301, most=302, default=302),
        replace_prefix_match=keys["replacePrefixMatch"].text(PATH, A_PATH, default=""),
        replace_full_path=keys["replaceFullPath"].text(PATH, A_PATH, default=""),
    )
    if replace(found, status_code=302) == Redirect():
        raise value.error("one of scheme, hostname, port, replacePrefixMatch and replaceFullPath")
    return found


def _refuse_two_paths(keys: Mapping[str, Value]) -> None:
    if keys["replacePrefixMatch"].is_set and keys["replaceFullPath"].is_set:
        raise keys["replaceFullPath"].error("replacePrefixMatch or replaceFullPath, not both")


def _hostname(value: Value) -> str:
    return value.text(DNS_NAME, "a DNS name such as orders.internal", default="")
