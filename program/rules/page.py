"""Whether Bookinfo's page can be asked for when the mesh is checked: pure rules."""

from components.workloads.bookinfo import GATEWAY, SHOWN
from program.lookup import Cluster
from program.settings import Settings


def is_open(cluster: Cluster) -> bool:
    """Whether nothing that this update removes can refuse the page while the mesh is checked, before it is removed."""
    return not cluster.leaving


def warnings(settings: Settings, cluster: Cluster) -> list[str]:
    """A warning where the mesh's check would like to ask for the page and cannot."""
    config = settings.security
    if not (settings.mesh_check_http and settings.bookinfo):
        return []
    if config.asks_token(gateway=GATEWAY) or config.asks_token(service=SHOWN):
        return ["Bookinfo's page is not asked for when the mesh is checked, as security.jwt asks for a token"]
    if config.guards(gateway=GATEWAY) or config.guards(service=SHOWN):
        return [
            "Bookinfo's page is not asked for when the mesh is checked, as security.policies say who may ask for it"
        ]
    if not is_open(cluster):
        return [
            f"Bookinfo's page is not asked for when the mesh is checked: {', '.join(map(str, cluster.leaving))} may "
            "refuse it until the end of this update, which removes them; the next one asks for it"
        ]
    if config.refuses_strangers and settings.page_is_faulty:
        return [
            "Bookinfo's page is not asked for when the mesh is checked: only the Gateway may ask for it, where "
            "traffic.productpage.fault makes it fail"
        ]
    return []
