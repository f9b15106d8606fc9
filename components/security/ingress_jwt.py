"""JSON Web Tokens at the entrance of the mesh, or of a service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.exposure import HTTP_PORT
from .policy import DRY_RUN, Workload, policy_name, target

API_VERSION = "security.istio.io/v1"


@dataclass(frozen=True, kw_only=True)
class Jwt:
    """Which tokens of one issuer are good, where they are looked for, and what becomes of them.

    Attributes:
        issuer: the claim ``iss``.
        jwks_uri: address of the issuer's keys, which istiod fetches; empty when ``jwks`` is given.
        jwks: the issuer's keys themselves, a JSON text; empty when ``jwks_uri`` is given.
        audiences: one of them must be in the claim ``aud``; none takes any.
        forward_original_token: whether the token goes on with the request; else it is removed once it was looked at.
        output_claim_to_headers: header -> the claim whose value it carries on, NAME or NAME.NAME of a nested one.
        output_payload_to_header: the header that carries the claims on, in base64url; empty for none.
        from_headers: header -> what stands before the token in it; empty for ``Authorization: Bearer`` alone.
        from_params: names of query parameters that may hold the token.
        from_cookies: names of cookies that may hold the token.
        timeout: how long the issuer has to answer with its keys, a duration; empty for Istio's own.
    """

    issuer: str
    jwks_uri: str = ""
    jwks: str = ""
    audiences: tuple[str, ...] = ()
    forward_original_token: bool = False
    output_claim_to_headers: Mapping[str, str] = field(default_factory=dict)
    output_payload_to_header: str = ""
    from_headers: Mapping[str, str] = field(default_factory=dict)
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    timeout: str = ""


@dataclass(frozen=True, kw_only=True)
class IngressJwtArgs:
    """Whom to ask for which token.

    Attributes:
        namespace: the Gateway's namespace.
        gateway: the Gateway's name.
        port: the port that its pods listen on.
        jwt: which tokens are good.
        other_issuers: which tokens of other issuers are good.
        required: whether a request without a token is denied.
        dry_run: whether that denial is evaluated, counted and logged, and not enforced.
        workload: the pods of a service that look at tokens in the place of the Gateway's, which is then the name of
            the objects alone; None for the Gateway's.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.

    Source: https://istio.io/latest/docs/reference/config/security/request_authentication/ and, for the demand,
    https://istio.io/latest/docs/tasks/security/authentication/authn-policy/#require-a-valid-token
    """

    namespace: pulumi.Input[str]
    gateway: str
    port: int = HTTP_PORT
    jwt: Jwt
    other_issuers: Sequence[Jwt] = ()
    required: bool = True
    dry_run: bool = False
    workload: Workload | None = None
    requires: Sequence[pulumi.Resource] = ()


def require_token_name(gateway: str) -> str:
    """The name of the policy that asks for a token at all."""
    return f"{gateway}-require-token"


def jwt_rule(jwt: Jwt) -> dict[str, Any]:
    """One issuer's rule, in Istio's own spelling."""
    rule = {
        "issuer": jwt.issuer,
        "jwksUri": jwt.jwks_uri,
        "jwks": jwt.jwks,
        "audiences": list(jwt.audiences),
        "forwardOriginalToken": jwt.forward_original_token,
        "outputClaimToHeaders": [
            {"header": header, "claim": claim} for header, claim in jwt.output_claim_to_headers.items()
        ],
        "outputPayloadToHeader": jwt.output_payload_to_header,
        "fromHeaders": [
            {"name": name, **({"prefix": prefix} if prefix else {})} for name, prefix in jwt.from_headers.items()
        ],
        "fromParams": list(jwt.from_params),
        "fromCookies": list(jwt.from_cookies),
        "timeout": jwt.timeout,
    }
    return {key: value for key, value in rule.items() if value}


def request_authentication_spec(gateway: str, *issuers: Jwt, workload: Workload | None = None) -> dict[str, Any]:
    """Refuses a bad token with 401 (403 for another audience), and lets a request without any pass."""
    return {**target(workload, gateway), "jwtRules": [jwt_rule(issuer) for issuer in issuers]}


def require_token_spec(gateway: str, *ports: int, workload: Workload | None = None) -> dict[str, Any]:
    """Refuses with 403 what came to one of ``ports`` without a token. A denial: it holds beside any other policy.

    Without its port it would be said of plain TCP too: https://istio.io/latest/docs/reference/config/analysis/ist0133/
    """
    rule: dict[str, Any] = {"from": [{"source": {"notRequestPrincipals": ["*"]}}]}
    if ports:
        rule["to"] = [{"operation": {"ports": [str(port) for port in ports]}}]
    return {**target(workload, gateway), "action": "DENY", "rules": [rule]}


class IngressJwt(pulumi.ComponentResource):
    """Requests from outside must carry a good token: 401 for a bad one, 403 for none.

    Example:
        IngressJwt(
            "jwt",
            IngressJwtArgs(
                namespace=shop.namespace,
                gateway="bookinfo-gateway",
                jwt=Jwt(issuer="https://id.example", jwks_uri="https://id.example/keys"),
                requires=[istio],
            ),
            in_cluster,
        )
    """

    def __init__(self, name: str, args: IngressJwtArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("istio-minikube:components:IngressJwt", name, None, opts)
        authentication = k8s.apiextensions.CustomResource(
            f"{name}-request-authentication",
            api_version=API_VERSION,
            kind="RequestAuthentication",
            metadata={"name": args.gateway, "namespace": args.namespace},
            spec=request_authentication_spec(args.gateway, args.jwt, *args.other_issuers, workload=args.workload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        ports = args.workload.http_ports if args.workload else [args.port]
        if args.required:
            k8s.apiextensions.CustomResource(
                policy_name(f"{name}-require-token", dry_run=args.dry_run),
                api_version=API_VERSION,
                kind="AuthorizationPolicy",
                metadata={
                    "name": policy_name(require_token_name(args.gateway), dry_run=args.dry_run),
                    "namespace": args.namespace,
                    **({"annotations": DRY_RUN} if args.dry_run else {}),
                },
                spec=require_token_spec(args.gateway, *ports, workload=args.workload),
                # Before it, no token would be looked at, and every request denied.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[authentication]),
            )
        self.register_outputs({"issuer": args.jwt.issuer})
