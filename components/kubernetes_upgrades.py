"""Which Kubernetes a cluster can be upgraded to in place. Pure rules: no Pulumi, no input or output."""

from .versions import ISTIO_LINES, Version


def problems(*, running: Version, wanted: Version) -> list[str]:
    """What speaks against upgrading a cluster in place; each entry says which path to take.

    Source: https://kubernetes.io/releases/version-skew-policy/ (API servers go one minor release at a time).
    """
    if wanted < running:
        return [
            f"Kubernetes {running} runs, and cannot become an older one in place: set kubernetesVersion to v{running} "
            "or newer, or have the cluster created again"
        ]
    if wanted.minor - running.minor > 1 or wanted.major != running.major:
        path = [f"{running.major}.{minor}" for minor in range(running.minor + 1, wanted.minor + 1)]
        return [
            f"Kubernetes {running} runs, and is upgraded one minor release at a time: run `up` with kubernetesVersion "
            f"of {', then '.join(path)}"
        ]
    return []


def outgrown(*, istio: Version, running: Version | None, wanted: Version) -> list[str]:
    """What speaks against upgrading Kubernetes under an istiod that runs; each entry says what to upgrade first."""
    row = ISTIO_LINES.get(istio.line)
    if row is None or running is None or wanted <= running or wanted.minor <= row.kubernetes[1]:
        return []
    return [
        f"Istio {istio} runs, which supports Kubernetes up to 1.{row.kubernetes[1]}: upgrade Istio first, and set "
        f"kubernetesVersion to v{wanted} after that"
    ]
