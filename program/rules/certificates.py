"""Whether what is to issue certificates is in the cluster: pure rules."""

import pulumi

from components.security.gateway_certificate import CertificateSource, CertManager
from program.exposed import exposed
from program.lookup import Cluster
from program.settings import Settings


def refuse_missing_cert_manager(settings: Settings, cluster: Cluster) -> None:
    """Refuse certificates of cert-manager's in a cluster without it.

    Raises:
        pulumi.RunError: names the key and what to do.
    """
    asked: list[tuple[str, CertificateSource | None]] = [("security.tls", settings.security.tls)]
    for each in exposed(settings.services):
        asked += [(f"{each.path}.tls", source) for source in (each.expose.tls or {}).values()]
    for key, source in asked:
        if isinstance(source, CertManager) and cluster.identity and not cluster.cert_manager:
            raise pulumi.RunError(
                f"{key}.certManager is set, and the cluster has no CRD certificates.cert-manager.io: install "
                "cert-manager (https://cert-manager.io/docs/installation/) with its Gateway API support, or set "
                f"{key}.selfSigned or {key}.secret"
            )
