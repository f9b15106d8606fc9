"""What an ``up`` would do to the objects of a stack that is there: those inside Helm releases and Commands, too.

Pulumi's own preview shows the values of a release and the text of a Command, and neither what they come to nor what
they entail. A release's objects so far are those that Helm itself has stored, a Command's those that are in the
cluster; those from then on are rendered, as for ``make drift``.
"""

import base64
import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.gateway_api import GROUPS
from components.kube import Kube
from components.objects import SHOWS_OBJECTS
from components.ownership import LABEL
from operations.manifests import drift
from operations.manifests.declared import declared, settings_of
from operations.manifests.effects import CRD, Effect, compared, effect
from operations.manifests.evaluate import COMMAND, Registration, stack_config
from operations.manifests.objects import Api
from operations.manifests.render import LOADER, RELEASE, Rendered, chart_objects, command_objects, placed
from operations.manifests.stack_secrets import secret_texts, without
from operations.pulumi_cli import Cli
from operations.recover import Release, revisions

HEAD = "Objects, inside Helm releases and Commands too; ! restarts pods, replaces an object or deletes a CRD:"
NOTHING = "Objects: none changes inside Helm releases and Commands, and no pod restarts"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KEEP = ("helm.sh/resource-policy", "keep")
DEPLOYED = "deployed"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A stack, as its state has it and as its program declares it, in front of its cluster.

    Attributes:
        api: the cluster.
        state: the resources of the state, by type and logical name.
        declared: those of the program.
        helm: the program.
        flags: what helm is told of the cluster.
        kubernetes: the cluster's version.
        stack: the stack's name.
    """

    api: Api
    state: Mapping[tuple[str, str], Mapping[str, Any]]
    declared: Sequence[Registration]
    helm: Path
    flags: Sequence[str]
    kubernetes: str
    stack: str

    def effects(self) -> Iterator[Effect]:
        """What becomes of every object, and of those of typed resources only what is marked."""
        for each in self.declared:
            if each.token == RELEASE:
                yield from self._release(each)
            elif each.token == COMMAND:
                yield from self._command(each)
            elif each.token.startswith("kubernetes:") and (before := self._recorded(each)):
                found = effect(_without(before, each.secrets), _without(each.inputs, each.secrets), each.name)
                if found and found.marks:
                    yield found
        yield from self._gone_releases()
        yield from self._gone_crds()

    def _recorded(self, each: Registration) -> Mapping[str, Any] | None:
        return self.state.get((each.token, each.name))

    def _is_same(self, each: Registration) -> bool:
        """Whether the state has the very inputs, so that Pulumi leaves the resource alone."""
        recorded = self._recorded(each)
        return recorded is not None and all(recorded.get(key) == value for key, value in each.inputs.items())

    def _release(self, each: Registration) -> Iterator[Effect]:
        if self._is_same(each):
            return
        release = Release(namespace=each.inputs["namespace"], name=each.inputs["name"])
        before = stored(self.api.kube, release)
        # Helm installs what is in a chart's crds/ with the first revision, and never touches it again.
        flags = [*self.flags, *([] if before is None else ["--include-crds=false"])]
        after = chart_objects(each, self.helm, self.kubernetes, flags)
        if before is None:
            yield Effect(title=f"Helm release {release}", verb=f"is installed: {len(after)} objects")
        else:
            # The values of another revision may have been secret ones, too, which nothing here could tell.
            yield from compared(before, after, f"Helm release {release.name}", secret=bool(each.secrets))

    def _command(self, each: Registration) -> Iterator[Effect]:
        if self._is_same(each) or not _shows(each.inputs):
            return
        wanted = command_objects(each)
        live = [self.api.find(manifest) for manifest in wanted]
        if not any(live):
            yield Effect(title=f"Command {each.name}", verb=f"applies {len(wanted)} objects, all of them new")
            return
        for manifest, found in zip(wanted, live, strict=True):
            if found and found["metadata"].get("labels", {}).get(LABEL) != self.stack:
                continue  # somebody else's, which stays as it is
            after = self.api.dry_run(drift.ours(Rendered(resource=each, manifest=manifest), ())) if found else manifest
            if told := effect(found, after, f"Command {each.name}"):
                yield told

    def _gone_releases(self) -> Iterator[Effect]:
        still = {(each.inputs["namespace"], each.inputs["name"]) for each in self.declared if each.token == RELEASE}
        for (token, _), inputs in self.state.items():
            if token == RELEASE and (inputs["namespace"], inputs["name"]) not in still:
                release = Release(namespace=inputs["namespace"], name=inputs["name"])
                objects = [each for each in stored(self.api.kube, release) or () if not _is_kept(each)]
                yield Effect(title=f"Helm release {release}", verb=f"is uninstalled: {len(objects)} objects")
                crds = [each for each in objects if each["kind"] == CRD]
                yield from compared(crds, (), f"Helm release {release.name}")

    def _gone_crds(self) -> Iterator[Effect]:
        """CRDs of the stack's that no Command applies any more."""
        commands = [each for each in self.declared if each.token == COMMAND and _shows(each.inputs)]
        before = {name for (token, name), inputs in self.state.items() if token == COMMAND and _shows(inputs)}
        if before <= {each.name for each in commands if self._is_same(each)}:
            return
        wanted = {manifest["metadata"]["name"] for each in commands for manifest in command_objects(each)}
        for metadata in self.api.kube.metadata(f"{CRDS}?labelSelector={LABEL.replace('/', '%2F')}%3D{self.stack}"):
            group = metadata["name"].partition(".")[2]
            if group in GROUPS and metadata["name"] not in wanted:
                crd = self.api.kube.get(f"{CRDS}/{metadata['name']}")
                yield from compared([{"kind": CRD, **crd}], (), "unless somebody else's objects need it")


def tell(stack: str, overrides: Mapping[str, str], cli: Cli, helm: Path | None) -> str:
    """What ``make preview`` says after Pulumi's own preview, for a stack whose cluster is there.

    Args:
        stack: the stack's name.
        overrides: configuration keys over its own.
        cli: the CLI, with the stack selected.
        helm: the program, or None where there is none.

    Raises:
        UserError: helm cannot render a chart.
        KubeError: the cluster cannot be read.
        pulumi.RunError: the program refuses the configuration or the cluster.
    """
    if helm is None:
        return (
            "Objects inside Helm releases are not shown: helm is not on PATH, and `make drift` has not built it yet\n"
        )
    settings, config = settings_of(stack, overrides), stack_config(stack, overrides)
    known = drift.decrypted_config(stack, config)
    recorder = declared(stack, overrides, found=None, config=known)
    api = Api(Path(settings["kubeconfig"]), settings["context"])
    with tempfile.TemporaryDirectory() as folder:
        version, flags = drift.cluster_flags(api.kube, settings, Path(folder))
        preview = Preview(
            api=api,
            state=recorded(cli.export()),
            declared=recorder.registrations,
            helm=helm,
            flags=flags,
            kubernetes=version,
            stack=stack,
        )
        return without(listed(preview.effects()), secret_texts(config, known))


def listed(effects: Iterable[Effect]) -> str:
    """All of them, those with marks first."""
    found = sorted(effects, key=lambda each: not each.marks)
    return "".join(f"{line}\n" for line in ([HEAD, *map(str, found)] if found else [NOTHING]))


def recorded(exported: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The inputs of a state's resources, by type and logical name."""
    resources = exported["deployment"].get("resources") or ()
    return {(each["type"], each["urn"].split("::", 3)[3]): each.get("inputs") or {} for each in resources}


def stored(kube: Kube, release: Release) -> list[dict[str, Any]] | None:
    """The objects of the revision that Helm has deployed of a release; None where there is none."""
    found = [each for each in revisions(kube, [release]) if each.status == DEPLOYED]
    if not found:
        return None
    secret = kube.get(max(found, key=lambda each: each.number).secret)
    # Helm's own encoding within the Secret's: https://github.com/helm/helm/blob/v3.18.5/pkg/storage/driver/util.go
    content = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    objects = [each for each in yaml.load_all(content["manifest"], LOADER) if each]
    return [placed(each, release.namespace) for each in objects]


def _shows(inputs: Mapping[str, Any]) -> bool:
    """Whether a Command applies objects."""
    return SHOWS_OBJECTS in (inputs.get("environment") or {})


def _is_kept(manifest: Mapping[str, Any]) -> bool:
    name, value = KEEP
    return (manifest["metadata"].get("annotations") or {}).get(name) == value


def _without(inputs: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in secrets and not key.startswith("__")}
