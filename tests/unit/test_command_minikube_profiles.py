import json
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.commands.profiles import Listing, listed, parse
from tests.unit.fake_minikube import FakeMinikube, profile


@pytest.fixture
def minikube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMinikube:
    monkeypatch.setenv("PATH", str(tmp_path))
    return FakeMinikube.install(tmp_path)


def listing(minikube: FakeMinikube, **state: Any) -> Listing:
    minikube.set(**state)
    return listed(str(minikube.folder / "kubeconfig"))


def test_a_new_machine_has_no_profiles(minikube: FakeMinikube) -> None:
    assert listing(minikube) == Listing(profiles={})


def test_a_profile_is_found_by_its_exact_name(minikube: FakeMinikube) -> None:
    found = listing(minikube, profiles={"minikube": profile(memory=3000), "minikube2": profile()})
    assert (found.find("mini"), found.find("m02")) == (None, None)
    one = found.find("minikube")
    assert one
    assert (one.memory, one.cpus, one.driver, one.kubernetes_version) == (3000, 4, "docker", "v1.30.0")


@pytest.mark.parametrize(
    ("status", "runs"),
    [("OK", True), ("Running", True), ("Stopped", False), ("Paused", False), ("Starting", False), ("", False)],
)
def test_a_profile_runs_or_is_for_minikube_to_start(minikube: FakeMinikube, status: str, runs: bool) -> None:
    found = listing(minikube, profiles={"minikube": profile(status=status)}).find("minikube")
    assert found
    assert found.runs is runs


def test_the_nodes_of_a_profile_are_no_profiles(minikube: FakeMinikube) -> None:
    found = listing(minikube, profiles={"multi": profile(nodes=["", "m02"])}, refused=["multi-m02"])
    assert "multi-m02" not in found
    assert found.profiles["multi"].machines == {"multi", "multi-m02"}
    with pytest.raises(UserError, match="which is a node of minikube profile 'multi'"):
        found.find("multi-m02")


def test_what_a_refused_start_has_left_is_no_profile(minikube: FakeMinikube) -> None:
    found = listing(minikube, refused=["minikube"])
    assert "minikube" not in found
    assert found.find("minikube") is None


def test_a_profile_with_a_configuration_that_is_none_is_broken(minikube: FakeMinikube) -> None:
    found = listing(minikube, broken=["minikube"])
    assert "minikube" in found
    with pytest.raises(
        UserError,
        match=r"exists but is broken \(.*\)\. Delete it with `minikube delete -p minikube`, or choose another",
    ):
        found.find("minikube")


def test_a_broken_kubeconfig_is_named(minikube: FakeMinikube) -> None:
    (minikube.folder / "kubeconfig").write_text("broken: [")
    with pytest.raises(UserError, match=rf"failed \(exit code 80\).* It is {minikube.folder}/kubeconfig: "):
        listed(str(minikube.folder / "kubeconfig"))


@pytest.mark.parametrize(("text", "shown"), [("", "nothing"), ("[]", "[]"), ('{"valid":[]}', '{"valid":[]}')])
def test_a_listing_of_another_shape_is_shown_in_the_error(text: str, shown: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert str(caught.value) == f"`minikube profile list -o json` did not list the profiles; it printed: {shown}"


def test_what_minikube_says_where_it_cannot_list_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minikube").write_text("#!/bin/sh\necho no home folder >&2; exit 37\n")
    (tmp_path / "minikube").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"it printed: nothing no home folder$"):
        listed("")


def test_the_real_listing_of_a_profile_that_failed_half_way_can_be_read() -> None:
    # As minikube 1.38.1 printed it, less fields that nothing here reads.
    config = {
        "Name": "fail",
        "Memory": 3000,
        "CPUs": 2,
        "Driver": "docker",
        "KubernetesConfig": {"KubernetesVersion": "v1.30.0", "ClusterName": "fail"},
        "Nodes": [{"Name": "", "IP": "", "Port": 8443, "KubernetesVersion": "v1.30.0", "ControlPlane": True}],
    }
    entry = {"Name": "fail", "Status": "", "Config": config, "Active": False, "ActiveKubeContext": False}
    found = parse(json.dumps({"invalid": [], "valid": [entry]})).find("fail")
    assert found
    assert (found.runs, found.described) == (False, "in a state that minikube has no word for")
