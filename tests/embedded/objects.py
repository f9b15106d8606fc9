"""What the program declares, shown to an API server and to istioctl without making any of it."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.manifests.objects import Api, described, wait_until
from program import lookup
from tests.embedded.stack import stand_ins
from tests.unit.recording import evaluated

Manifest = Mapping[str, Any]


def declared(artefacts: Path, **config: str) -> list[dict[str, Any]]:
    """The Kubernetes objects that stack ``embedded`` declares, but for CRDs and what charts hold."""
    mesh = evaluated("embedded", {**stand_ins(artefacts), **config}, lookup.Cluster())
    inputs = [whole(each.inputs) for each in mesh.registrations if each.token.startswith("kubernetes:")]
    return [each for each in inputs if each.get("kind") not in (None, "CustomResourceDefinition")]


def whole(manifest: Manifest) -> dict[str, Any]:
    """The object with whole numbers written as such: Pulumi hands all numbers over as 9080.0."""
    text = json.dumps(manifest)
    again: dict[str, Any] = json.loads(
        text, parse_float=lambda number: int(number.removesuffix(".0")) if number.endswith(".0") else float(number)
    )
    return again


def delete(api: Api, *manifests: Manifest) -> None:
    """Delete objects one after the other, and in the background all that they own; wait until each is gone.

    A kind that is not served has no objects: its CRD went before them.
    """
    for manifest in manifests:
        if api.find(manifest):
            path = api._path(manifest)
            api.kube.delete(f"{path}?propagationPolicy=Background")
            wait_until(f"{described(manifest)} to be gone", partial(_is_gone, api, path))


def _is_gone(api: Api, path: str) -> bool:
    return api.kube.find(path) is None


def includes(kept: Any, said: Any) -> bool:
    """Whether all of ``said`` was kept; the API server adds defaults, and drops fields that it does not know."""
    if isinstance(said, dict):
        return isinstance(kept, dict) and all(key in kept and includes(kept[key], said[key]) for key in said)
    if isinstance(said, list):
        return len(kept) == len(said) and all(map(includes, kept, said))
    return bool(kept == said)


def complaints(objects: Sequence[Manifest], folder: Path) -> Any:
    """Errors and warnings of ``istioctl analyze``; skips where it is not on PATH."""
    istioctl = shutil.which("istioctl")
    if istioctl is None:
        pytest.skip("no istioctl on PATH: `istioctl analyze` was not asked about the objects")
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    command = [istioctl, "analyze", "--use-kube=false", "--output-threshold=Warning", "--output=json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)
