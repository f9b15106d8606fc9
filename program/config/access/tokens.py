"""Reads which JSON Web Tokens are good, and where they are looked at: the config key ``security.jwt``."""

from collections.abc import Collection, Mapping
from json import dumps
from typing import Any

from components.security.ingress_jwt import Jwt
from program.config.kubernetes.shapes import Fields, listed, text
from program.config.values import Value

JWKS = "the issuer's keys as an object, such as {keys: [{kty: RSA, ...}]}"
NAME = text("a name, such as token", r"\S+")
NOWHERE = "nothing while bookinfo is false, as there is no Gateway then; or gateways or services that look at tokens"
SERVICES = "a list of services that look at tokens themselves"
CLAIM_TO_HEADER = Fields(
    fields={
        # As Istio itself has it: https://istio.io/latest/docs/tasks/security/authentication/claim-to-header/
        "header": text("the name of a header, such as x-user", r"[-_A-Za-z0-9]+"),
        "claim": text("the name of a claim, such as sub, or NAME.NAME of a nested one", r"\S+"),
    },
    needs=("header", "claim"),
)
FROM_HEADER = Fields(
    fields={"name": text("the name of a header, such as x-token", r"[-_A-Za-z0-9]+"), "prefix": text()}, needs=("name",)
)
ISSUER = (
    *("issuer", "jwksUri", "jwks", "audiences", "forwardOriginalToken", "outputClaimToHeaders"),
    *("outputPayloadToHeader", "fromHeaders", "fromParams", "fromCookies", "timeout"),
)
# A switch that can be tried before it is thrown.
DRY_RUN = "dry-run"


def enforcement(value: Value, *, default: bool) -> tuple[bool, bool]:
    """Whether something is asked for, and whether as a dry run, which only tells what would be denied."""
    if isinstance(value.seen, bool):
        return value.seen, False
    word = value.choice("true", "false", DRY_RUN, default=str(default).lower())
    return word != "false", word == DRY_RUN


def read(
    value: Value, *, default: Collection[str], gateways: Collection[str], services: Collection[str]
) -> dict[str, Any]:
    """What ``SecurityConfig`` has of tokens.

    Args:
        value: the object ``security.jwt``.
        default: the gateways that look at them where nothing is said.
        gateways: those that can.
        services: the services that can.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    keys = value.keys(*ISSUER, "issuers", "required", "gateways", "services")
    wanted = [key for key in ISSUER if keys[key].is_set]
    if keys["issuers"].is_set and wanted:
        raise keys[wanted[0]].error("this key in an entry of issuers, as they are listed")
    items = keys["issuers"].items("a list of issuers")
    if keys["issuers"].is_set and not items:
        raise keys["issuers"].error("one issuer or more")
    issuers = [_issuer(item.keys(*ISSUER)) for item in items] or [_issuer(keys)]
    for index, issuer in enumerate(issuers):
        if issuer.issuer in [other.issuer for other in issuers[:index]]:
            raise items[index].below(".issuer", issuer.issuer).error("an issuer that no other entry has")
    required, dry_run = enforcement(keys["required"], default=True)
    known = f"one of this stack's gateways: {', '.join(gateways)}"
    said = [item.choice(*gateways, accepted=known) for item in keys["gateways"].items("a list of gateways")]
    looking = said if keys["gateways"].is_set else default
    if not looking and not keys["services"].is_set:
        raise value.error(NOWHERE)
    return {
        "jwt": issuers[0],
        "other_issuers": tuple(issuers[1:]),
        "jwt_required": required,
        "jwt_dry_run": dry_run,
        "jwt_services": _services(keys["services"], issuers, gateway=bool(looking), known=services),
        "jwt_gateways": tuple(dict.fromkeys(said)) if keys["gateways"].is_set else None,
    }


def _services(value: Value, issuers: Collection[Jwt], *, gateway: bool, known: Collection[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(item.choice(*known, accepted=_one_of(known)) for item in value.items(SERVICES)))
    kept = [issuer.issuer for issuer in issuers if not issuer.forward_original_token]
    if names and gateway and kept:
        raise value.error(
            f"services together with forwardOriginalToken: true of {', '.join(kept)}, as the Gateway else removes the "
            "token before a service sees it"
        )
    return names


def _one_of(known: Collection[str]) -> str:
    return f"one of this stack's services over HTTP: {', '.join(known) or 'it has none'}"


def _issuer(keys: dict[str, Value]) -> Jwt:
    issuer = keys["issuer"].text(r"\S+", "the tokens' issuer, such as https://accounts.example.com")
    if keys["jwksUri"].is_set == keys["jwks"].is_set:
        raise keys["jwksUri"].error("the address of the issuer's keys, or jwks with the keys themselves; not both")
    jwks = keys["jwks"].mapping(JWKS)
    listed_keys = jwks.get("keys") if isinstance(jwks.get("keys"), list) else []
    if keys["jwks"].is_set and not (listed_keys and all(isinstance(key, Mapping) for key in listed_keys)):
        raise keys["jwks"].error(JWKS)
    claims = listed(CLAIM_TO_HEADER, "a list such as [{header: x-user, claim: sub}]")(keys["outputClaimToHeaders"])
    headers = listed(FROM_HEADER, "a list such as [{name: x-token, prefix: 'Token '}]")(keys["fromHeaders"])
    for key, name, found in (("outputClaimToHeaders", "header", claims), ("fromHeaders", "name", headers)):
        for index, each in enumerate(found):
            if each[name].lower() in [other[name].lower() for other in found[:index]]:
                raise keys[key].below(f"[{index}].{name}", each[name]).error("a header that no other entry has")
    return Jwt(
        issuer=issuer,
        jwks_uri=keys["jwksUri"].text(r"https?://[^\s/]\S*", "an address from http:// or https://", default=""),
        # In one order: the Pulumi CLI sorts keys that the stack's file has in another.
        jwks=dumps(jwks, sort_keys=True) if jwks else "",
        audiences=tuple(item.text(r"\S+", "an audience") for item in keys["audiences"].items("a list of audiences")),
        forward_original_token=keys["forwardOriginalToken"].boolean(default=False),
        output_claim_to_headers={each["header"]: each["claim"] for each in claims},
        output_payload_to_header=keys["outputPayloadToHeader"].text(
            r"[-_A-Za-z0-9]+", "the name of a header, such as x-token-payload", default=""
        ),
        from_headers={each["name"]: each.get("prefix", "") for each in headers},
        from_params=tuple(listed(NAME, "a list of query parameters")(keys["fromParams"])),
        from_cookies=tuple(listed(NAME, "a list of cookies")(keys["fromCookies"])),
        timeout=keys["timeout"].duration(default=""),
    )
