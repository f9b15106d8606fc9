"""Every version this project pins, and which versions of Istio, Kubernetes and Gateway API go together.

Pure data and rules: no Pulumi, no input or output.

Sources, to be followed when a release is added; docs/supply.md says which row is from where:

* Kubernetes range and end of life: ``data/compatibility/supportStatus.yml`` of istio/istio.io, which is the table
  of https://istio.io/latest/docs/releases/supported-releases/.
* Gateway API: the version of ``sigs.k8s.io/gateway-api`` in the ``go.mod`` of istio/istio's release branch.
* Kiali: the chart's version in ``manifests/addons/gen.sh`` of the same branch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, order=True)
class Version:
    """A release ``[v]MAJOR.MINOR.PATCH``. A pre-release or build suffix is dropped: it changes no rule here."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1.23.0`` or ``v1.30.0``.

        Raises:
            ValueError: ``text`` is neither.
        """
        match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)([-+].*)?", text)
        if match is None:
            raise ValueError(f"{text!r} is no version like 1.23.0 or v1.30.0")
        major, minor, patch = (int(part) for part in match.groups()[:3])
        return cls(major, minor, patch)

    @property
    def line(self) -> str:
        """The release line, ``1.23``."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, kw_only=True)
class IstioLine:
    """One row of Istio's support table.

    Attributes:
        line: Istio's release line, ``1.23``.
        kubernetes: first and last Kubernetes 1.x minor that Istio supports with it.
        gateway_api: the Gateway API release it is built with; older CRDs lack kinds and fields that it watches.
        kiali: the version of Kiali's chart that the line is released with.
        end_of_life: as Istio's table gives it; empty while the line is supported.
    """

    line: str
    kubernetes: tuple[int, int]
    gateway_api: Version
    kiali: str
    end_of_life: str = ""

    @property
    def minor(self) -> int:
        """The line's second number."""
        return int(self.line.partition(".")[2])


ISTIO_LINES: dict[str, IstioLine] = {
    row.line: row
    for row in (
        IstioLine(
            line="1.23", kubernetes=(27, 30), gateway_api=Version(1, 1), kiali="1.87.0", end_of_life="April 2025"
        ),
        IstioLine(line="1.24", kubernetes=(28, 31), gateway_api=Version(1, 2), kiali="2.0.0", end_of_life="June 2025"),
        IstioLine(
            line="1.25", kubernetes=(29, 32), gateway_api=Version(1, 2, 1), kiali="2.5.0", end_of_life="September 2025"
        ),
        IstioLine(
            line="1.26", kubernetes=(29, 33), gateway_api=Version(1, 3), kiali="2.8.0", end_of_life="December 2025"
        ),
        IstioLine(
            line="1.27", kubernetes=(29, 33), gateway_api=Version(1, 3), kiali="2.12.0", end_of_life="April 2026"
        ),
        IstioLine(line="1.28", kubernetes=(30, 34), gateway_api=Version(1, 4), kiali="2.17.0", end_of_life="July 2026"),
        IstioLine(
            line="1.29", kubernetes=(31, 35), gateway_api=Version(1, 4), kiali="2.21.0", end_of_life="October 2026"
        ),
        IstioLine(line="1.30", kubernetes=(32, 36), gateway_api=Version(1, 5, 1), kiali="2.26.0"),
        IstioLine(line="1.31", kubernetes=(32, 36), gateway_api=Version(1, 6), kiali="2.27.0"),
    )
}

NEWEST = list(ISTIO_LINES.values())[-1]

# Gateway API's own floors. 1.5: TLSRoute's CEL rules need Kubernetes 1.31 (its changelog). 1.6: its CRDs are tested on
# 1.32 and later (.github/workflows/crd-validation.yml).
GATEWAY_API_KUBERNETES_FLOOR = ((Version(1, 6), 32), (Version(1, 5), 31))
# From there on a release brings a ValidatingAdmissionPolicy that refuses every CRD of an earlier line.
GATEWAY_API_GUARDED = Version(1, 5)


def line_of(istio: Version) -> IstioLine | None:
    """The table's row for a version of Istio; the newest one for what is newer than the table, None for what is older.

    A release is not to be refused because it is younger than this file.
    """
    return NEWEST if istio > Version(1, NEWEST.minor, 0) else ISTIO_LINES.get(istio.line)


def uncertainties(*, istio: Version, kubernetes: Version) -> list[str]:
    """What the table is too old to know of; each entry says what was taken for granted."""
    found = []
    if istio.line not in ISTIO_LINES and line_of(istio):
        found.append(
            f"Istio {istio} is newer than this program's table, which ends with {NEWEST.line}: it is taken to need "
            f"what {NEWEST.line} does. https://istio.io/latest/docs/releases/supported-releases/ says what it needs"
        )
    if line_of(istio) is NEWEST and kubernetes.major == 1 and kubernetes.minor > NEWEST.kubernetes[1]:
        found.append(
            f"Kubernetes {kubernetes} is newer than this program's table, which ends with 1.{NEWEST.kubernetes[1]}: "
            "https://istio.io/latest/docs/releases/supported-releases/ says whether Istio supports it by now"
        )
    return found


def incompatibilities(*, istio: Version, kubernetes: Version, gateway_api: Version) -> list[str]:
    """What speaks against running these three together; each entry is a sentence that says what to change."""
    row = line_of(istio)
    if row is None:
        known = ", ".join(ISTIO_LINES)
        return [f"istioVersion {istio} is of no release line in versions.py: choose one of {known}, or a newer one"]
    found = []
    first, last = row.kubernetes
    newer_than_known = row is NEWEST and kubernetes.minor > last
    if kubernetes.major != 1 or not (first <= kubernetes.minor <= last or newer_than_known):
        fitting = [line for line, r in ISTIO_LINES.items() if r.kubernetes[0] <= kubernetes.minor <= r.kubernetes[1]]
        other = f", or set istioVersion to one of {', '.join(fitting)}" if fitting else ""
        found.append(
            f"Istio {istio} supports Kubernetes 1.{first} to 1.{last}, not {kubernetes}: "
            f"use such a cluster (kubernetesVersion, where minikube starts it){other}"
        )
    if gateway_api < row.gateway_api:
        found.append(
            f"Istio {istio} is built with Gateway API v{row.gateway_api}, which v{gateway_api} is older than: "
            f"set gatewayApiVersion to v{row.gateway_api} or newer"
        )
    for release, floor in GATEWAY_API_KUBERNETES_FLOOR:
        if gateway_api >= release and kubernetes.minor < floor:
            found.append(
                f"Gateway API v{gateway_api} needs Kubernetes 1.{floor} or newer, not {kubernetes}: "
                f"set gatewayApiVersion to one before v{release}"
            )
            break
    return found


def _between(first: Version, last: Version) -> list[str]:
    """The lines between two versions, which Istio numbers without a gap; none where the table begins after them."""
    if first.line not in ISTIO_LINES and not line_of(first):
        return []
    return [f"1.{minor}" for minor in range(first.minor + 1, last.minor)]


def upgrade_problems(*, running: Version, wanted: Version) -> list[str]:
    """What speaks against replacing istiod ``running`` in place by ``wanted``; each entry says which path to take.

    Source: https://istio.io/latest/docs/setup/upgrade/in-place/ (one minor release at a time).
    """
    if wanted < running:
        return [
            f"Istio {running} runs, and an older istiod does not understand what a newer one and its CRDs have stored: "
            f"set istioVersion to {running} or newer, or destroy the stack first"
        ]
    path = _between(running, wanted)
    if not path:
        return []
    return [
        f"Istio {running} runs, and an in-place upgrade goes one minor release at a time: run `up` with istioVersion "
        f"of {', then '.join([*path, wanted.line])}"
    ]


def gateway_api_problems(*, running: Version, wanted: Version) -> list[str]:
    """What speaks against replacing this stack's own Gateway API CRDs ``running`` by ``wanted``."""
    if (
        wanted >= running
        or running < GATEWAY_API_GUARDED
        or (wanted.major, wanted.minor) == (running.major, running.minor)
    ):
        return []
    return [
        f"Gateway API v{running} is there, and its policy safe-upgrades.gateway.networking.k8s.io refuses CRDs of an "
        f"earlier line: set gatewayApiVersion to v{running} or newer, or destroy the stack first"
    ]


# Istio tests upgrades by revision over two minor releases at most.
SIDE_BY_SIDE = 2


def canary_problems(revisions: Mapping[str, Version]) -> list[str]:
    """What speaks against control planes of these versions side by side; each entry says which path to take.

    Source: https://istio.io/latest/docs/setup/upgrade/ ("more than two minor versions in one step").
    """
    known = sorted((version, name) for name, version in revisions.items() if line_of(version))
    if not known:
        return []
    (oldest, first), (newest, last) = known[0], known[-1]
    between = _between(oldest, newest)
    if len(between) < SIDE_BY_SIDE:
        return []
    return [
        f"revisions {first} ({oldest}) and {last} ({newest}) are {len(between) + 1} minor releases apart, and side by "
        f"side Istio supports {SIDE_BY_SIDE} at most: go by a revision of {between[SIDE_BY_SIDE - 1]}"
    ]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Helm chart: its name, its version, and its repository, an address or a folder that holds NAME-VERSION.tgz."""

    name: str
    version: str
    repository: str

    @property
    def file(self) -> str:
        """The archive's name."""
        return f"{self.name}-{self.version}.tgz"


# Prometheus as manifests/addons/gen.sh of istio/istio 1.30 and 1.31 has it; Kiali goes with one line of Istio, see
# addon_chart. Grafana's chart is kept by grafana-community since January 2026, with all of its versions; the repository
# that it was in is frozen: https://github.com/grafana/helm-charts/issues/4087
# Jaeger, for which Istio takes no chart, is of the line that is maintained: version 1 ended in December 2025. Each runs
# on Kubernetes 1.27 and later.
ADDON_CHARTS: dict[str, Chart] = {
    chart_of: Chart(name=name, version=version, repository=repository)
    for chart_of, name, version, repository in (
        ("prometheus", "prometheus", "28.13.0", "https://prometheus-community.github.io/helm-charts"),
        ("grafana", "grafana", "12.11.1", "https://grafana-community.github.io/helm-charts"),
        ("jaeger", "jaeger", "4.11.1", "https://jaegertracing.github.io/helm-charts"),
        ("kiali", "kiali-server", NEWEST.kiali, "https://kiali.org/helm-charts"),
    )
}


def addon_chart(addon: str, istio: Version) -> Chart:
    """An addon's chart beside a version of Istio: Kiali is the one that Istio's line is released with.

    Source: https://kiali.io/docs/installation/installation-guide/prerequisites/#version-compatibility
    """
    row = line_of(istio)
    return replace(ADDON_CHARTS[addon], version=row.kiali) if addon == "kiali" and row else ADDON_CHARTS[addon]


# What their pods run, as the charts name it, with the values that this program gives them.
ADDON_IMAGES: dict[str, tuple[str, ...]] = {
    "prometheus": ("quay.io/prometheus/prometheus", "quay.io/prometheus-operator/prometheus-config-reloader"),
    "grafana": ("docker.io/grafana/grafana", "docker.io/curlimages/curl"),
    "jaeger": ("docker.io/jaegertracing/jaeger",),
    "kiali": ("quay.io/kiali/kiali",),
}

# Istio's dashboards on https://grafana.com/orgs/istio/dashboards; a release of Istio adds the same revision to each.
# 188 is of 1.20.0 and 259 of 1.26.1; their queries name metrics that have not changed since 1.20.
ISTIO_DASHBOARDS: dict[str, int] = {
    "istio-mesh": 7639,
    "istio-service": 7636,
    "istio-workload": 7630,
    "istio-performance": 11829,
    "istio-control-plane": 7645,
}
ISTIO_DASHBOARDS_REVISION = 225
