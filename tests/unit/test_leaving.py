"""What of a stack's own may still refuse Bookinfo's page while the update runs that removes it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from program.lookup import Cluster, look_up
from program.rules.foreign import Object
from program.rules.page import warnings
from program.settings import Settings
from tests.unit.conftest import Run
from tests.unit.fake_api import FakeApi
from tests.unit.loading import loaded
from tests.unit.test_lookup import (  # noqa: F401 fixtures
    NAMESPACES,
    OWNER,
    SYSTEM,
    by,
    existing,
    items,
    kubeconfig,
    server,
)

OURS = by("pulumi-kubernetes-1a2b")
POLICIES = "/apis/security.istio.io/v1/namespaces/default/authorizationpolicies"
PEERS = "/apis/security.istio.io/v1/namespaces/istio-system/peerauthentications"
NETWORK = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"


def guard(kind: str, name: str, namespace: str = "default", group: str = "security.istio.io/v1") -> Object:
    return Object(api_version=group, kind=kind, namespace=namespace, name=name)


READERS = {"service": "reviews", "rules": []}
DENIAL = guard("AuthorizationPolicy", "deny-by-default")


@pytest.fixture
def guarded(server: FakeApi, existing: Settings) -> Settings:  # noqa: F811 fixtures
    """A cluster where everything is forbidden that the stack once forbade, and some that it never has."""
    tried = {"annotations": {"istio.io/dry-run": "true"}, **OURS}
    server.answer(NAMESPACES, items({**SYSTEM, "default": {}, "istio-system": {}}))
    said = {"labels": {"istio-minikube/policy": "true"}, **OURS}
    policies = {"deny-by-default": OURS, "readers": said, "deny-by-default-dry-run": tried, "another-programs": OURS}
    server.answer(POLICIES, items({**policies, "allow-theirs": by("kubectl")}))
    server.answer(PEERS, items({"default": OURS}))
    server.answer(NETWORK, items({"mesh-isolation": OURS}))
    return replace(existing, bookinfo=True, mesh_check_http=True)


@pytest.mark.usefixtures("server")
def test_what_the_stack_no_longer_has_is_still_in_force(guarded: Settings) -> None:
    assert look_up(guarded, OWNER).leaving == (
        DENIAL,
        guard("AuthorizationPolicy", "readers"),
        guard("NetworkPolicy", "mesh-isolation", group="networking.k8s.io/v1"),
        guard("PeerAuthentication", "default", "istio-system"),
    )


def test_what_the_stack_keeps_is_not_leaving(guarded: Settings) -> None:
    config = {"mtls": {}, "authorization": True, "networkPolicies": {}, "policies": {"readers": READERS}}
    kept = replace(guarded, security=loaded(security=json.dumps(config)).security)
    assert look_up(kept, OWNER).leaving == ()


@pytest.mark.parametrize("switch", ["bookinfo", "mesh_check_http"])
def test_nothing_is_asked_where_no_page_is(guarded: Settings, server: FakeApi, switch: str) -> None:  # noqa: F811
    changes: dict[str, Any] = {switch: False}
    assert look_up(replace(guarded, **changes), OWNER).leaving == ()
    assert POLICIES not in [request.path for request in server.requests]


def test_the_page_is_not_asked_for_until_it_is_gone_and_that_is_said(run: Run) -> None:
    found = Cluster(leaving=(DENIAL,))
    (warning,) = warnings(loaded(meshCheckHttp="true"), found)
    assert warning.startswith(
        "Bookinfo's page is not asked for when the mesh is checked: AuthorizationPolicy default/deny-by-default may "
    )
    asked = [
        '"pages": []' not in run(cluster=cluster, meshCheckHttp="true").inputs("mesh-check-command")["stdin"]
        for cluster in (Cluster(), found)
    ]
    assert asked == [True, False]
