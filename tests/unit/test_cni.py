"""Istio's CNI plugin for sidecars: what it is told, what waits for it, and what goes together with it."""

import json
import re
from typing import Any

import pulumi
import pytest

from components.mesh.cni import former_urn
from components.versions import Version
from program.lookup import Cluster
from program.preflight import plan
from program.supply import istio_charts
from tests.unit.conftest import Run
from tests.unit.loading import loaded
from tests.unit.recording import Mesh

CNI = {"cni": "true", "istioVersion": "1.24.6", "gatewayApiVersion": "v1.2.1", "compatibility": "warn"}
CHARTS = {"istioChartRepository": "https://charts.example"}
AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "compatibility": "warn"}


@pytest.fixture(scope="module")
def mesh(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Mesh:
    folder = tmp_path_factory.mktemp("gateway-api")
    crd = {"kind": "CustomResourceDefinition", "metadata": {"name": "gateways.gateway.networking.k8s.io"}}
    marks = {"bundle-version": "v1.2.1", "channel": "standard"}
    crd["metadata"]["annotations"] = {f"gateway.networking.k8s.io/{k}": v for k, v in marks.items()}  # type: ignore[index]
    (folder / "crd.yaml").write_text(json.dumps({**crd, "spec": {}}))
    values = {"global": {"hub": "h"}, "pilot": {"replicaCount": 2}}
    return run(
        **CNI,
        **CHARTS,
        gatewayApiManifest=str(folder),
        istioValues=json.dumps(values),
        cniValues='{"logging": {"level": "debug"}}',
    )


def test_istio_cni_is_a_release_with_the_shared_values_and_its_own(mesh: Mesh) -> None:
    assert (mesh.kind("istio-cni"), mesh.named("istio-cni").parent) == ("kubernetes:helm.sh/v3:Release", "istio")
    assert mesh.inputs("istio-cni") == {
        "name": "istio-cni",
        "namespace": "istio-system",
        "chart": "cni",
        "version": "1.24.6",
        "repositoryOpts": {"repo": "https://charts.example"},
        "values": {"global": {"hub": "h"}, "logging": {"level": "debug"}},
        "timeout": 600,
        "compat": "true",
    }


def test_istiod_counts_on_the_plugin_once_it_is_ready_and_goes_before_it(mesh: Mesh) -> None:
    assert mesh.inputs("istio-istiod")["values"]["pilot"] == {"cni": {"enabled": True}, "replicaCount": 2}
    assert "istio-cni" in mesh.named("istio-istiod").dependencies
    assert "istio-base" in mesh.named("istio-cni").dependencies


def test_pods_roll_when_what_prepares_their_network_changes(mesh: Mesh) -> None:
    template = mesh.inputs("bookinfo-productpage-v1")["spec"]["template"]["metadata"]
    assert template["annotations"]["istio-minikube/data-plane"] == "1.24.6+cni"
    # The gateway redirects nothing.
    template = mesh.inputs("ingress-deployment")["spec"]["template"]["metadata"]
    assert template["annotations"]["istio-minikube/data-plane"] == "1.24.6"
    assert json.loads(mesh.inputs("mesh-check-command")["stdin"])["istioVersion"] == "1.24.6"


@pytest.mark.parametrize(
    ("config", "charts"),
    [
        (CNI, ["base", "istiod", "cni"]),
        (AMBIENT, ["base", "istiod", "cni", "ztunnel"]),
        ({"istioVersion": "1.24.6"}, ["base", "istiod"]),
    ],
)
def test_its_chart_is_among_those_of_the_stack(config: dict[str, str], charts: list[str]) -> None:
    assert [chart.name for chart in istio_charts(loaded(**config))] == charts


def test_a_stack_that_changes_to_ambient_or_back_keeps_the_release(mesh: Mesh, run: Run) -> None:
    urn = "urn:pulumi:{}::istio-minikube::istio-minikube:components:{}$kubernetes:helm.sh/v3:Release::{}"
    aliases = [each.urn for each in mesh.options("istio-cni").aliases]
    assert aliases == [urn.format("dev", "AmbientDataPlane", "ambient-cni")]
    ambient = run(**AMBIENT)
    aliases = [each.urn for each in ambient.options("ambient-cni").aliases]
    assert aliases == [urn.format("dev", "IstioBase", "istio-cni")]
    assert list(ambient.options("ambient-ztunnel").aliases) == []
    assert former_urn("dev", "istio-minikube", "istio-minikube:components:IstioBase", "istio") == aliases[0]


def test_pods_of_a_stack_with_the_plugin_may_be_held_to_a_standard() -> None:
    enforced = loaded(**CNI, security='{"podSecurity": {"enforce": "baseline"}}')
    assert enforced.security.pod_security == {"enforce": "baseline"}
    labelled = Cluster(foreign_labels={"default": {"pod-security.kubernetes.io/enforce": "baseline"}})
    plan(loaded(**CNI, **CHARTS), labelled)
    with pytest.raises(pulumi.RunError, match=r"needs NET_ADMIN, which that level refuses\. With cni true, which"):
        plan(loaded(**CHARTS, compatibility="warn"), labelled)


def test_its_image_can_be_pinned() -> None:
    image, digest = "docker.io/istio/install-cni:1.24.6", f"sha256:{'a' * 64}"
    assert loaded(**CNI, imageDigests=json.dumps({image: digest})).image_digests == {image: digest}
    with pytest.raises(pulumi.RunError, match=r"it has no docker\.io/istio/install-cni:1\.24\.6"):
        loaded(istioVersion="1.24.6", imageDigests=json.dumps({image: digest}))


def test_a_release_of_somebody_elses_is_not_taken_over_unasked() -> None:
    cluster = Cluster(kubernetes=Version(1, 30), traces=_traces("istio-cni"))
    with pytest.raises(pulumi.RunError, match=r"^Helm releases istio-cni in istio-system are not this stack's"):
        plan(loaded(**CNI, **CHARTS), cluster)


def _traces(*releases: str) -> Any:
    from program.traces import Traces

    return Traces(releases=frozenset(releases))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"cni": "yes"}, "cni is 'yes'; accepted: true or false"),
        ({"cni": "true"}, "cni is 'true'; accepted: false with Istio 1.23.0; true from Istio 1.24 on"),
        ({**AMBIENT, "cni": "true"}, "cni is 'true'; accepted: false with dataPlane ambient, which installs istio-cni"),
        (
            {**CNI, "istioValues": '{"pilot": {"cni": {"enabled": false}}}'},
            "cni is 'true'; accepted: false where istioValues.pilot.cni.enabled says that istiod does not use the",
        ),
        (
            {"cniValues": '{"logging": {}}'},
            "cniValues is '{\"logging\": {}}'; accepted: nothing, as cni is installed with cni or dataPlane ambient",
        ),
        (
            {**CNI, "ztunnelValues": '{"env": {}}'},
            "ztunnelValues is '{\"env\": {}}'; accepted: nothing, as ztunnel is installed with dataPlane ambient only",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_its_key(config: dict[str, str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(f'config key istio-minikube:{told}')}"):
        loaded(**config)
