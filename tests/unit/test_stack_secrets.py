"""Secrets of a stack's configuration: in, and out as secrets; masked or decrypted where its file is read."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from components.commands import UserError
from operations.manifests.evaluate import stack_config
from operations.manifests.stack_secrets import decrypted, masked, secret_texts, without
from program.config.keys import SECRET_KEYS
from program.config.values import MASK
from program.lookup import Cluster
from tests.unit.fake_tools import Tool
from tests.unit.loading import DEV, load
from tests.unit.recording import Mesh, evaluated

PREFIX = "istio-minikube:"
TOKEN = {"meshConfig": {"defaultConfig": {"tracing": {"lightstep": {"accessToken": "s3cr3t"}}}}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stack has one secret, deep in a value."""
    (tmp_path / "Pulumi.yaml").write_text("{name: shop, config: {object: {default: {}}, text: {default: a}}}")
    (tmp_path / "Pulumi.s.yaml").write_text("config: {'shop:object': {list: [{deep: {secure: cipher}}, 1], plain: b}}")
    return tmp_path


def test_values_that_hold_a_secret_are_a_secret_of_the_release(manifest: Path) -> None:
    config = {"gatewayApiManifest": str(manifest), "istioValues": json.dumps(TOKEN)}
    mesh = evaluated("dev", config, Cluster(), "istioValues")
    assert mesh.named("istio-istiod").secrets == {"values"}
    assert mesh.inputs("istio-istiod")["values"]["meshConfig"] == TOKEN["meshConfig"]
    assert not mesh.named("istio-base").secrets


@pytest.mark.parametrize(
    ("secret", "releases"),
    [
        ("istioValues", {"istio-istiod", "ambient-cni", "ambient-ztunnel"}),
        ("cniValues", {"ambient-cni"}),
        ("ztunnelValues", {"ambient-ztunnel"}),
    ],
)
def test_a_secret_stays_one_wherever_its_values_go(manifest: Path, secret: str, releases: set[str]) -> None:
    ambient = {"dataPlane": "ambient", "istioVersion": "1.24.6", "compatibility": "warn"}
    config = {"gatewayApiManifest": str(manifest), **ambient, secret: '{"global": {"hub": "h"}}'}
    mesh = evaluated("dev", config, Cluster(), secret)
    assert {each.name for each in mesh.registrations if each.secrets} == releases


def test_values_without_a_secret_are_none(dev: Mesh) -> None:
    assert not [each.name for each in dev.registrations if each.secrets]


@pytest.mark.parametrize("key", sorted(set(stack_config("dev")) - {f"{PREFIX}{key}" for key in SECRET_KEYS}))
def test_any_other_key_is_refused_as_a_secret_and_its_value_not_shown(key: str) -> None:
    if not key.startswith(PREFIX):
        return
    message = f"config key {key} is a secret; accepted: the value without --secret, as what it decides stands in clear"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(message)}"):
        load(DEV, key.removeprefix(PREFIX))


def test_a_mistake_in_a_secret_does_not_show_it() -> None:
    config = {**DEV, f"{PREFIX}istioValues": '{"meshConfig": {"enableTracing": "s3cr3t"}}'}
    with pytest.raises(pulumi.RunError, match=r"enableTracing is a secret; accepted: true or false"):
        load(config, "istioValues")


def test_an_unknown_key_that_is_a_secret_is_not_shown() -> None:
    with pytest.raises(pulumi.RunError, match="istioValue is a secret; accepted: one of these keys"):
        load({**DEV, f"{PREFIX}istioValue": "s3cr3t"}, "istioValue")


def test_where_a_stacks_file_is_read_each_secret_is_masked_where_it_stands(project: Path) -> None:
    config = stack_config("s", project=project)
    assert json.loads(config["shop:object"]) == {"list": [{"deep": MASK}, 1], "plain": "b"}
    assert config.secrets == {"shop:object"}


@pytest.mark.parametrize("path", ["meshConfig.defaultConfig.concurrency", "pilot.resources.requests.cpu", "global.tag"])
def test_a_mask_stands_for_a_value_of_any_type(run: Callable[..., Mesh], path: str) -> None:
    value: object = MASK
    for key in reversed(path.split(".")):
        value = {key: value}
    assert run(istioValues=json.dumps(value)).named("istio-istiod")


def test_the_cli_decrypts_with_its_own_environment(project: Path, tmp_path: Path) -> None:
    tool = Tool.install(tmp_path / "bin", "pulumi")
    shown = {"shop:object": {"value": '{"list": [{"deep": "it\\"s"}, 1], "plain": "b"}', "secret": True}}
    tool.binary.with_name("pulumi.answers").write_text(f"cat <<'END'\n{json.dumps(shown)}\nEND\n")
    config = stack_config("s", project=project)
    environment = {"PULUMI_CONFIG_PASSPHRASE": "p", "PATH": os.environ["PATH"]}
    known = decrypted("s", config, tool.binary, project, environment)
    assert known == {**config, "shop:object": shown["shop:object"]["value"]}
    assert known.secrets == config.secrets
    assert tool.words == ["config --show-secrets --json --stack s --non-interactive"]
    assert tool.folders == [str(project)]
    assert tool.environment["PULUMI_CONFIG_PASSPHRASE"] == "p"  # noqa: S105
    assert secret_texts(config, known) == ['it"s']


def test_what_cannot_decrypt_says_so(project: Path, tmp_path: Path) -> None:
    config = stack_config("s", project=project)
    tool = Tool.install(tmp_path / "bin", "pulumi")
    tool.binary.with_name("pulumi.answers").write_text("echo 'incorrect passphrase' >&2; exit 255\n")
    with pytest.raises(
        UserError, match=r"cannot decrypt: incorrect passphrase. Set PULUMI_CONFIG_PASSPHRASE, or log in"
    ):
        decrypted("s", config, tool.binary, project, {})


@pytest.mark.parametrize("shown", ['a "b"', repr('a "b"'), json.dumps({"k": 'a "b"'}), repr(json.dumps('a "b"'))])
def test_a_secret_is_masked_however_it_is_quoted(shown: str) -> None:
    assert "b" not in without(shown, ['a "b"'])


def test_only_what_is_encrypted_is_masked() -> None:
    assert masked({"a": {"secure": "x"}, "b": {"secure": "x", "other": 1}, "c": [{"secure": "y"}]}) == {
        "a": MASK,
        "b": {"secure": "x", "other": 1},
        "c": [MASK],
    }
