from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
import yaml

from components import IstioBase, IstioBaseArgs
from components.chart_values import merged, release_values, told
from components.mesh.istio_base import chart_source, istiod_values
from components.ownership import Owner
from components.python import program
from tests.unit.conftest import Compose
from tests.unit.recording import Mesh, something

OWNER = Owner(stack="dev", kubeconfig="k", context="c")
COMMANDS = program("crds")
TARGET = "--kubeconfig=k --context=c --stack=dev --group=istio.io"
RELEASE = "kubernetes:helm.sh/v3:Release"
# What istiod's chart is always told.
GLOBAL = {"hub": "docker.io/istio", "istioNamespace": "istio-system"}


def declared(**changes: Any) -> None:
    args: dict[str, Any] = {"version": "1.23.0", "chart_repository": "https://charts.example", "owner": OWNER}
    istio = IstioBase("istio", IstioBaseArgs(**{**args, **changes}))
    pulumi.ComponentResource("test:index:User", "user", {"version": istio.version, "namespace": istio.namespace})


@pytest.fixture(scope="module")
def mesh(compose: Compose) -> Mesh:
    return compose(lambda: declared(requires=[something("gateway-api")]))


@pytest.mark.parametrize(
    ("resource", "name", "chart"),
    [("istio-base", "istio-base", "base"), ("istio-istiod", "istiod", "istiod")],
)
def test_a_release_has_a_literal_name_and_ten_minutes(mesh: Mesh, resource: str, name: str, chart: str) -> None:
    assert (mesh.kind(resource), mesh.named(resource).parent) == (RELEASE, "istio")
    assert mesh.inputs(resource) == {
        "name": name,
        "namespace": "istio-system",
        "chart": chart,
        "version": "1.23.0",
        "repositoryOpts": {"repo": "https://charts.example"},
        "values": {"global": GLOBAL if chart == "istiod" else {"istioNamespace": "istio-system"}},
        "timeout": 600,
        "compat": "true",
    }


def test_the_namespace_is_made_and_labelled_as_this_stacks(mesh: Mesh) -> None:
    namespace = mesh.named("istio-namespace")
    assert (namespace.token, namespace.parent) == ("kubernetes:core/v1:Namespace", "istio")
    assert namespace.inputs["metadata"] == {"name": "istio-system", "labels": {"istio-minikube/stack": "dev"}}


def test_a_namespace_that_is_somebody_elses_is_used_as_it_is(compose: Compose) -> None:
    mesh = compose(lambda: declared(namespace_exists=True))
    assert "istio-namespace" not in mesh.names
    assert mesh.inputs("istio-istiod")["namespace"] == "istio-system"


def test_the_crds_are_labelled_after_the_base_chart_and_removed_with_the_stack(mesh: Mesh) -> None:
    command = mesh.named("istio-crds")
    own = f"{COMMANDS} own {TARGET} --keep='' --release=istio-system/istio-base"
    assert (command.token, command.parent) == ("command:local:Command", "istio")
    assert command.inputs == {"create": own, "update": own, "environment": {"ISTIO_VERSION": "1.23.0"}}
    removal = mesh.named("istio-crds-removal")
    assert (removal.token, removal.parent) == (command.token, "istio")
    assert removal.inputs == {"delete": f"{COMMANDS} remove {TARGET} --istiod=istio-system"}


def test_crds_that_were_there_before_are_kept(compose: Compose) -> None:
    stdout = {"istio-crds-before": {"stdout": "b.istio.io a.istio.io"}}
    mesh = compose(lambda: declared(foreign_crds=["c.istio.io", "a.istio.io"]), stdout)
    assert mesh.inputs("istio-crds-before") == {"create": "echo a.istio.io c.istio.io"}
    assert " --keep=a.istio.io,b.istio.io " in mesh.inputs("istio-crds")["create"]


@pytest.mark.parametrize(
    ("resource", "dependencies"),
    [
        ("istio-crds-before", set()),
        ("istio-base", {"istio-namespace", "istio-crds-before"}),
        ("istio-crds", {"istio-base", "istio-crds-before"}),
        ("istio-crds-removal", {"istio-base", "gateway-api"}),
        ("istio-istiod", {"istio-namespace", "istio-crds-removal"}),
    ],
)
def test_base_then_istiod_and_crds_go_between_them(mesh: Mesh, resource: str, dependencies: set[str]) -> None:
    assert mesh.named(resource).dependencies == dependencies


def test_whoever_uses_its_outputs_waits_for_istiod_and_the_namespace(mesh: Mesh) -> None:
    assert mesh.inputs("user") == mesh.registered["istio"] == {"version": "1.23.0", "namespace": "istio-system"}
    assert {"istio-istiod", "istio-namespace"} <= mesh.named("user").dependencies


def test_every_resource_is_its_child(compose: Compose) -> None:
    mesh = compose(lambda: declared(adopt=True))
    names = {name for name in mesh.names if name.startswith("istio-")}
    children = ("namespace", "adoption", "crds-before", "base", "crds", "crds-removal", "istiod", "adopted")
    assert names == {f"istio-{child}" for child in children}
    assert {mesh.named(name).parent for name in names} == {"istio"}


def test_what_was_there_before_is_recorded_once(mesh: Mesh) -> None:
    assert mesh.options("istio-crds-before").ignoreChanges == ["create"]


@pytest.mark.parametrize(("revision", "label"), [("", "default"), ("1-23-0", "1-23-0")])
def test_several_istiods_keep_off_each_others_nodes(revision: str, label: str) -> None:
    pilot = istiod_values(revision, {}, 3)["pilot"]
    assert (pilot["autoscaleMin"], pilot["autoscaleMax"]) == (3, 5)
    assert f"'app': 'istiod', 'istio.io/rev': '{label}'" in str(pilot["affinity"])


def test_no_istiod_at_all_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"^replicas is 0; accepted: 1 or more pods$"):
        IstioBaseArgs(version="1.23.0", chart_repository="charts", owner=OWNER, replicas=0)


def test_a_revision_has_its_own_release_and_value(compose: Compose) -> None:
    istiod = compose(lambda: declared(revision="1-23-0")).inputs("istio-istiod")
    assert istiod["name"] == "istiod-1-23-0"
    assert istiod["values"] == {"global": GLOBAL, "revision": "1-23-0"}


@pytest.fixture(scope="module")
def side_by_side(compose: Compose) -> Mesh:
    revisions = {"": "1.23.0", "1-24-6": "1.24.6"}
    values = {"pilot": {"replicaCount": 2}}
    return compose(lambda: declared(version="1.24.6", revisions=revisions, default_revision="default", values=values))


@pytest.mark.parametrize(
    ("resource", "name", "version", "revision"),
    [
        ("istio-istiod-default", "istiod", "1.23.0", {}),
        ("istio-istiod-1-24-6", "istiod-1-24-6", "1.24.6", {"revision": "1-24-6"}),
    ],
)
def test_control_planes_side_by_side_have_a_release_each_and_are_marked_as_this_stacks(
    side_by_side: Mesh, resource: str, name: str, version: str, revision: dict[str, str]
) -> None:
    inputs = side_by_side.inputs(resource)
    assert (inputs["name"], inputs["version"]) == (name, version)
    assert inputs["values"] == {
        "global": GLOBAL,
        "pilot": {"deploymentLabels": {"istio-minikube/stack": "dev"}, "replicaCount": 2},
        **revision,
    }


def test_they_share_a_base_that_knows_the_default_revision(side_by_side: Mesh) -> None:
    assert side_by_side.inputs("istio-base")["version"] == "1.24.6"
    assert side_by_side.inputs("istio-base")["values"]["defaultRevision"] == "default"


def aliases(mesh: Mesh, resource: str) -> list[str]:
    return [alias.spec.name for alias in mesh.options(resource).aliases]


def test_the_first_of_several_is_the_one_that_was_there_by_itself(side_by_side: Mesh) -> None:
    assert aliases(side_by_side, "istio-istiod-default") == ["istio-istiod"]
    assert aliases(side_by_side, "istio-istiod-1-24-6") == []


@pytest.mark.parametrize(("revision", "alias"), [("", "istio-istiod-default"), ("1-24-6", "istio-istiod-1-24-6")])
def test_one_that_is_left_by_itself_is_the_one_that_was_there_with_others(
    compose: Compose, revision: str, alias: str
) -> None:
    assert aliases(compose(lambda: declared(revision=revision)), "istio-istiod") == [alias]


def test_the_users_values_reach_istiod_and_not_the_base(compose: Compose) -> None:
    mesh = compose(lambda: declared(values={"pilot": {"replicaCount": 2}}))
    assert mesh.inputs("istio-istiod")["values"]["pilot"] == {"replicaCount": 2}
    assert "pilot" not in mesh.inputs("istio-base")["values"]


@pytest.mark.parametrize(
    ("repository", "source"),
    [
        (
            "https://charts.example/istio",
            {"chart": "base", "version": "1.24.6", "repository_opts": {"repo": "https://charts.example/istio"}},
        ),
        ("charts/", {"chart": "charts/base-1.24.6.tgz", "version": "1.24.6"}),
        ("/srv/charts", {"chart": "/srv/charts/base-1.24.6.tgz", "version": "1.24.6"}),
        (
            "oci://ghcr.io/istio/release/charts",
            {"chart": "oci://ghcr.io/istio/release/charts/base", "version": "1.24.6"},
        ),
        ("oci://localhost:5000/mesh/", {"chart": "oci://localhost:5000/mesh/base", "version": "1.24.6"}),
    ],
)
def test_a_chart_is_named_by_address_or_as_an_archive_in_a_folder(repository: str, source: dict[str, Any]) -> None:
    assert chart_source(repository, "base", "1.24.6") == source


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_values_are_merged_key_by_key_and_anything_else_is_replaced(
    base: Mapping[str, Any], over: Mapping[str, Any], result: dict[str, Any]
) -> None:
    assert merged(base, over) == result


def test_merging_leaves_the_merged_as_they_were() -> None:
    base = {"a": {"b": 1}}
    merged(base, {"a": {"b": 2}})
    assert base == {"a": {"b": 1}}


def test_the_users_values_win_over_ours() -> None:
    assert istiod_values("", {"global": {"istioNamespace": "mesh", "hub": "h"}}) == {
        "global": {"istioNamespace": "mesh", "hub": "h"}
    }


def test_a_mesh_is_adopted_before_the_releases_and_tidied_up_after_them(compose: Compose) -> None:
    mesh = compose(lambda: declared(adopt=True, namespace_exists=True, requires=[something("cluster")]))
    place = "--kubeconfig=k --context=c"
    releases = "--base=istio-system/istio-base --istiod=istio-system/istiod"
    module = program("adopt")
    assert mesh.inputs("istio-adoption")["create"] == f"{module} begin {place} {releases}"
    assert mesh.inputs("istio-adopted")["create"] == f"{module} finish {place}"
    # A stack of an earlier version calls the module by another name: nothing is handed over twice for that.
    for name in ("istio-adoption", "istio-adopted"):
        assert list(mesh.options(name).ignoreChanges) == ["create"]
    assert mesh.named("istio-adoption").dependencies == {"cluster"}
    assert "istio-adoption" in mesh.named("istio-base").dependencies
    assert "istio-istiod" in mesh.named("istio-adopted").dependencies
    assert mesh.inputs("istio-istiod")["namespace"] == "istio-system"


NO_LIMIT = {"global": {"proxy": {"resources": {"limits": {"cpu": None}}}}}
DEFAULTS = "_internal_defaults_do_not_set"


def test_a_null_reaches_helm_in_a_file_and_drops_the_charts_default(compose: Compose, mesh: Mesh) -> None:
    before = mesh.inputs("istio-istiod")["values"]
    kept = {"global": {"proxy": {"resources": {"limits": {"memory": "2Gi"}}}}}
    inputs = compose(lambda: declared(values=merged(kept, NO_LIMIT))).inputs("istio-istiod")
    assert inputs["values"] == merged(before, kept)
    (file,) = inputs["valueYamlFiles"]
    assert yaml.safe_load(file.text) == {DEFAULTS: NO_LIMIT}
    assert told(inputs) == merged(inputs["values"], {DEFAULTS: NO_LIMIT})


def test_without_a_null_a_release_has_the_inputs_that_it_always_had(mesh: Mesh) -> None:
    assert "valueYamlFiles" not in mesh.inputs("istio-istiod")


@pytest.mark.parametrize(
    ("version", "path"),
    [("1.23.6", ("pilot", "resources")), ("1.24.0", ("resources",)), ("1.30.3", ("resources",))],
)
def test_a_null_of_istiods_own_stands_where_the_chart_of_its_version_has_the_default(
    version: str, path: tuple[str, ...]
) -> None:
    inputs = release_values({"pilot": {"resources": None, "replicaCount": 2}}, version)
    node = yaml.safe_load(inputs["value_yaml_files"][0].text)[DEFAULTS]
    for key in path:
        assert set(node) == {key}
        node = node[key]
    assert node is None
    assert inputs["values"] == {"pilot": {"replicaCount": 2}}


def test_an_empty_object_is_not_a_null() -> None:
    assert release_values({"pilot": {"env": {}}}, "1.23.0") == {"values": {"pilot": {"env": {}}}}


def test_an_istiod_in_somebody_elses_namespace_is_marked_as_this_stacks(compose: Compose, mesh: Mesh) -> None:
    values = compose(lambda: declared(namespace_exists=True)).inputs("istio-istiod")["values"]
    assert values["pilot"] == {"deploymentLabels": OWNER.labels}
    assert "pilot" not in mesh.inputs("istio-istiod")["values"]


@pytest.mark.parametrize(
    ("args", "default"),
    [
        ({}, None),
        ({"revision": "1-23-0"}, "1-23-0"),
        ({"revisions": {"": "1.23.0", "b": "1.24.6"}, "default_revision": "default"}, "default"),
        ({"revision": "stable", "revisions": {"b": "1.24.6"}, "default_revision": ""}, ""),
    ],
)
def test_the_validator_leads_to_an_istiod_that_is_there(compose: Compose, args: dict[str, Any], default: Any) -> None:
    values = compose(lambda: declared(**args)).inputs("istio-base")["values"]
    assert values.get("defaultRevision") == default


def test_an_istio_that_is_there_is_looked_up_and_nothing_is_created(compose: Compose) -> None:
    pod = {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.30.3-distroless"}]}
    found = {"metadata": {"namespace": "istio-system"}, "spec": {"template": {"spec": pod}}}

    def declare() -> None:
        istio = IstioBase("istio", IstioBaseArgs(existing=True, revision="canary"))
        pulumi.export("of the revision", istio.version_of("canary"))

    mesh = compose(declare, {"istio-existing": found})
    assert mesh.names == {"istio", "istio-existing"}
    assert mesh.kind("istio-existing") == "kubernetes:apps/v1:Deployment"
    assert mesh.registered["istio"] == {"version": "1.30.3", "namespace": "istio-system"}
    assert mesh.outputs == {"of the revision": "1.30.3"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"owner": OWNER}, r"version is ''; accepted: MAJOR\.MINOR\.PATCH, or existing"),
        ({"version": "1.30.3"}, "owner is not given; accepted: a stack and the context of its cluster, or existing"),
    ],
)
def test_without_an_istio_that_is_there_it_is_told_which_and_whose(given: dict[str, Any], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=message):
        IstioBaseArgs(**given)
