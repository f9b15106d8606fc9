import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from components.commands import UserError
from operations.objects import Helm

RELEASE: dict[str, Any] = {
    "name": "istiod",
    "namespace": "istio-system",
    "chart": "charts/istiod-1.23.0.tgz",
    "version": "1.23.0",
    "values": {"pilot": {"replicaCount": 2}},
    "timeout": 600,
}
CONTEXT = ["--kubeconfig", "k", "--kube-context", "c"]
PLACE = ["istiod", "--namespace", "istio-system"]
UPGRADE = [
    *CONTEXT,
    "upgrade",
    "--install",
    *PLACE,
    "charts/istiod-1.23.0.tgz",
    "--version",
    "1.23.0",
    "--values",
    "-",
    "--output",
    "json",
]
TIMEOUT = ["--timeout", "600s"]
GET = [*CONTEXT, "get", "manifest", *PLACE]
# Answers with the file named after its first word that is no option of the context, and writes down what it is told.
SCRIPT = """#!/bin/sh
cd "$(dirname "$0")"
printf '%s\\n' "$*" >> calls
[ -e fails ] && { cat fails >&2; exit 1; }
case "$*" in *" --values "*) cat > values;; esac
cat "$5"
"""


class FakeHelm:
    """A helm that answers from files beside it, one a command."""

    def __init__(self, folder: Path) -> None:
        self.binary = folder / "helm"
        self._folder = folder
        self.binary.write_text(SCRIPT)
        self.binary.chmod(0o755)
        for command, printed in (
            ("uninstall", ""),
            ("upgrade", '{"manifest": "kind: A"}'),
            ("get", ""),
            ("list", "[]"),
        ):
            self.answer(command, printed)

    def answer(self, command: str, printed: str) -> None:
        (self._folder / command).write_text(printed)

    @property
    def calls(self) -> list[str]:
        return (self._folder / "calls").read_text().splitlines()

    @property
    def values(self) -> Any:
        return json.loads((self._folder / "values").read_text())


@pytest.fixture
def fake(tmp_path: Path) -> FakeHelm:
    return FakeHelm(tmp_path)


@pytest.fixture
def helm(fake: FakeHelm) -> Helm:
    return Helm(fake.binary, Path("k"), "c")


def test_a_new_release_is_installed_and_its_manifest_told(fake: FakeHelm, helm: Helm) -> None:
    assert helm.install(RELEASE, deployed=False) == "kind: A"
    assert fake.calls == [" ".join([*UPGRADE, *TIMEOUT])]
    assert fake.values == {"pilot": {"replicaCount": 2}}


def test_a_chart_of_a_repository_is_named_with_its_address(fake: FakeHelm, helm: Helm) -> None:
    helm.install({**RELEASE, "chart": "istiod", "repositoryOpts": {"repo": "https://charts.example"}}, deployed=False)
    assert " istiod --version 1.23.0 --repo https://charts.example --values - " in fake.calls[-1]


def test_a_release_without_values_and_timeout_has_neither(fake: FakeHelm, helm: Helm) -> None:
    helm.install({**RELEASE, "values": None, "timeout": None}, deployed=False)
    assert fake.values == {}
    assert fake.calls[-1].endswith(" --timeout 300s")


@pytest.mark.parametrize(
    ("deployed", "planned", "calls"),
    [
        (True, "kind: A\n\n", [[*UPGRADE, "--dry-run=server"], GET]),
        (True, "kind: B", [[*UPGRADE, "--dry-run=server"], GET, [*UPGRADE, *TIMEOUT]]),
        (False, "kind: A", [[*UPGRADE, *TIMEOUT]]),
    ],
    ids=["the same", "another", "half-made"],
)
def test_a_release_is_left_alone_only_if_it_is_whole_and_would_come_out_the_same(
    fake: FakeHelm, helm: Helm, deployed: bool, planned: str, calls: list[list[str]]
) -> None:
    fake.answer("upgrade", json.dumps({"manifest": planned}))
    fake.answer("get", "kind: A\n")
    assert helm.install(RELEASE, deployed=deployed).strip() == planned.strip()
    assert fake.calls == [" ".join(call) for call in calls]
    assert fake.values == {"pilot": {"replicaCount": 2}}


def test_a_release_is_taken_away_if_it_is_there(fake: FakeHelm, helm: Helm) -> None:
    helm.uninstall(RELEASE)
    assert fake.calls == [" ".join([*CONTEXT, "uninstall", *PLACE, "--wait", "--ignore-not-found"])]


def test_a_helm_at_work_on_a_release_is_told_from_those_on_others(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def listed(*_: object, **__: object) -> Any:
        return Mock(stdout=f"  12 {tmp_path}/{asked[-1]} --timeout 600s HOME=/root\n")

    monkeypatch.setattr("subprocess.run", listed)
    for words, at_work in {
        "helm --kubeconfig k --kube-context c upgrade --install istiod --namespace istio-system": True,
        "helm --kubeconfig k --kube-context c upgrade --install istiod-1-24-6 --namespace istio-system": False,
        "helm --kubeconfig other --kube-context c upgrade --install istiod --namespace istio-system": False,
        "helm --kubeconfig k --kube-context c list --namespace istio-system": False,
        "grep helm --kubeconfig k --kube-context c upgrade --install istiod": False,
    }.items():
        asked.append(words)
        assert helm.is_at_work(RELEASE) is at_work


def test_helms_own_words_are_given(fake: FakeHelm, helm: Helm) -> None:
    fake.answer("fails", "Error: no such\n\tchart\n")
    with pytest.raises(UserError, match=r"^helm uninstall says: Error: no such chart$"):
        helm.uninstall(RELEASE)


def test_of_an_object_in_helms_words_only_the_beginning_is_given(fake: FakeHelm, helm: Helm) -> None:
    fake.answer("fails", "Error: " + "much " * 1000)
    with pytest.raises(UserError, match=r"^helm uninstall says: Error: (much ){100,200}\.\.\.$"):
        helm.uninstall(RELEASE)
