from typing import Any

import pytest

from components import AmbientDataPlane, AmbientDataPlaneArgs
from components.mesh.ambient_data_plane import chart_values
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    def declare() -> None:
        args = AmbientDataPlaneArgs(
            version="1.24.6",
            chart_repository="https://charts.example",
            namespace="istio-system",
            istiods=[something("istiod")],
            platform="minikube",
        )
        AmbientDataPlane("ambient", args)

    return compose(declare)


@pytest.mark.parametrize(
    ("resource", "name", "chart", "dependencies"),
    [
        ("ambient-cni", "istio-cni", "cni", {"istiod"}),
        ("ambient-ztunnel", "ztunnel", "ztunnel", {"istiod", "ambient-cni"}),
    ],
)
def test_each_part_is_a_release_of_istios_chart_after_what_it_needs(
    mesh: Mesh, resource: str, name: str, chart: str, dependencies: set[str]
) -> None:
    made = mesh.named(resource)
    assert (made.token, made.parent, set(made.dependencies)) == (
        "kubernetes:helm.sh/v3:Release",
        "ambient",
        dependencies,
    )
    assert made.inputs == {
        "name": name,
        "namespace": "istio-system",
        "chart": chart,
        "version": "1.24.6",
        "repositoryOpts": {"repo": "https://charts.example"},
        "values": {"profile": "ambient", "global": {"hub": "docker.io/istio", "platform": "minikube"}},
        "timeout": 600,
        "compat": "true",
    }


@pytest.mark.parametrize(
    ("platform", "values", "expected"),
    [
        ("", {}, {"profile": "ambient"}),
        ("", {"global": {"platform": "gke"}}, {"profile": "ambient", "global": {"platform": "gke"}}),
        (
            "minikube",
            {"global": {"hub": "h"}},
            {"profile": "ambient", "global": {"platform": "minikube", "hub": "h"}},
        ),
    ],
)
def test_the_platform_is_minikubes_or_what_the_users_global_values_say(
    platform: str, values: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert chart_values(platform, values) == expected
