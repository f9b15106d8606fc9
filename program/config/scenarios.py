"""The scenarios of Istio's Bookinfo tasks, each written as the configuration of ``traffic`` that it stands for.

Source: https://istio.io/latest/docs/tasks/traffic-management/ and samples/bookinfo/{networking,gateway-api} of
istio/istio, branch release-1.23.
"""

from typing import Any

JASON = {"end-user": "jason"}
TO_V1 = {"routes": [{"subset": "v1"}]}
# Only v2 and v3 of reviews ask ratings, so whoever is to see ratings fail must be sent there.
JASON_TO_V2 = {"routes": [{"headers": JASON, "subset": "v2"}, {"subset": "v1"}]}

SCENARIOS: dict[str, dict[str, Any]] = {
    "all-v1": {"productpage": TO_V1, "reviews": TO_V1, "ratings": TO_V1, "details": TO_V1},
    "reviews-90-10": {"reviews": {"canary": {"from": "v1", "to": "v2", "percent": 10}}},
    "reviews-50-50": {"reviews": {"canary": {"from": "v1", "to": "v3", "percent": 50}}},
    "reviews-v3": {"reviews": {"routes": [{"subset": "v3"}]}},
    "jason-v2": {"reviews": JASON_TO_V2},
    "ratings-delay": {
        "reviews": JASON_TO_V2,
        "ratings": {**TO_V1, "fault": {"headers": JASON, "delay": "7s"}},
    },
    "ratings-abort": {
        "reviews": JASON_TO_V2,
        "ratings": {**TO_V1, "fault": {"headers": JASON, "abort": 500}},
    },
    "reviews-timeout": {
        "reviews": {"routes": [{"subset": "v2"}], "timeout": "500ms"},
        "ratings": {**TO_V1, "fault": {"delay": "2s"}},
    },
    "reviews-mirror": {"reviews": {**TO_V1, "mirror": {"subset": "v2"}}},
    "circuit-breaker": {
        "productpage": {
            "connectionPool": {"maxConnections": 1, "maxPendingRequests": 1, "maxRequestsPerConnection": 1},
            "outlierDetection": {
                "consecutive5xxErrors": 1,
                "interval": "1s",
                "baseEjectionTime": "3m",
                "maxEjectionPercent": 100,
            },
        }
    },
}
