"""When Bookinfo's page is not asked for as the mesh is checked, and that it is said."""

import json
from typing import Any

import pytest

from program.lookup import Cluster
from program.rules.page import warnings
from tests.unit.loading import loaded

JWT = {"issuer": "me", "jwksUri": "https://me.example/keys"}
TOKEN = ["Bookinfo's page is not asked for when the mesh is checked, as security.jwt asks for a token"]
POLICY = ["Bookinfo's page is not asked for when the mesh is checked, as security.policies say who may ask for it"]


def policy(**target: Any) -> dict[str, Any]:
    return {"policies": {"mine": {"rules": [{}], **target}}}


@pytest.mark.parametrize(
    ("security", "told"),
    [
        ({}, []),
        ({"jwt": JWT}, TOKEN),
        ({"jwt": {**JWT, "gateways": [], "services": ["productpage"]}}, TOKEN),
        (policy(gateway="bookinfo-gateway"), POLICY),
        (policy(service="productpage", action="DENY"), POLICY),
        (policy(gateway="istio-ingressgateway"), []),
        ({"authorization": "dry-run", **policy(gateway="bookinfo-gateway")}, []),
    ],
)
def test_who_may_ask_for_the_page_decides_whether_the_check_does(security: dict[str, Any], told: list[str]) -> None:
    assert warnings(loaded(security=json.dumps(security), meshCheckHttp="true"), Cluster()) == told
    assert warnings(loaded(security=json.dumps(security), meshCheckHttp="false"), Cluster()) == []
