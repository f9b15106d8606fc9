"""Every address that a stack is installed from: pure data."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.addresses import ISTIO_IMAGES
from components.gateway_api import RELEASE
from components.images import repository
from components.versions import ADDON_IMAGES
from program import supply
from program.settings import Settings

# Where Docker's registry answers: https://distribution.github.io/distribution/spec/api/
REGISTRY_HOSTS = {"docker.io": "registry-1.docker.io"}
DASHBOARDS = "https://grafana.com/api/dashboards"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Something that must answer.

    Attributes:
        url: what to ask for.
        what: what the stack has from there.
        by: who fetches it; the nodes' network may be another than this machine's.
        otherwise: what to do where it cannot be reached.
    """

    url: str
    what: str
    by: str
    otherwise: str

    @property
    def needed_here(self) -> bool:
        """Whether nothing can be installed from this machine without it."""
        return self.by == HERE


HERE, NODES, ISTIOD, GRAFANA = "this machine", "every node", "istiod", "Grafana's pod"


def addresses(settings: Settings) -> list[Address]:
    """The addresses of a stack; what a folder or its lock gives it has none."""
    return [*_charts(settings), *_gateway_api(settings), *_images(settings), *_dashboards(settings), *_keys(settings)]


def _charts(settings: Settings) -> Iterator[Address]:
    repositories: dict[tuple[str, str], list[str]] = {}
    for key, charts in (
        ("istioChartRepository", supply.istio_charts(settings)),
        ("observability.chartRepository", supply.addon_charts(settings)),
    ):
        for chart in charts:
            if "://" in chart.repository:
                repositories.setdefault((key, chart.repository), []).append(f"{chart.name} {chart.version}")
    for (key, repository_url), names in repositories.items():
        yield Address(
            url=_asked(repository_url),
            what=f"charts {', '.join(dict.fromkeys(names))}",
            by=HERE,
            otherwise=f"set {key} to a mirror (https://... or oci://...) or to a folder with the archives, or run "
            "`make vendor` where it can be reached and bring the folder vendor/ along",
        )


def _asked(chart_repository: str) -> str:
    """What a chart repository, or the registry of an OCI one, must answer."""
    if chart_repository.startswith("oci://"):
        return _registry(chart_repository.removeprefix("oci://"))
    return f"{chart_repository.rstrip('/')}/index.yaml"


def _registry(image: str) -> str:
    host = image.partition("/")[0]
    return f"https://{REGISTRY_HOSTS.get(host, host)}/v2/"


def _gateway_api(settings: Settings) -> Iterator[Address]:
    if not settings.gateway_api_manifest:
        yield Address(
            url=RELEASE.format(version=settings.gateway_api_version, channel=settings.gateway_api_channel),
            what="the Gateway API's CRDs",
            by=HERE,
            otherwise="set gatewayApiManifest to a file or folder that holds them, or run `make vendor` where it can "
            "be reached; a copy of an earlier run is kept in the user's cache",
        )


def _images(settings: Settings) -> Iterator[Address]:
    if settings.cluster_mode == "embedded":
        return  # its node has its images
    registries: dict[str, list[str]] = {}
    named = [ISTIO_IMAGES]
    named += [image for addon in settings.observability.addons for image in ADDON_IMAGES[addon]]
    named += [image for service in settings.services for image in service.images.values()]
    for image in dict.fromkeys(repository(name) for name in named):
        moved = settings.image_source.moved(image)
        registries.setdefault(_registry(moved), []).append(moved)
    for url, images in registries.items():
        yield Address(
            url=url,
            what=f"images {', '.join(images)}",
            by=NODES,
            otherwise="set imageRegistry, or imageRegistries for this one alone, to a mirror that the nodes reach",
        )


def _dashboards(settings: Settings) -> Iterator[Address]:
    if "grafana" in settings.observability.addons:
        yield Address(
            url=DASHBOARDS,
            what="Istio's dashboards in Grafana",
            by=GRAFANA,
            otherwise="give observability.values.grafana dashboards of your own (dashboards, dashboardsConfigMaps); "
            "without them the folder Istio is empty",
        )


def _keys(settings: Settings) -> Iterator[Address]:
    for uri in dict.fromkeys(issuer.jwks_uri for issuer in settings.security.issuers if issuer.jwks_uri):
        yield Address(
            url=uri,
            what="the keys of the tokens' issuer",
            by=ISTIOD,
            otherwise="give security.jwt.jwks, the keys themselves, in the place of jwksUri",
        )
