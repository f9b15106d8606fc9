"""What the Envoy of an embedded cluster's real node cannot do."""

from dataclasses import replace
from pathlib import Path

import pulumi
import pytest

from embedded.record import RECORD
from program.lookup import Cluster
from program.preflight import plan
from program.surroundings import vanilla_proxies
from tests.unit.loading import loaded
from tests.unit.test_preflight import SETTINGS, exactly

METRICS = '{"metrics": {"disabled": ["REQUEST_SIZE"]}}'
VANILLA = Cluster(vanilla_proxies=True)


def test_metrics_of_istios_own_are_refused_with_the_reason() -> None:
    told = (
        "config key istio-minikube:observability.metrics is set, and the proxies of the embedded cluster's real node "
        "are upstream's Envoy: without Istio's filter istio.stats, which counts istio_requests_total and its like, "
        "they refuse a configuration that names it. Accepted here: no such key; the proxies of any other cluster "
        "take it"
    )
    metrics = replace(SETTINGS, observability=loaded(observability=METRICS).observability)
    with pytest.raises(pulumi.RunError, match=exactly(told)):
        plan(metrics, VANILLA)
    plan(metrics, Cluster())


@pytest.mark.parametrize("observability", ["{}", '{"accessLogs": true}'])
def test_whatever_else_is_observed_goes_with_any_envoy(observability: str) -> None:
    plan(replace(SETTINGS, observability=loaded(observability=observability).observability), VANILLA)


@pytest.mark.parametrize(
    ("mode", "node", "vanilla"),
    [
        ("embedded", "real", True),
        ("embedded", "simulated", False),
        ("embedded", "", False),
        ("existing", "real", False),
    ],
)
def test_the_record_of_the_clusters_node_tells_which_envoy_it_is(
    tmp_path: Path, mode: str, node: str, vanilla: bool
) -> None:
    (tmp_path / RECORD).write_text(node)
    settings = loaded(clusterMode=mode, kubeconfig=str(tmp_path / "kubeconfig"), context="embedded")
    assert vanilla_proxies(settings) is vanilla
