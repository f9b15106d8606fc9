import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from program.config import paths


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """$HOME, and what the password database says; as they are with sudo or in a container of CI."""
    found = {"home": tmp_path / "home", "database": tmp_path / "database"}
    monkeypatch.setenv("HOME", str(found["home"]))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(found["database"])))
    return found


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("pulumi.warn", told.append)
    return told


@pytest.mark.parametrize("written", ["~", "~/.kube/config", "/etc/kubeconfig", "kubeconfig", "k/~/x"])
def test_where_home_is_the_users_a_path_stays_as_it_is_written_on_every_machine(
    homes: dict[str, Path], warnings: list[str], monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("HOME", str(homes["database"]))
    assert paths.kubeconfig(written) == written
    assert warnings == []


def test_where_they_differ_the_path_is_the_whole_one_by_home_and_a_warning_names_both(
    homes: dict[str, Path], warnings: list[str]
) -> None:
    assert paths.kubeconfig("~/.kube/config") == f"{homes['home']}/.kube/config"
    assert warnings == [
        f"kubeconfig '~/.kube/config' is {homes['home']}/.kube/config, by $HOME, and not "
        f"{homes['database']}/.kube/config, as the Kubernetes provider has it"
    ]


@pytest.mark.usefixtures("homes")
def test_a_path_without_a_tilde_does_not_depend_on_it(warnings: list[str]) -> None:
    assert paths.kubeconfig("/etc/kubeconfig") == "/etc/kubeconfig"
    assert warnings == []


def test_the_home_of_a_named_user_is_nothing_to_the_provider(warnings: list[str]) -> None:
    root = pwd.getpwnam("root").pw_dir
    assert paths.kubeconfig("~root/config") == f"{root}/config"
    assert len(warnings) == 1


def test_a_user_without_a_name_is_at_home_where_home_says(
    monkeypatch: pytest.MonkeyPatch, homes: dict[str, Path], warnings: list[str]
) -> None:
    def unknown(_: int) -> Any:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert homes
    assert paths.kubeconfig("~/.kube/config") == "~/.kube/config"
    assert warnings == []
