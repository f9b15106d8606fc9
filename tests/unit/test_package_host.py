"""Components by programs in other languages: what the engine hands over, and what becomes of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import BookinfoArgs, GatewayCertificateArgs, IstioBaseArgs, PortException, SecurityArgs, Traffic, host
from components.host import made
from components.security.gateway_certificate import CertManager
from components.traffic.traffic import Fault, Route
from tests.unit.recording import Mesh, composed, something

HOST = host.Host("1.2.3")
OWNER = {"stack": "dev", "context": "kind-dev"}


def constructed(
    kind: str, inputs: Mapping[str, Any], *, name: str = "it", answers: Mapping[str, Mapping[str, Any]] | None = None
) -> Mesh:
    def declare() -> None:
        options = pulumi.ResourceOptions(depends_on=[something("before")])
        result = HOST.construct(name, f"istio-minikube:index:{kind}", inputs, options)
        pulumi.export("state", dict(result.state))

    return composed(declare, answers)


def test_a_component_is_created_under_its_own_token_and_shows_its_outputs() -> None:
    mesh = constructed("InjectedNamespace", {"namespace": "shop", "podSecurity": {"enforce": "baseline"}})
    assert mesh.kind("it") == "istio-minikube:components:InjectedNamespace"
    assert mesh.inputs("it-namespace")["metadata"]["labels"] == {
        "istio-injection": "enabled",
        "pod-security.kubernetes.io/enforce": "baseline",
    }
    assert mesh.outputs["state"] == {"namespace": "shop"}


def test_what_other_languages_give_as_depends_on_comes_before_its_pods() -> None:
    mesh = constructed("Bookinfo", {"namespace": "shop", "dataPlane": "1.30.3"})
    assert "before" in mesh.named("it-reviews-v3").dependencies


def test_arguments_are_read_by_their_camel_case_names_with_integers_as_such() -> None:
    given = {
        "service": "reviews",
        "port": 9080.0,
        "subsets": ["v1", "v2"],
        "routes": [{"subset": "v1", "weight": 90.0}, {"subset": "v2", "weight": 10.0}],
        "fault": {"delay": "7s", "percent": 12.5},
        "localityFailover": {"eu": "us"},
    }
    traffic = made(Traffic, given)
    assert traffic == Traffic(
        service="reviews",
        port=9080,
        subsets=("v1", "v2"),
        routes=(Route(subset="v1", weight=90), Route(subset="v2", weight=10)),
        fault=Fault(delay="7s", percent=12.5),
        locality_failover={"eu": "us"},
    )
    assert type(traffic.port) is int


def test_keys_that_are_numbers_are_read_as_such() -> None:
    found = made(PortException, {"name": "probe", "selector": {"app": "a"}, "ports": {"8080": "DISABLE"}})
    assert found.ports == {8080: "DISABLE"}


def test_integers_in_values_of_any_type_stay_integers() -> None:
    values = {"pilot": {"autoscaleMin": 2.0, "cpu": {"targetAverageUtilization": 0.8}, "list": [1.0]}}
    args = made(IstioBaseArgs, {"version": "1.30.3", "owner": OWNER, "values": values})
    assert json.dumps(args.values) == (
        '{"pilot": {"autoscaleMin": 2, "cpu": {"targetAverageUtilization": 0.8}, "list": [1]}}'
    )


def test_outputs_of_other_resources_are_taken_where_the_component_takes_them() -> None:
    def declare() -> None:
        namespace = something("namespace").id.apply(lambda _: "shop")
        HOST.construct("it", "istio-minikube:index:Waypoint", {"namespace": namespace})

    mesh = composed(declare)
    assert mesh.inputs("it-gateway")["metadata"]["namespace"] == "shop"
    assert mesh.named("it-gateway").dependencies == {"namespace"}


def test_one_of_several_sources_is_chosen_by_its_name() -> None:
    source = {"certManager": {"host": "a.example", "issuer": "le", "kind": "Issuer"}, "selfSigned": None}
    args = made(GatewayCertificateArgs, {"namespace": "shop", "gateway": "edge", "source": source})
    assert args.source == CertManager(host="a.example", issuer="le", kind="Issuer")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (BookinfoArgs, {"namespace": "shop"}, "BookinfoArgs.dataPlane is not given, and there is no default"),
        (Traffic, {"servise": "a"}, "Traffic.servise is 'a'; accepted: one of service, port, subsets, "),
        (Traffic, {"service": "a", "port": "http"}, "Traffic.port is 'http'; accepted: a number"),
        (Traffic, {"service": "a", "port": True}, "Traffic.port is True; accepted: a number"),
        (Traffic, {"service": "a", "port": 1.5}, "Traffic.port is 1.5; accepted: a whole number"),
        (Traffic, {"service": 5.0, "port": 1.0}, "Traffic.service is 5.0; accepted: text"),
        (Traffic, {"service": "a", "port": 1.0, "subsets": "v1"}, "Traffic.subsets is 'v1'; accepted: a list"),
        (Traffic, {"service": "a", "port": 1.0, "fault": []}, "Traffic.fault is []; accepted: an object"),
        (
            Traffic,
            {"service": "a", "port": 1.0, "loadBalancer": "FAST"},
            "Traffic.loadBalancer is 'FAST'; accepted: 'ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', ''",
        ),
        (
            Traffic,
            {"service": "a", "port": 1.0, "routes": [{"subset": "v1"}, {"weight": 1.0}]},
            "Route.subset is not given, and there is no default",
        ),
        (
            GatewayCertificateArgs,
            {
                "namespace": "a",
                "gateway": "b",
                "source": {"selfSigned": {"host": "c"}, "existingSecret": {"name": "d"}},
            },
            "GatewayCertificateArgs.source has selfSigned, existingSecret; accepted: one of selfSigned, ",
        ),
        (SecurityArgs, {"config": {}, "namespace": "a", "allows": {}}, "SecurityArgs.allows is {}; accepted: a list"),
    ],
)
def test_what_is_not_accepted_is_refused_with_the_name_of_the_argument(
    kind: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        made(kind, values)
    assert str(refused.value).startswith(message)


def test_an_output_where_the_value_must_be_known_is_refused() -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=r"it: ExposureArgs\.service must be known before anything"):
        composed(
            lambda: HOST.construct(
                "it",
                "istio-minikube:index:Exposure",
                {
                    "namespace": "a",
                    "gateway": "b",
                    "route": "c",
                    "port": 1.0,
                    "paths": [],
                    "service": something("s").id,
                },
            )
        )


def test_what_a_component_itself_refuses_is_one_paragraph_for_the_engine() -> None:
    with pytest.raises(pulumi.InputPropertiesError) as refused:
        constructed("InjectedNamespace", {"namespace": "kube-system"})
    assert refused.value.message.startswith("it: namespace is 'kube-system'; accepted: any namespace but ")
    # The engine panics on a property's name beside an unknown value.
    assert refused.value.errors == []


def test_run_as_a_folder_it_hides_no_other_package_and_asks_for_the_installed_one(tmp_path: Path) -> None:
    """Which is a stand-in here, that tells how it was called."""
    package = tmp_path / "istio_minikube"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "host.py").write_text("import sys\ndef serve(): print(sys.path[0], 'kube' in sys.modules)\n")
    folder = Path(host.__file__).parent
    done = subprocess.run(
        [sys.executable, "-u", str(folder)],
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{tmp_path} False\n"
