"""``make k9s``: the k9s on PATH, else the one that is built, on the stack's cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.commands import UserError
from embedded import toolchain
from embedded.errors import Unreachable
from operations.access import k9s, shell
from tests.unit.fake_tools import Tool

SETTINGS = {"kubeconfig": "/there/kubeconfig", "context": "work"}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty; nothing is built, and building is an error."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(shell, "STATE", tmp_path / "state")
    monkeypatch.setattr(toolchain, "built", lambda _: False)

    def refused(*_: str) -> None:
        raise Unreachable("Building failed: github.com/derailed/k9s@v0.50.16: 403 Forbidden. Try again.")

    monkeypatch.setattr(toolchain, "ensure", refused)
    return folder


def test_the_one_on_path_is_used_with_the_stacks_context(machine: Path, tmp_path: Path) -> None:
    tool = Tool.install(machine, "k9s")
    assert k9s.run("work", SETTINGS, ["--readonly"]) == 0
    assert tool.words == ["--readonly"]
    assert tool.environment["KUBECONFIG"] == f"{tmp_path}/state/work.context.yaml:/there/kubeconfig"


def test_its_exit_code_is_kept(machine: Path) -> None:
    Tool.install(machine, "k9s").answer("version", "no", 3)
    assert k9s.run("work", SETTINGS, ["version"]) == 3


def test_without_one_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ensure(*names: str) -> toolchain.Folders:
        asked.append(names)
        return replace(toolchain.folders(), k9s=tmp_path / "built")

    monkeypatch.setattr(toolchain, "ensure", ensure)
    tool = Tool.install(tmp_path / "built", "k9s")
    assert k9s.find() == tool.binary
    assert asked == [("k9s",)]


def test_a_module_that_is_refused_is_told_in_one_message_with_the_way_out() -> None:
    with pytest.raises(UserError) as error:
        k9s.find()
    assert str(error.value) == (
        "k9s is not on PATH, and cannot be built from its Go module: Building failed: "
        "github.com/derailed/k9s@v0.50.16: 403 Forbidden. Try again. Or install k9s, see https://k9scli.io/topics/install"
    )
