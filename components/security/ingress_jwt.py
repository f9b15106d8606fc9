"""JSON Web Tokens at the entrance of the mesh."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..workloads.exposure import HTTP_PORT, target_ref

API_VERSION = "security.istio.io/v1"


@dataclass(frozen=True, kw_only=True)
class Jwt:
    """Which tokens are good.

    Attributes:
        issuer: the claim ``iss``.
        jwks_uri: address of the issuer's keys, which istiod fetches; empty when ``jwks`` is given.
        jwks: the issuer's keys themselves, a JSON text; empty when ``jwks_uri`` is given.
        audiences: one of them must be in the claim ``aud``; none takes any.
    """

    issuer: str
    jwks_uri: str = ""
    jwks: str = ""
    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IngressJwtArgs:
    """Whom to ask for which token.

    Attributes:
        namespace: the Gateway's namespace.
        gateway: the Gateway's name.
        port: the port that its pods listen on.
        jwt: which tokens are good.
        requires: what must be there first: istiod, which brings the kinds and checks the objects.

    Source: https://istio.io/latest/docs/reference/config/security/request_authentication/ and, for the demand,
    https://istio.io/latest/docs/tasks/security/authentication/authn-policy/#require-a-valid-token
    """

    namespace: pulumi.Input[str]
    gateway: str
    port: int = HTTP_PORT
    jwt: Jwt
    requires: Sequence[pulumi.Resource] = ()


def require_token_name(gateway: str) -> str:
    """The name of the policy that asks for a token at all."""
    return f"{gateway}-require-token"


def request_authentication_spec(gateway: str, jwt: Jwt) -> dict[str, Any]:
    """Refuses a bad token with 401 (403 for another audience), and lets a request without any pass."""
    rule: dict[str, Any] = {"issuer": jwt.issuer}
    if jwt.jwks_uri:
        rule["jwksUri"] = jwt.jwks_uri
    if jwt.jwks:
        rule["jwks"] = jwt.jwks
    if jwt.audiences:
        rule["audiences"] = list(jwt.audiences)
    return {"targetRefs": [target_ref(gateway)], "jwtRules": [rule]}


def require_token_spec(gateway: str, port: int) -> dict[str, Any]:
    """Refuses with 403 what came to ``port`` without a token. A denial, so that it holds beside any other policy.

    Without its port it would be said of plain TCP too: https://istio.io/latest/docs/reference/config/analysis/ist0133/
    """
    return {
        "targetRefs": [target_ref(gateway)],
        "action": "DENY",
        "rules": [
            {
                "from": [{"source": {"notRequestPrincipals": ["*"]}}],
                "to": [{"operation": {"ports": [str(port)]}}],
            }
        ],
    }


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
            spec=request_authentication_spec(args.gateway, args.jwt),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.requires)),
        )
        k8s.apiextensions.CustomResource(
            f"{name}-require-token",
            api_version=API_VERSION,
            kind="AuthorizationPolicy",
            metadata={"name": require_token_name(args.gateway), "namespace": args.namespace},
            spec=require_token_spec(args.gateway, args.port),
            # Before it, no token would be looked at, and every request denied.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[authentication]),
        )
        self.register_outputs({"issuer": args.jwt.issuer})
