import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pulumi

import components
from components import host
from components.schema import schema
from tests.unit.recording import Mesh

# A changed token replaces what users have deployed: never edit a line here, only add.
TOKENS = {
    "istio-minikube:components:Addons",
    "istio-minikube:components:Authorization",
    "istio-minikube:components:IngressJwt",
    "istio-minikube:components:MeshTelemetry",
    "istio-minikube:components:NetworkIsolation",
    "istio-minikube:components:PeerAuthentications",
    "istio-minikube:components:GatewayCertificate",
    "istio-minikube:components:Observability",
    "istio-minikube:components:Security",
    "istio-minikube:components:TrafficPolicy",
    "istio-minikube:components:UserService",
    "istio-minikube:components:Bookinfo",
    "istio-minikube:components:ClusterGuard",
    "istio-minikube:components:EmbeddedCluster",
    "istio-minikube:components:Exposure",
    "istio-minikube:components:GatewayApiCrds",
    "istio-minikube:components:IngressGateway",
    "istio-minikube:components:InjectedNamespace",
    "istio-minikube:components:IstioBase",
    "istio-minikube:components:MeshCheck",
    "istio-minikube:components:Minikube",
    "istio-minikube:components:RevisionTag",
    "istio-minikube:components:AmbientDataPlane",
    "istio-minikube:components:Waypoint",
    "istio-minikube:components:InjectionCheck",
    "istio-minikube:components:Egress",
    "istio-minikube:components:Rollout",
    "istio-minikube:components:EgressRoute",
    "istio-minikube:components:ServiceRoute",
    "istio-minikube:components:SharedGateway",
    "istio-minikube:components:StreamRoute",
}
MODULES = [importlib.import_module(module.name) for module in pkgutil.walk_packages(components.__path__, "components.")]
CLASSES = {
    name: defined
    for module in MODULES
    for name, defined in inspect.getmembers(module, inspect.isclass)
    if defined.__module__ == module.__name__
}
COMPONENTS = {name for name, defined in CLASSES.items() if issubclass(defined, pulumi.ComponentResource)}


def test_the_type_tokens_are_frozen() -> None:
    literals = [re.findall(r'super\(\).__init__\("([^"]+)"', inspect.getsource(CLASSES[name])) for name in COMPONENTS]
    assert sorted(token for tokens in literals for token in tokens) == sorted(TOKENS)


def test_the_program_registers_no_other_token(dev: Mesh, existing: Mesh) -> None:
    registrations = [*dev.registrations, *existing.registrations]
    assert {registration.token for registration in registrations if not registration.custom} <= TOKENS


def test_every_component_has_its_token_frozen() -> None:
    assert {f"istio-minikube:components:{name}" for name in COMPONENTS} == TOKENS


def test_every_component_is_in_a_module_of_its_own_name() -> None:
    modules = {CLASSES[name].__module__.rpartition(".")[2].replace("_", "") for name in COMPONENTS}
    assert modules == {name.lower() for name in COMPONENTS}


def test_every_component_is_public_with_whatever_its_args_are_made_of_and_the_names_are_sorted() -> None:
    assert components.__all__ == sorted(components.__all__)
    parts = {kind.rpartition(":")[2] for kind in schema(host.components().values(), "1.0.0")["types"]}
    # One of several is given as such in Python, and by its name elsewhere.
    parts -= {"CertificateSource"}
    assert set(components.__all__) == COMPONENTS | {f"{name}Args" for name in COMPONENTS} | parts | {"kinds"}


def test_every_public_name_is_there() -> None:
    assert [name for name in components.__all__ if not hasattr(components, name)] == []


def test_no_component_is_imported_before_one_is_asked_for() -> None:
    """The commands, and the policy pack, do without the providers' SDKs."""
    listing = "import sys, components.versions; print(*sys.modules); components.Page; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    assert ["pulumi" in modules.split() for modules in done.stdout.splitlines()] == [False, True]


def test_a_name_that_is_no_component_is_an_error_as_in_any_module() -> None:
    assert not hasattr(components, "IstioBass")
