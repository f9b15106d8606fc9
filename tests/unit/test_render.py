from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml

from components.commands import UserError
from embedded import artifacts
from operations.manifests import render
from operations.manifests.evaluate import COMMAND, Recorder, Registration, evaluate
from operations.manifests.render import (
    Rendered,
    chart_objects,
    command_objects,
    file_name,
    masked,
    placed,
    shown,
    write,
)
from operations.state import recover
from program.config.values import MASK

RELEASE = Registration(
    token=recover.RELEASE,
    name="istio-istiod",
    parent="istio",
    custom=True,
    inputs={
        "name": "istiod",
        "namespace": "istio-system",
        "chart": "istiod",
        "version": "1.23.0",
        "values": {"pilot": {"autoscaleMin": 2}},
        "repositoryOpts": {"repo": "https://charts.example"},
    },
    provider="cluster",
    dependencies=frozenset(),
)


def an_object(kind: str = "Service", name: str = "web", api_version: str = "v1", **metadata: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}


def rendered(manifest: dict[str, Any], resource: Registration = RELEASE) -> Rendered:
    return Rendered(resource=resource, manifest=manifest)


@pytest.fixture
def helm(tmp_path: Path) -> Path:
    """A helm that writes its arguments and values down, and prints an object, an empty document and a CRD."""
    binary = tmp_path / "helm"
    binary.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >{tmp_path}/arguments; cat >{tmp_path}/values\n'
        "echo '---\nkind: Service\napiVersion: v1\nmetadata: {name: istiod}\n---\n---\n"
        "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata: {name: crd}'\n"
    )
    binary.chmod(0o755)
    return binary


def test_a_chart_is_rendered_with_the_releases_values_for_the_stacks_kubernetes(helm: Path) -> None:
    chart_objects(RELEASE, helm, "v1.30.0")
    assert (helm.parent / "arguments").read_text().split() == [
        *("template", "istiod", "istiod", "--version", "1.23.0", "--repo", "https://charts.example"),
        *("--namespace", "istio-system", "--kube-version", "v1.30.0", "--include-crds", "--values", "-"),
    ]
    assert yaml.safe_load((helm.parent / "values").read_text()) == {"pilot": {"autoscaleMin": 2}}


def test_a_charts_objects_are_in_the_releases_namespace_and_empty_documents_are_left_out(helm: Path) -> None:
    service, crd = chart_objects(RELEASE, helm, "v1.30.0")
    assert service["metadata"] == {"name": "istiod", "namespace": "istio-system"}
    assert crd["metadata"] == {"name": "crd"}


def a_command(**environment: str) -> Registration:
    inputs = {"create": "false", "environment": environment}
    return replace(RELEASE, token=COMMAND, name="crds", inputs=inputs if environment else {"create": "false"})


def test_a_commands_objects_are_what_it_prints_when_asked_to() -> None:
    show = 'printf "kind: %s\\n---\\n---\\nkind: B" "$KIND"'
    assert command_objects(a_command(SHOWS_OBJECTS=show, KIND="A")) == [{"kind": "A"}, {"kind": "B"}]


def test_a_command_that_does_not_say_how_has_no_objects() -> None:
    assert command_objects(a_command()) == []
    assert command_objects(a_command(ISTIO_VERSION="1.23.0")) == []


def test_objects_that_cannot_be_printed_are_an_error_in_the_commands_words() -> None:
    with pytest.raises(UserError, match=r"no such release"):
        command_objects(a_command(SHOWS_OBJECTS="echo no such release >&2; exit 1"))


def test_a_chart_that_helm_cannot_render_is_an_error_with_helms_words_and_a_way_out(helm: Path) -> None:
    helm.write_text("#!/bin/sh\necho 'Error: no such host' >&2; exit 1\n")
    with pytest.raises(UserError, match=r"istio-istiod: .*istiod 1\.23\.0: Error: no such host.*set the key"):
        chart_objects(RELEASE, helm, "v1.30.0")


def test_a_namespace_that_a_chart_says_itself_stays() -> None:
    manifest = an_object(namespace="elsewhere")
    assert placed(manifest, "istio-system") == manifest


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        (an_object(namespace="default"), "default/service-web.yaml"),
        (
            an_object("Gateway", api_version="gateway.networking.k8s.io/v1", namespace="default"),
            "default/gateway.gateway.networking.k8s.io-web.yaml",
        ),
        (an_object("Namespace"), "_cluster/namespace-web.yaml"),
        (
            an_object("ClusterRole", "system:istio", "rbac.authorization.k8s.io/v1"),
            "_cluster/clusterrole.rbac.authorization.k8s.io-system_istio.yaml",
        ),
    ],
)
def test_a_file_is_named_after_namespace_kind_group_and_name(manifest: dict[str, Any], name: str) -> None:
    assert file_name(manifest) == name


def test_a_secret_keeps_its_keys_and_loses_its_values() -> None:
    secret = {**an_object("Secret"), "type": "Opaque", "data": {"key": "czNjcmV0"}, "stringData": {"other": "s3cret"}}
    assert masked(secret) == {**secret, "data": {"key": MASK}, "stringData": {"other": MASK}}


def test_a_config_map_is_shown_as_it_is() -> None:
    manifest = {**an_object("ConfigMap"), "data": {"key": "value"}}
    assert masked(manifest) == manifest


@pytest.fixture
def secrets() -> Recorder:
    """What is registered of a Secret, and of a ConfigMap into which a secret has got."""

    def program() -> None:
        k8s.core.v1.Secret("whole", string_data=pulumi.Output.secret({"key": "s3cret"}))
        k8s.core.v1.ConfigMap("part", data={"key": pulumi.Output.secret("s3cret"), "other": "shown"})

    recorder = Recorder()
    evaluate(recorder, "test", {"istio-minikube:namespace": "default"}, program)
    return recorder


def test_what_holds_a_secret_is_masked_whatever_its_kind(secrets: Recorder) -> None:
    assert shown(secrets.named("whole"))["stringData"] == {"key": MASK}
    assert shown(secrets.named("part"))["data"] == {"key": MASK, "other": MASK}


def test_each_object_becomes_one_file(tmp_path: Path) -> None:
    objects = [rendered(an_object(namespace="default")), rendered(an_object("Namespace", "default"))]
    assert write(objects, tmp_path / "out") == 2
    assert yaml.safe_load((tmp_path / "out/default/service-web.yaml").read_text()) == an_object(namespace="default")
    assert (tmp_path / "out/_cluster/namespace-default.yaml").is_file()


def test_no_secret_gets_into_a_file(tmp_path: Path) -> None:
    write([rendered({**an_object("Secret", namespace="default"), "stringData": {"key": "s3cret"}})], tmp_path / "out")
    assert "s3cret" not in (tmp_path / "out/default/secret-web.yaml").read_text()


def test_a_former_rendering_is_replaced_with_all_its_files(tmp_path: Path) -> None:
    write([rendered(an_object(namespace="default"))], tmp_path / "out")
    write([rendered(an_object("Namespace"))], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*.yaml")] == ["namespace-web.yaml"]


@pytest.mark.parametrize("foreign", ["notes.txt", "default/notes.txt", "a/b/service.yaml", "values.yaml"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, foreign: str) -> None:
    (tmp_path / "out" / foreign).parent.mkdir(parents=True)
    (tmp_path / "out" / foreign).touch()
    with pytest.raises(UserError, match="no manifest of a rendering"):
        write([], tmp_path / "out")
    assert (tmp_path / "out" / foreign).exists()


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="is a file"):
        write([], tmp_path / "out")


def test_two_resources_that_bring_one_object_are_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"istio-istiod and istio-istiod both bring default/service-web\.yaml"):
        write([rendered(an_object(namespace="default"))] * 2, tmp_path / "out")


def test_stand_ins_take_the_place_of_addresses_but_not_of_what_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "STAND_INS", tmp_path)
    monkeypatch.setattr(artifacts, "prepare", prepared := Mock())
    overrides = render.stand_ins("staging", {"istioChartRepository": "/charts"})
    assert overrides == {
        "istioChartRepository": "/charts",
        "gatewayApiManifest": str(tmp_path / "gateway-api" / "v1.6.1" / "standard"),
    }
    prepared.assert_called_once_with(tmp_path, "1.31.1", "v1.6.1")


def test_stand_ins_are_not_the_charts_of_a_real_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "prepare", Mock())
    monkeypatch.setattr(render, "declared", Mock(return_value=Recorder()))
    monkeypatch.setattr(render, "write_artifacts", written := Mock())
    render.render("staging", render.stand_ins("staging", {}))
    written.assert_not_called()
    render.render("embedded", {})
    written.assert_called_once()


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"^--out .*/file/out cannot be written: (Not a directory|File exists); accepted"
    ):
        write([], tmp_path / "file" / "out")
