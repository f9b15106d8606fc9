"""Where credentials come from, beside the one file of test_kube.py."""

import os
import re
from pathlib import Path

import pulumi
import pytest
import yaml

from components import kubeconfig
from components.kube import Kube, KubeError, MissingContextError
from components.kubeconfig import FROM_ENVIRONMENT, IN_CLUSTER, files, helm_words, provider_arguments
from tests.unit.conftest import Run
from tests.unit.fake_api import FakeApi
from tests.unit.loading import loaded

PODS = "/api/v1/pods"


@pytest.fixture
def split(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """KUBECONFIG lists a file that does not exist, an empty one, one with another context, and the API's."""
    other = tmp_path / "other"
    other.write_text(yaml.safe_dump({"contexts": [{"name": "other", "context": {"cluster": "c", "user": "u"}}]}))
    empty = tmp_path / "empty"
    empty.write_text("")
    listed = [tmp_path / "missing", empty, other, api.kubeconfig]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, listed)))
    return other


@pytest.mark.usefixtures("split")
def test_a_context_is_found_in_any_of_the_files(api: FakeApi) -> None:
    api.answer(PODS, {"items": []})
    assert Kube(FROM_ENVIRONMENT, "there").objects(PODS) == []
    (request,) = api.requests
    assert request.headers["Authorization"] == "Bearer secret"


@pytest.mark.usefixtures("split")
def test_a_missing_context_is_refused_with_those_of_all_files() -> None:
    with pytest.raises(MissingContextError, match=r"accepted: gone, other, there$"):
        Kube(FROM_ENVIRONMENT, "x")


def test_without_the_variable_it_is_kubectls_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert files(FROM_ENVIRONMENT) == [Path.home() / ".kube/config"]


def test_one_path_is_one_file(tmp_path: Path) -> None:
    missing = f"{tmp_path}/a{os.pathsep}{tmp_path}/b"
    with pytest.raises(
        MissingContextError, match=re.escape(f"kubeconfig {missing} does not exist; ") + r".*\$KUBECONFIG"
    ):
        Kube(missing, "there")


def test_a_pods_account_is_read_from_where_kubernetes_puts_it(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "ca.crt").write_text("")
    monkeypatch.setattr(kubeconfig, "ACCOUNT", tmp_path)
    monkeypatch.setattr(kubeconfig, "API_SERVER", f"http://127.0.0.1:{api.port}")
    api.answer(PODS, {"items": []})
    kube = Kube(IN_CLUSTER, IN_CLUSTER)
    assert kube.objects(PODS) == []
    assert api.requests[0].headers["Authorization"] == "Bearer of-the-pod"
    assert kube.where.endswith("of context in-cluster in in-cluster")


def test_outside_of_a_pod_there_is_no_such_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "ACCOUNT", tmp_path)
    with pytest.raises(
        KubeError, match=f"^kubeconfig is in-cluster, and {tmp_path}/token does not exist: this runs in no"
    ):
        Kube(IN_CLUSTER, IN_CLUSTER)


def test_the_provider_reads_what_the_program_reads(run: Run) -> None:
    existing = {"clusterMode": "existing", "context": "work"}
    several = run(**existing, kubeconfig=FROM_ENVIRONMENT).inputs("cluster")
    assert "kubeconfig" not in several
    assert several["context"] == "work"
    pod = run(clusterMode="existing", context=IN_CLUSTER, kubeconfig=IN_CLUSTER).inputs("cluster")
    (user,) = yaml.safe_load(pod["kubeconfig"])["users"]
    assert user["user"] == {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}
    assert provider_arguments("~/k", "work") == {"kubeconfig": "~/k", "context": "work"}


def test_helm_reads_it_too(tmp_path: Path) -> None:
    assert helm_words(FROM_ENVIRONMENT, "work", tmp_path) == ["--kube-context", "work"]
    assert helm_words("~/k", "work", tmp_path) == ["--kubeconfig", f"{Path.home()}/k", "--kube-context", "work"]
    file = tmp_path / "kubeconfig"
    assert helm_words(IN_CLUSTER, IN_CLUSTER, tmp_path) == ["--kubeconfig", str(file), "--kube-context", IN_CLUSTER]
    assert yaml.safe_load(file.read_text())["current-context"] == IN_CLUSTER


@pytest.mark.parametrize(("name", "words"), [(FROM_ENVIRONMENT, "kubectl --context c"), (IN_CLUSTER, "kubectl")])
def test_a_person_says_to_kubectl_only_what_it_does_not_find(name: str, words: str) -> None:
    assert kubeconfig.kubectl(name, "c") == words


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            {"kubeconfig": IN_CLUSTER, "context": "work"},
            "context is 'work'; accepted: in-cluster, as kubeconfig is that",
        ),
        ({"kubeconfig": FROM_ENVIRONMENT, "clusterMode": "minikube", "context": "minikube"}, "the path of one file"),
    ],
)
def test_what_cannot_be_is_refused(config: dict[str, str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(told)):
        loaded(**{"clusterMode": "existing", **config})
