import json
import re

import pulumi
import pytest

from components.images import chart_image_values, pinned
from tests.unit.conftest import Run
from tests.unit.loading import loaded

DIGEST = f"sha256:{'a' * 64}"
PILOT, PROXY = "docker.io/istio/pilot:1.23.0", "docker.io/istio/proxyv2:1.23.0"
RATINGS = "docker.io/istio/examples-bookinfo-ratings-v1:1.20.1"
ISTIODS = ("istio-istiod-default", "istio-istiod-1-24-6")
ORDERS = '[{"name": "orders", "image": "registry.example/orders:1.4", "port": 80}]'


def digests(*images: str) -> str:
    return "{" + ", ".join(f'"{image}": "{DIGEST}"' for image in images) + "}"


def test_an_image_with_a_digest_keeps_its_tag_and_others_stay_as_they_are() -> None:
    assert pinned(PILOT, {PILOT: DIGEST}) == f"{PILOT}@{DIGEST}"
    assert pinned(PROXY, {PILOT: DIGEST}) == PROXY


def test_istios_images_are_told_to_its_chart() -> None:
    assert chart_image_values("istiod", "1.23.0", {PILOT: DIGEST, PROXY: DIGEST, RATINGS: DIGEST}) == {
        "pilot": {"image": f"{PILOT}@{DIGEST}"},
        "global": {"proxy": {"image": f"{PROXY}@{DIGEST}"}, "proxy_init": {"image": f"{PROXY}@{DIGEST}"}},
    }
    assert chart_image_values("istiod", "1.23.0", {}) == {}


def test_control_planes_side_by_side_are_each_pinned_to_their_own_versions_images(run: Run) -> None:
    newer = "docker.io/istio/pilot:1.24.6-distroless"
    revisions = [{"name": "default", "version": "1.23.0"}, {"name": "1-24-6", "version": "1.24.6"}]
    mesh = run(revisions=json.dumps(revisions), imageDigests=digests(PILOT, newer), compatibility="warn")
    pins = {name: mesh.inputs(name)["values"]["pilot"].get("image") for name in ISTIODS}
    assert pins == {"istio-istiod-default": f"{PILOT}@{DIGEST}", "istio-istiod-1-24-6": f"{newer}@{DIGEST}"}


def test_ambients_node_agents_can_be_pinned_and_only_where_they_are(run: Run) -> None:
    cni, ztunnel = "docker.io/istio/install-cni:1.24.6", "docker.io/istio/ztunnel:1.24.6"
    pinned_ones = {"istioVersion": "1.24.6", "compatibility": "warn", "imageDigests": digests(cni, ztunnel)}
    mesh = run(dataPlane="ambient", **pinned_ones)
    pins = {name: mesh.inputs(name)["values"]["image"] for name in ("ambient-cni", "ambient-ztunnel")}
    assert pins == {"ambient-cni": f"{cni}@{DIGEST}", "ambient-ztunnel": f"{ztunnel}@{DIGEST}"}
    with pytest.raises(pulumi.RunError, match=f"it has no {cni}$"):
        loaded(**pinned_ones)


def test_pinned_images_reach_istio_bookinfo_and_services(run: Run) -> None:
    mesh = run(imageDigests=digests(PILOT, RATINGS, "registry.example/orders:1.4"), services=ORDERS)

    def image(name: str) -> str:
        return str(mesh.inputs(name)["spec"]["template"]["spec"]["containers"][0]["image"])

    assert image("bookinfo-ratings-v1") == f"{RATINGS}@{DIGEST}"
    assert "@" not in image("bookinfo-details-v1")
    assert image("service-orders-v1") == f"registry.example/orders:1.4@{DIGEST}"
    assert mesh.inputs("istio-istiod")["values"] == {
        "global": {"istioNamespace": "istio-system"},
        "pilot": {"image": f"{PILOT}@{DIGEST}"},
    }


def test_the_users_own_values_win_over_pins(run: Run) -> None:
    mesh = run(imageDigests=digests(PILOT), istioValues='{"pilot": {"image": "r.example/pilot:x"}}')
    assert mesh.inputs("istio-istiod")["values"]["pilot"]["image"] == "r.example/pilot:x"


@pytest.mark.parametrize("image", [PILOT, "r.example:5000/mirror/proxyv2:1.23.0-distroless", RATINGS])
def test_images_of_the_stack_can_be_pinned(image: str) -> None:
    assert loaded(imageDigests=digests(image)).image_digests == {image: DIGEST}


@pytest.mark.parametrize(
    "image", ["docker.io/istio/pilot:1.24.0", "docker.io/istio/pilot", "docker.io/istio/examples-bookinfo-ratings-v1"]
)
def test_an_image_that_the_stack_does_not_use_is_refused(image: str) -> None:
    told = re.escape(
        "accepted: images that the stack uses, with their tags: REGISTRY/pilot:1.23.0 and REGISTRY/proxyv2"
    )
    with pytest.raises(
        pulumi.RunError, match=rf"^config key istio-minikube:imageDigests is .*{told}.* has no {image}$"
    ):
        loaded(imageDigests=digests(image))


@pytest.mark.parametrize("value", ["latest", "a" * 64, f"sha256:{'A' * 64}", f"sha256:{'a' * 63}"])
def test_a_digest_that_is_none_is_refused(value: str) -> None:
    told = f"config key istio-minikube:imageDigests.{PILOT} is {value!r}; accepted: sha256: and 64 hexadecimal digits"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(told)}$"):
        loaded(imageDigests=f'{{"{PILOT}": "{value}"}}')
