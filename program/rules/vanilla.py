"""What upstream's Envoy, which has none of Istio's own filters, cannot do: pure rules."""

import pulumi

from program.lookup import Cluster
from program.settings import Settings


def refuse_metrics(settings: Settings, cluster: Cluster) -> None:
    """Refuse metrics of Istio's own where the proxies would refuse the configuration that asks for them.

    Raises:
        pulumi.RunError: names the key and the reason.
    """
    if settings.observability.metrics and cluster.vanilla_proxies:
        raise pulumi.RunError(
            "config key istio-minikube:observability.metrics is set, and the proxies of the embedded cluster's real "
            "node are upstream's Envoy: without Istio's filter istio.stats, which counts istio_requests_total and its "
            "like, they refuse a configuration that names it. Accepted here: no such key; the proxies of any other "
            "cluster take it"
        )
