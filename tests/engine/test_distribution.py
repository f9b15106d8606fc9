"""The package's archives, built as a release builds them."""

import subprocess
import sys
import zipfile
from pathlib import Path

from operations import distribution
from operations.manifests.evaluate import PROJECT


def test_the_wheel_has_every_module_and_the_source_archive_makes_the_same_wheel(tmp_path: Path) -> None:
    source, wheel = sorted(distribution.build(PROJECT, tmp_path), key=lambda file: file.suffix)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "again", source],
        check=True,
    )
    (again,) = (tmp_path / "again").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(zipfile.ZipFile(again).namelist()) == names
    known = subprocess.run(["git", "ls-files", "components"], cwd=PROJECT, check=True, capture_output=True, text=True)
    modules = {file.replace("components", "istio_minikube", 1) for file in known.stdout.split() if file.endswith(".py")}
    assert {name for name in names if ".dist-info/" not in name} == modules | {"istio_minikube/py.typed"}
