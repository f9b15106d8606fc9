import json
import re

import pulumi
import pytest

from components.images import ImageSource, chart_image_values, repository
from tests.unit.conftest import Run
from tests.unit.loading import loaded
from tests.unit.recording import Mesh

DIGEST = f"sha256:{'a' * 64}"
PILOT, PROXY = "docker.io/istio/pilot:1.23.0", "docker.io/istio/proxyv2:1.23.0"
RATINGS = "docker.io/istio/examples-bookinfo-ratings-v1:1.20.1"
ISTIODS = ("istio-istiod-default", "istio-istiod-1-24-6")
ORDERS = '[{"name": "orders", "image": "registry.example/orders:1.4", "port": 80}]'


def digests(*images: str) -> str:
    return "{" + ", ".join(f'"{image}": "{DIGEST}"' for image in images) + "}"


def test_an_image_with_a_digest_keeps_its_tag_and_others_stay_as_they_are() -> None:
    source = ImageSource(digests={PILOT: DIGEST})
    assert source.pinned(PILOT) == f"{PILOT}@{DIGEST}"
    assert source.pinned(PROXY) == PROXY


def test_istios_images_are_told_to_its_chart() -> None:
    source = ImageSource(digests={PILOT: DIGEST, PROXY: DIGEST, RATINGS: DIGEST})
    assert chart_image_values("istiod", "1.23.0", source) == {
        "pilot": {"image": f"{PILOT}@{DIGEST}"},
        "global": {
            "hub": "docker.io/istio",
            "proxy": {"image": f"{PROXY}@{DIGEST}"},
            "proxy_init": {"image": f"{PROXY}@{DIGEST}"},
        },
    }


@pytest.mark.parametrize("chart", ["istiod", "cni", "ztunnel"])
@pytest.mark.parametrize("version", ["1.23.0", "1.30.4", "1.31.1"])
def test_each_of_istios_charts_is_told_a_registry_that_stays(chart: str, version: str) -> None:
    assert chart_image_values(chart, version, ImageSource()) == {"global": {"hub": "docker.io/istio"}}


@pytest.mark.parametrize(
    ("image", "moved"),
    [
        (PILOT, "mirror.example/hub/istio/pilot:1.23.0"),
        ("quay.io/kiali/kiali", "mirror.example/hub/kiali/kiali"),
        ("nginx:1.27", "mirror.example/hub/library/nginx:1.27"),
        ("grafana/grafana:13.2.0", "mirror.example/hub/grafana/grafana:13.2.0"),
        ("registry.example/orders:1.4", "registry.example/orders:1.4"),
        ("localhost:5000/orders:1.4", "localhost:5000/orders:1.4"),
        ("mirror.example/hub/istio/pilot:1.23.0", "mirror.example/hub/istio/pilot:1.23.0"),
    ],
)
def test_a_mirror_has_what_is_public_under_the_same_path(image: str, moved: str) -> None:
    assert ImageSource(mirror="mirror.example/hub").moved(image) == moved


def test_a_registry_of_its_own_mirror_goes_before_the_mirror_of_everything_and_the_longest_name_first() -> None:
    mirrors = {"docker.io": "hub.example", "docker.io/istio": "mesh.example/istio", "ghcr.io": "ghcr.example"}
    source = ImageSource(mirror="mirror.example", mirrors=mirrors)
    assert source.moved("nginx:1.27") == "hub.example/library/nginx:1.27"
    assert source.moved(PILOT) == "mesh.example/istio/pilot:1.23.0"
    assert source.moved("docker.io/istio-others/x:1") == "hub.example/istio-others/x:1"
    assert source.moved("ghcr.io/a/b:1") == "ghcr.example/a/b:1"
    assert source.moved("quay.io/kiali/kiali:v2.27") == "mirror.example/kiali/kiali:v2.27"


def test_an_image_is_pinned_through_its_mirror_by_either_of_its_names() -> None:
    mirrored = "mirror.example/istio/pilot:1.23.0"
    for named in (PILOT, mirrored):
        source = ImageSource(mirror="mirror.example", digests={named: DIGEST})
        assert source.pinned(PILOT) == f"{mirrored}@{DIGEST}"
        assert chart_image_values("istiod", "1.23.0", source)["pilot"] == {"image": f"{mirrored}@{DIGEST}"}


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx:1.27", "docker.io/library/nginx"),
        (f"grafana/grafana:13@{DIGEST}", "docker.io/grafana/grafana"),
        ("registry.example:5000/a/orders", "registry.example:5000/a/orders"),
    ],
)
def test_an_images_repository_has_its_registry_and_neither_tag_nor_digest(image: str, full: str) -> None:
    assert repository(image) == full


def image_of(mesh: Mesh, name: str) -> str:
    return str(mesh.inputs(name)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_one_key_moves_every_image_of_a_stack_and_its_pins_with_it(run: Run) -> None:
    services = ORDERS[:-1] + ', {"name": "web", "image": "nginx:1.27", "port": 80}]'
    mesh = run(
        imageRegistry="mirror.example:5000/hub",
        imageDigests=digests(RATINGS, "nginx:1.27"),
        services=services,
    )
    assert image_of(mesh, "bookinfo-details-v1") == (
        "mirror.example:5000/hub/istio/examples-bookinfo-details-v1:1.20.1"
    )
    assert image_of(mesh, "bookinfo-ratings-v1") == (
        f"mirror.example:5000/hub/istio/examples-bookinfo-ratings-v1:1.20.1@{DIGEST}"
    )
    assert image_of(mesh, "service-web-v1") == f"mirror.example:5000/hub/library/nginx:1.27@{DIGEST}"
    # Its own registry is no mirror's to stand for.
    assert image_of(mesh, "service-orders-v1") == "registry.example/orders:1.4"
    assert mesh.inputs("istio-istiod")["values"]["global"]["hub"] == "mirror.example:5000/hub/istio"


def test_the_node_agents_of_ambient_come_from_the_mirror_too(run: Run) -> None:
    mesh = run(dataPlane="ambient", istioVersion="1.24.6", compatibility="warn", imageRegistry="mirror.example")
    for name in ("ambient-cni", "ambient-ztunnel"):
        assert mesh.inputs(name)["values"]["global"]["hub"] == "mirror.example/istio"


def test_pull_secrets_reach_every_account_that_pulls_and_istiods_templates(run: Run) -> None:
    mesh = run(
        dataPlane="ambient",
        istioVersion="1.24.6",
        compatibility="warn",
        services=ORDERS,
        imagePullSecrets='["registry-credentials", "other"]',
    )
    names = ["registry-credentials", "other"]
    for release in ("istio-istiod", "ambient-cni", "ambient-ztunnel"):
        assert mesh.inputs(release)["values"]["global"]["imagePullSecrets"] == names
    accounts = mesh.of_token("kubernetes:core/v1:ServiceAccount")
    assert {"ingress-service-account", "bookinfo-ratings-account", "service-orders-account"} <= set(accounts)
    for account in accounts:
        assert mesh.inputs(account)["imagePullSecrets"] == [{"name": name} for name in names]


def test_without_pull_secrets_nothing_is_said_of_them(dev: Mesh) -> None:
    assert "imagePullSecrets" not in json.dumps([each.inputs for each in dev.registrations], default=str)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("imageRegistry", "https://mirror.example", "imageRegistry is 'https://mirror.example'"),
        ("imageRegistry", "mirror", "imageRegistry is 'mirror'"),
        ("imageRegistry", "mirror.example/", "imageRegistry is 'mirror.example/'"),
        ("imageRegistries", '{"docker.io": "mirror"}', "imageRegistries.docker.io is 'mirror'"),
        ("imageRegistries", '{"https://docker.io": "m.example"}', "imageRegistries.https://docker.io is 'https://do"),
        ("allowedRegistries", '["docker"]', "allowedRegistries[0] is 'docker'"),
        ("imagePullSecrets", '["No_Name"]', "imagePullSecrets[0] is 'No_Name'"),
    ],
)
def test_a_registry_or_secret_that_is_none_is_named_by_its_place(key: str, value: str, shown: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^config key istio-minikube:{re.escape(shown)}"):
        loaded(**{key: value})


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
    assert image_of(mesh, "bookinfo-ratings-v1") == f"{RATINGS}@{DIGEST}"
    assert "@" not in image_of(mesh, "bookinfo-details-v1")
    assert image_of(mesh, "service-orders-v1") == f"registry.example/orders:1.4@{DIGEST}"
    assert mesh.inputs("istio-istiod")["values"] == {
        "global": {"hub": "docker.io/istio", "istioNamespace": "istio-system"},
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


def test_an_image_that_has_a_digest_is_given_no_other() -> None:
    image = f"registry.example/orders@{DIGEST}"
    services = json.dumps([{"name": "orders", "image": image, "port": 80}])
    with pytest.raises(pulumi.RunError, match=r"accepted: an image by its tag: this one has a digest already$"):
        loaded(services=services, imageDigests=digests(image))
