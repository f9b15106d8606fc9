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


def policy(name: str) -> Object:
    return Object(api_version="security.istio.io/v1", kind="AuthorizationPolicy", namespace="default", name=name)


READERS = {"service": "reviews", "rules": []}
DEMAND = policy("bookinfo-gateway-require-token")


@pytest.fixture
def guarded(server: FakeApi, existing: Settings) -> Settings:  # noqa: F811 fixtures
    """A cluster where the stack once said who may ask for what, and others say it too."""
    said = {"labels": {"istio-minikube/policy": "true"}, **OURS}
    tried = {"annotations": {"istio.io/dry-run": "true"}, **said}
    # What the Gateway alone gets through is no hindrance, as the check asks for the page there.
    policies = {
        DEMAND.name: OURS,
        "readers": said,
        "tried-dry-run": tried,
        "deny-by-default": OURS,
        "allow-productpage": OURS,
    }
    server.answer(POLICIES, items({**policies, "another-programs": OURS, "theirs": {**said, **by("kubectl")}}))
    return replace(existing, bookinfo=True, mesh_check_http=True)


@pytest.mark.usefixtures("server")
def test_what_the_stack_no_longer_has_is_still_in_force(guarded: Settings) -> None:
    assert look_up(guarded, OWNER).leaving == (DEMAND, policy("readers"))


def test_what_the_stack_keeps_is_not_leaving(guarded: Settings) -> None:
    jwt = {"issuer": "me", "jwksUri": "https://me.example/keys"}
    config = {"jwt": jwt, "policies": {"readers": READERS}}
    kept = replace(guarded, security=loaded(security=json.dumps(config)).security)
    assert look_up(kept, OWNER).leaving == ()


def test_a_denial_without_the_pages_allowance_is_in_the_way_of_a_page_that_comes_back(
    guarded: Settings,
    server: FakeApi,  # noqa: F811 fixtures
) -> None:
    server.answer(POLICIES, items({"deny-by-default": OURS, "allow-orders": OURS}))
    assert look_up(guarded, OWNER).leaving == (policy("deny-by-default"),)
    declared = replace(guarded, security=loaded(security='{"authorization": true}').security)
    assert look_up(declared, OWNER).leaving == ()


@pytest.mark.parametrize("switch", ["bookinfo", "mesh_check_http"])
def test_nothing_is_asked_where_no_page_is(guarded: Settings, server: FakeApi, switch: str) -> None:  # noqa: F811
    changes: dict[str, Any] = {switch: False}
    assert look_up(replace(guarded, **changes), OWNER).leaving == ()
    assert POLICIES not in [request.path for request in server.requests]


def test_the_page_is_not_asked_for_until_it_is_gone_and_that_is_said(run: Run) -> None:
    found = Cluster(leaving=(DEMAND,))
    (warning,) = warnings(loaded(meshCheckHttp="true"), found)
    assert warning.startswith(
        f"Bookinfo's page is not asked for when the mesh is checked: {DEMAND} may refuse it until"
    )
    asked = [
        '"pages": []' not in run(cluster=cluster, meshCheckHttp="true").inputs("mesh-check-command")["stdin"]
        for cluster in (Cluster(), found)
    ]
    assert asked == [True, False]
