"""Every manifest that a stack would apply, one file an object: no cluster and no Pulumi CLI."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import yaml

from components.chart_values import told
from components.commands import UserError
from components.objects import SHOWS_OBJECTS
from embedded import artifacts, toolchain
from embedded.access import DEFAULT_ROOT
from operations.manifests.declared import declared, settings_of
from operations.manifests.evaluate import COMMAND, PROJECT, Recorder, Registration
from operations.manifests.objects import run_command
from operations.stacks import write_artifacts
from operations.state.recover import RELEASE
from program.config.values import MASK

CLUSTER_FOLDER = "_cluster"
STAND_INS = DEFAULT_ROOT / "stand-ins"
"""Stand-ins for Istio's charts, and CRDs: beside the embedded cluster's own, which a real node has from Istio."""

# Beside these, an object of a chart that names no namespace goes into its release's.
CLUSTER_KINDS = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "GatewayClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
# libyaml takes a tenth of the time for some 50,000 lines of CRDs.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """An object of the cluster, and the resource of the program that brings it: itself, or a Helm release."""

    resource: Registration
    manifest: Mapping[str, Any]


def render(stack: str, overrides: Mapping[str, str]) -> tuple[Recorder, list[Rendered]]:
    """What the program declares as ``stack``, and every object that this comes to, charts rendered, in a stable order.

    Raises:
        UserError: helm cannot render a chart; names the release and says what to set.
        pulumi.RunError: the program refuses the configuration.
    """
    settings = settings_of(stack, overrides)
    if settings["istioChartRepository"] != str(STAND_INS / "charts"):
        write_artifacts(DEFAULT_ROOT, settings)
    recorder = declared(stack, overrides)
    helm = toolchain.ensure("cluster").cluster / "helm"
    found = objects(recorder.registrations, helm, settings["kubernetesVersion"], own=shown)
    return recorder, sorted(found, key=lambda item: file_name(item.manifest))


def objects(
    resources: Iterable[Registration],
    helm: Path,
    kubernetes: str,
    flags: Sequence[str] = (),
    own: Callable[[Registration], Mapping[str, Any]] = attrgetter("inputs"),
) -> Iterator[Rendered]:
    """Every object that resources come to.

    Args:
        resources: the program's.
        helm: the program that renders charts.
        kubernetes: the version of Kubernetes that they are rendered for.
        flags: further ones of helm's.
        own: gives the object that a typed resource is.
    """
    for resource in resources:
        if resource.token == RELEASE:
            manifests: Iterable[Mapping[str, Any]] = chart_objects(resource, helm, kubernetes, flags)
        elif resource.token == COMMAND:
            manifests = command_objects(resource)
        else:
            manifests = [own(resource)] if resource.token.startswith("kubernetes:") else ()
        for manifest in manifests:
            yield Rendered(resource=resource, manifest=manifest)


def find_helm() -> Path | None:
    """A helm that is there already: the one that is built, else the one on PATH."""
    if toolchain.built("cluster"):
        return toolchain.folders().cluster / "helm"
    on_path = shutil.which("helm")
    return Path(on_path) if on_path else None


def stand_ins(stack: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """``overrides`` on top of the charts and CRDs in STAND_INS, written there, in the place of addresses."""
    settings = settings_of(stack, overrides)
    for version in artifacts.istio_versions(settings):
        artifacts.prepare(STAND_INS, version, settings["gatewayApiVersion"])
    manifest = STAND_INS / "gateway-api" / settings["gatewayApiVersion"] / settings["gatewayApiChannel"]
    return {"istioChartRepository": str(STAND_INS / "charts"), "gatewayApiManifest": str(manifest), **overrides}


def chart_objects(
    release: Registration, helm: Path, kubernetes: str, flags: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A release's objects as ``helm template`` renders them for a version of Kubernetes, the chart's crds/ included.

    ``flags`` are further ones of helm's.

    Raises:
        UserError: helm refuses; its own words and what to set.
    """
    inputs = release.inputs  # secrets are masked in the stack's configuration, each where it stands
    repository = (inputs.get("repositoryOpts") or {}).get("repo")
    command = [
        *(str(helm), "template", inputs["name"], inputs["chart"], "--version", inputs["version"]),
        *(["--repo", repository] if repository else []),
        *("--namespace", inputs["namespace"], "--kube-version", kubernetes, "--include-crds", "--values", "-"),
        *flags,
    ]
    values = json.dumps(told(inputs))
    done = subprocess.run(command, cwd=PROJECT, input=values, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"{release.name}: helm cannot render chart {inputs['chart']} {inputs['version']}: {done.stderr.strip()}. "
            "Where its repository cannot be reached, set the key that names it (istioChartRepository for Istio) to a "
            "folder that holds NAME-VERSION.tgz, with --config KEY=VALUE or in the stack's file"
        )
    return [placed(document, inputs["namespace"]) for document in yaml.load_all(done.stdout, LOADER) if document]


def command_objects(command: Registration) -> list[dict[str, Any]]:
    """The objects that a Command applies, which it has printed by what it says in its environment; none for most.

    Raises:
        UserError: they cannot be printed; with the words of what should.
    """
    environment = command.inputs.get("environment") or {}
    if not (show := environment.get(SHOWS_OBJECTS)):
        return []
    printed = run_command(show, command.inputs, PROJECT)["stdout"]
    return [document for document in yaml.load_all(printed, LOADER) if document]


def shown(resource: Registration) -> dict[str, Any]:
    """A resource's inputs, with those that hold a secret masked."""
    return {key: hidden(value) if key in resource.secrets else value for key, value in resource.inputs.items()}


def hidden(value: Any) -> Any:
    """``value`` with nothing left but its keys."""
    return {key: hidden(item) for key, item in value.items()} if isinstance(value, Mapping) else MASK


def placed(manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A chart's object with its namespace said: helm puts what names none into the release's."""
    if manifest["kind"] in CLUSTER_KINDS or "namespace" in manifest["metadata"]:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def file_name(manifest: Mapping[str, Any]) -> str:
    """NAMESPACE/KIND.GROUP-NAME.yaml: the same object always has the same name, and no two share one."""
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    kind = ".".join(filter(None, (manifest["kind"].lower(), group)))
    name = re.sub(r"[^-.a-z0-9]", "_", metadata["name"])
    return f"{metadata.get('namespace', CLUSTER_FOLDER)}/{kind}-{name}.yaml"


def masked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest that may be shown: a Secret keeps its keys and loses its values."""
    if manifest["kind"] != "Secret":
        return dict(manifest)
    return {**manifest, **{field: hidden(manifest[field]) for field in ("data", "stringData") if manifest.get(field)}}


def write(objects: Iterable[Rendered], out: Path) -> int:
    """Write the objects into ``out``, which is made anew; how many there are.

    Raises:
        UserError: ``out`` holds something else than a rendering or cannot be written, or two resources bring the same
            object.
    """
    _refuse_foreign(out)
    try:
        return _write(objects, out)
    except OSError as error:
        raise UserError(
            f"--out {out} cannot be written: {error.strerror}; accepted: a folder on a disk with room"
        ) from error


def _write(objects: Iterable[Rendered], out: Path) -> int:
    out.parent.mkdir(parents=True, exist_ok=True)
    brought: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as workshop:
        draft = Path(workshop) / out.name
        draft.mkdir()
        for item in objects:
            name, resource = file_name(item.manifest), item.resource.name
            if name in brought:
                raise UserError(f"{brought[name]} and {resource} both bring {name}; leave it to one of them")
            brought[name] = resource
            file = draft / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(yaml.dump(masked(item.manifest), Dumper=DUMPER, width=120))
        shutil.rmtree(out, ignore_errors=True)
        draft.rename(out)
    return len(brought)


def _refuse_foreign(out: Path) -> None:
    """A folder that holds more than a rendering would lose it."""
    if out.is_file():
        raise UserError(f"--out {out} is a file; accepted: a folder that is new, empty or a former rendering")
    for path in out.rglob("*") if out.is_dir() else ():
        depth = len(path.relative_to(out).parts)
        if not (path.is_dir() and depth == 1) and not (path.suffix == ".yaml" and depth == 2):
            raise UserError(
                f"--out {out} holds {path.relative_to(out)}, which is no manifest of a rendering; "
                "accepted: a folder that is new, empty or a former rendering"
            )
