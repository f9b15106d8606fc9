import http.client
import io
import re
import urllib.error
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pulumi
import pytest
import yaml

from components.gateway_api import cache_folder, load_manifest

GATEWAYS, ROUTES = "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"
ADDRESS = "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.1.0/standard-install.yaml"
UNFETCHED = f"the Gateway API's CRDs cannot be fetched from {ADDRESS}: "
WAY_OUT = (
    ". Check gatewayApiVersion (v1.1.0) and the network, or set gatewayApiManifest to a file or folder that holds them"
)


def names(documents: list[dict[str, Any]]) -> list[str]:
    return [document["metadata"]["name"] for document in documents]


def release(manifest: Path) -> bytes:
    return b"\n---\n".join(file.read_bytes() for file in sorted(manifest.iterdir()))


@pytest.fixture
def urlopen(monkeypatch: pytest.MonkeyPatch, manifest: Path) -> Mock:
    """Stands in for the network, which serves the release."""
    opened = Mock(side_effect=lambda *_, **__: io.BytesIO(release(manifest)))
    monkeypatch.setattr("urllib.request.urlopen", opened)
    return opened


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_folder_gives_the_objects_of_all_its_files(manifest: Path, cache: Path, urlopen: Mock) -> None:
    assert names(load_manifest(str(manifest), "v1.1.0", "standard", cache)) == [GATEWAYS, ROUTES]
    assert not urlopen.called


def test_a_file_gives_all_its_objects(manifest: Path, cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_bytes(b"---\n# nothing\n---\n" + release(manifest))
    assert names(load_manifest(str(file), "v1.1.0", "standard", cache)) == [GATEWAYS, ROUTES]


def test_a_file_is_parsed_once(manifest: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_manifest(str(manifest), "v1.1.0", "standard", cache)
    monkeypatch.setattr("yaml.load_all", Mock(side_effect=AssertionError("parsed again")))
    assert load_manifest(str(manifest), "v1.1.0", "standard", cache) == first
    (manifest / "gateways.yaml").write_bytes((manifest / "gateways.yaml").read_bytes() + b"# another file\n")
    with pytest.raises(AssertionError, match="parsed again"):
        load_manifest(str(manifest), "v1.1.0", "standard", cache)


def test_a_cache_that_cannot_be_written_is_done_without(manifest: Path, cache: Path) -> None:
    cache.write_text("no folder")
    assert names(load_manifest(str(manifest), "v1.1.0", "standard", cache)) == [GATEWAYS, ROUTES]


def test_a_kustomization_and_other_files_in_the_folder_are_no_objects(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "crds.yaml").write_bytes(release(manifest))
    (tmp_path / "kustomization.yaml").write_text("resources: [crds.yaml]")
    (tmp_path / "README.md").write_text("CRDs")
    assert names(load_manifest(str(tmp_path), "v1.1.0", "standard", cache)) == [GATEWAYS, ROUTES]


def test_a_leading_tilde_is_the_home_folder(manifest: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(manifest.parent))
    assert names(load_manifest(f"~/{manifest.name}", "v1.1.0", "standard", cache)) == [GATEWAYS, ROUTES]


@pytest.mark.parametrize(("version", "channel"), [("v1.2.0", "standard"), ("v1.1.0", "experimental")])
def test_another_version_or_channel_is_refused(manifest: Path, cache: Path, version: str, channel: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        load_manifest(str(manifest), version, channel, cache)
    assert str(refused.value) == (
        f"gatewayApiManifest {manifest} holds {GATEWAYS} of version v1.1.0 and channel standard; accepted: "
        f"gatewayApiVersion {version} and gatewayApiChannel {channel}"
    )


def test_a_policy_that_says_another_version_than_its_release_is_taken_as_it_is(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    annotations = {
        "gateway.networking.k8s.io/bundle-version": "v1.5.0-dev",
        "gateway.networking.k8s.io/channel": "standard",
    }
    policy = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "it", "annotations": annotations}, "spec": {}}
    file.write_text(yaml.safe_dump(policy))
    assert load_manifest(str(file), "v1.5.1", "standard", cache) == [policy]


def test_a_crd_without_annotations_is_of_no_version(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "crd.yaml"
    crd = {"kind": "CustomResourceDefinition", "metadata": {"name": "it", "annotations": None}, "spec": {}}
    file.write_text(yaml.safe_dump(crd))
    with pytest.raises(pulumi.RunError, match="holds it of version None and channel None; accepted: gatewayApiVersion"):
        load_manifest(str(file), "v1.1.0", "standard", cache)


@pytest.mark.parametrize("kind", ["missing", "empty folder"])
def test_no_file_and_no_folder_with_yaml_is_refused(tmp_path: Path, cache: Path, kind: str) -> None:
    source = tmp_path / kind
    if kind == "empty folder":
        source.mkdir()
    with pytest.raises(pulumi.RunError) as refused:
        load_manifest(str(source), "v1.1.0", "standard", cache)
    assert str(refused.value) == (
        f"gatewayApiManifest {source} is no file and no folder with .yaml files; accepted: a path of Gateway API "
        "CRDs, or nothing to take the official release"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"<html>no</html>",
        b"- a list",
        b"kind: Thing\nmetadata: {}\nspec: {}",
        b"kind: Thing",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_a_file_that_holds_no_kubernetes_objects_is_refused(tmp_path: Path, cache: Path, content: bytes) -> None:
    file = tmp_path / "crds.yaml"
    file.write_bytes(content)
    message = f"^gatewayApiManifest {re.escape(str(file))} is not YAML of Kubernetes objects: "
    with pytest.raises(pulumi.RunError, match=message) as refused:
        load_manifest(str(file), "v1.1.0", "standard", cache)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(pulumi.RunError, match=r"folder\.yaml is not YAML of Kubernetes objects: .*Is a directory"):
        load_manifest(str(tmp_path), "v1.1.0", "standard", cache)


def test_the_official_release_is_fetched_once_and_that_is_said(
    cache: Path, urlopen: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Mock()
    monkeypatch.setattr("pulumi.info", said)
    first = load_manifest("", "v1.1.0", "standard", cache)
    assert names(first) == [GATEWAYS, ROUTES]
    assert load_manifest("", "v1.1.0", "standard", cache) == first
    urlopen.assert_called_once_with(ADDRESS, timeout=60)
    said.assert_called_once_with(f"Fetching {ADDRESS}")
    assert [file.name for file in (cache / "gateway-api").iterdir()] == ["v1.1.0-standard.yaml"]


@pytest.mark.parametrize(("version", "channel"), [("v1.2.0", "standard"), ("v1.1.0", "experimental")])
def test_what_is_cached_stands_for_its_own_version_and_channel_only(
    cache: Path, urlopen: Mock, version: str, channel: str
) -> None:
    load_manifest("", "v1.1.0", "standard", cache)
    fetched = cache / "gateway-api" / f"{version}-{channel}.yaml"
    with pytest.raises(pulumi.RunError, match=f"^gatewayApiManifest {fetched} holds {GATEWAYS} of version v1.1.0 "):
        load_manifest("", version, channel, cache)
    assert urlopen.call_args.args == (
        f"https://github.com/kubernetes-sigs/gateway-api/releases/download/{version}/{channel}-install.yaml",
    )


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (urllib.error.URLError("no route to host"), "no route to host"),
        (
            urllib.error.HTTPError(ADDRESS, 404, "Not Found", http.client.HTTPMessage(), None),
            "HTTP Error 404: Not Found",
        ),
        (TimeoutError("timed out"), "timed out"),
        (http.client.IncompleteRead(b"half", 4), "IncompleteRead(4 bytes read, 4 more expected)"),
    ],
    ids=["no network", "no such release", "timeout", "cut off"],
)
def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(
    cache: Path, urlopen: Mock, failure: Exception, words: str
) -> None:
    urlopen.side_effect = failure
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(UNFETCHED + words + WAY_OUT)}$"):
        load_manifest("", "v1.1.0", "standard", cache)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("answer", [b"<html>Sign in to the network</html>", b""])
def test_a_page_that_is_no_manifest_is_not_kept(cache: Path, urlopen: Mock, answer: bytes) -> None:
    urlopen.side_effect = lambda *_, **__: io.BytesIO(answer)
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(UNFETCHED)}"):
        load_manifest("", "v1.1.0", "standard", cache)
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_a_full_disk_leaves_nothing(cache: Path, urlopen: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", Mock(side_effect=OSError("No space left on device")))
    with pytest.raises(pulumi.RunError, match="No space left on device"):
        load_manifest("", "v1.1.0", "standard", cache)
    assert urlopen.called
    assert [file for file in cache.rglob("*") if file.is_file()] == []


def test_the_cache_is_under_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "istio-minikube"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "istio-minikube"
