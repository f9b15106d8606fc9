"""What in the cluster is no longer as the program says, also inside Helm releases, which Pulumi does not look into.

The API server itself says what would change: each object is applied to it as a dry run, and the outcome is compared
with the live object. So defaults, normalised quantities and fields that others added are no differences.
"""

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.kube import Kube, RefusedError
from components.kubeconfig import helm_words
from components.ownership import LABEL
from operations import engine
from operations.manifests import clouds
from operations.manifests.changes import changes, said
from operations.manifests.declared import declared, settings_of
from operations.manifests.evaluate import COMMAND, PROJECT, stack_config
from operations.manifests.objects import Api, described
from operations.manifests.render import Rendered, objects
from operations.manifests.stack_secrets import Config, decrypted, secret_texts, without
from operations.pulumi_cli import STATE, Cli
from operations.state.recover import RELEASE

WORKERS = 8
HIDDEN = ("data", "stringData")
FOR_PULUMI = "pulumi.com/"
"""Begins annotations that tell the provider how to wait and to delete; in the cluster nothing reads them."""

# istiod fills in its certificate, and makes its validators strict once it answers:
# https://github.com/istio/istio/blob/1.23.0/pkg/webhooks/validation/controller/controller.go
ISTIODS = frozenset({"caBundle", "failurePolicy"})
WEBHOOKS = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})
Autoscaled = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An object that is not as the program says.

    Attributes:
        item: the object, and the resource that brings it.
        lines: what is different, each a sentence; empty where the object is missing.
    """

    item: Rendered
    lines: tuple[str, ...]

    def __str__(self) -> str:
        release = self.item.resource.token == RELEASE
        source = f"Helm release {self.item.resource.inputs['name']}, " if release else ""
        head = f"{described(self.item.manifest)} ({source}{self.item.resource.name})"
        return "\n    ".join([f"{head}: differs", *self.lines]) if self.lines else f"{head}: missing"


def hidden(item: Rendered) -> bool:
    """Whether the object is a chart's or a Command's, so that neither preview nor refresh looks at it."""
    return item.resource.token in (RELEASE, COMMAND)


def find(stack: str, overrides: Mapping[str, str], helm: Path) -> tuple[Api, int, list[Difference]]:
    """The stack's cluster, how many objects were compared, and those that are not as the program says.

    Raises:
        UserError: helm cannot render a chart.
        KubeError: the cluster cannot be read.
        pulumi.RunError: the program refuses the configuration or the cluster.
    """
    settings = settings_of(stack, overrides)
    config = stack_config(stack, overrides)
    known = decrypted_config(stack, config)
    recorder = declared(stack, overrides, live=True, config=known)
    secrets = secret_texts(config, known)
    api = Api(Path(settings["kubeconfig"]), settings["context"])
    autoscaled = _autoscaled(api.kube)
    with tempfile.TemporaryDirectory() as folder:
        version, flags = cluster_flags(api.kube, settings, Path(folder))
        items = list(objects(recorder.registrations, helm, version, flags))

    def compare(item: Rendered) -> Difference | None:
        return difference(api, item, stack, autoscaled, secrets)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = [each for each in pool.map(compare, items) if each]
    return api, len(items), found


def decrypted_config(stack: str, config: Config) -> Config:
    """The configuration with its secrets, by the Pulumi CLI; as it is where there are none.

    Raises:
        UserError: they cannot be decrypted.
    """
    if not config.secrets:
        return config
    cli = Cli(engine=engine.find(), stack=stack, state=STATE)
    return decrypted(stack, config, cli.engine.binary, PROJECT, cli.environment())


def repair(api: Api, differences: Sequence[Difference]) -> list[Difference]:
    """Apply what Helm and Commands hide, which `up` would not; those of the objects that were put right.

    Raises:
        RefusedError: the API server refuses one; its own words.
    """
    repaired = [each for each in differences if hidden(each.item)]
    for each in repaired:
        api.apply(each.item.manifest)
    return repaired


def difference(
    api: Api, item: Rendered, stack: str, autoscaled: Collection[Autoscaled], secrets: Sequence[str] = ()
) -> Difference | None:
    """How the live object differs, with ``secrets`` masked; None where it does not, or is somebody else's."""
    wanted = ours(item, autoscaled)
    live = api.find(wanted)
    if live is None:
        return Difference(item=item, lines=())
    if wanted["kind"] in WEBHOOKS:
        wanted = clouds.with_exclusions(wanted, live)
    labels = live["metadata"].get("labels", {})
    if hidden(item) and wanted["kind"] == "CustomResourceDefinition" and labels.get(LABEL) != stack:
        return None  # those that were there before stay as they are
    try:
        lines = _told(changes(live, api.dry_run(wanted)), secrets)
    except RefusedError as refusal:
        said = without(str(refusal), secrets)
        lines = [*_told(changes(live, wanted, partly=True), secrets), f"cannot be put back as it is: {said}"]
    return Difference(item=item, lines=tuple(lines)) if lines else None


def ours(item: Rendered, autoscaled: Collection[Autoscaled]) -> dict[str, Any]:
    """What of an object the program decides, and nobody else: not a secret, and no field that a controller sets."""
    manifest = {key: value for key, value in item.manifest.items() if key not in ("status", *item.resource.secrets)}
    kind, metadata = manifest["kind"], manifest["metadata"]
    manifest["metadata"] = {key: value for key, value in metadata.items() if key != "creationTimestamp"}
    if annotations := metadata.get("annotations"):
        told = {key: value for key, value in annotations.items() if not key.startswith(FOR_PULUMI)}
        manifest["metadata"]["annotations"] = told
    if kind == "Secret":
        manifest = {key: value for key, value in manifest.items() if key not in HIDDEN}
    if (kind, metadata.get("namespace", ""), metadata["name"]) in autoscaled:
        manifest["spec"] = {key: value for key, value in manifest["spec"].items() if key != "replicas"}
    return without_istiods(manifest)


def without_istiods(manifest: dict[str, Any]) -> dict[str, Any]:
    """A webhook configuration without what istiod decides in it; any other object as it is."""
    if manifest["kind"] not in WEBHOOKS:
        return manifest
    return {**manifest, "webhooks": _without(manifest.get("webhooks") or [], ISTIODS)}


def cluster_flags(kube: Kube, settings: Mapping[str, str], folder: Path) -> tuple[str, tuple[str, ...]]:
    """The cluster's version, and flags that have helm render a chart as for an upgrade on that very cluster.

    ``folder`` gets a kubeconfig where helm needs one of its own.
    """
    groups = [v["groupVersion"] for group in kube.get("/apis")["groups"] for v in group["versions"]]
    flags = (
        *helm_words(settings["kubeconfig"], settings["context"], folder),
        # dry-run=server: a chart may look up what is there, such as a password that it once made.
        "--dry-run=server",
        "--is-upgrade",
        "--no-hooks",
        "--skip-tests",
        "--api-versions",
        ",".join(groups),
    )
    return kube.get("/version")["gitVersion"], flags


def _autoscaled(kube: Kube) -> frozenset[Autoscaled]:
    """What an autoscaler of anybody's scales."""
    found = kube.objects("/apis/autoscaling/v2/horizontalpodautoscalers")
    targets = [(each["spec"]["scaleTargetRef"], each["metadata"]["namespace"]) for each in found]
    return frozenset((target["kind"], namespace, target["name"]) for target, namespace in targets)


def _without(value: Any, keys: Collection[str]) -> Any:
    """``value`` without these keys, at any depth."""
    if isinstance(value, Mapping):
        return {key: _without(entry, keys) for key, entry in value.items() if key not in keys}
    return [_without(entry, keys) for entry in value] if isinstance(value, list) else value


def _told(found: Iterable[tuple[str, Any, Any]], secrets: Sequence[str]) -> list[str]:
    return [f"{path}: {said(live, secrets)}, should be {said(wanted, secrets)}" for path, live, wanted in found]
