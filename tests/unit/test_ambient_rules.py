import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from program.lookup import Cluster
from program.preflight import plan
from program.rules.ambient import refuse_misfits
from tests.unit.loading import loaded

AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "istioChartRepository": "https://charts.example"}
ORDERS = {"name": "orders", "image": "shop.example/orders:1", "port": 80, "allowFrom": ["a"]}


def test_what_goes_together_passes() -> None:
    refuse_misfits(loaded(**AMBIENT, services=json.dumps([{**ORDERS, "allowFrom": []}])))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"istioVersion": "1.23.6"}, "istioVersion 1.23.6: ambient is stable from Istio 1.24 on"),
        ({"revision": "1-24-6"}, "revision 1-24-6: pods without a sidecar are injected by no revision"),
        (
            {"revisions": [{"name": "default", "version": "1.24.6"}]},
            "revisions: every node has one ztunnel, which cannot be moved namespace by namespace",
        ),
        (
            {"security": {"authorization": True}},
            "security.authorization: its rules name callers, which a waypoint hides",
        ),
        ({"services": [ORDERS]}, "allowFrom of orders: its rule names callers, which a waypoint hides"),
        ({"security": {"networkPolicies": {}}}, "security.networkPolicies: they would stop the tunnel's port 15008"),
    ],
)
def test_what_does_not_is_refused_with_the_reason(config: dict[str, Any], told: str) -> None:
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    message = f"dataPlane ambient does not go together with {told}. Unset or change that, or set dataPlane to sidecar"
    settings = loaded(**{**AMBIENT, **written})
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}$"):
        plan(settings, Cluster())
    refuse_misfits(replace(settings, data_plane="sidecar"))
