"""What an ``up`` would do to the objects of a stack that is there: those inside Helm releases and Commands, too.

Pulumi's own preview tells which releases and Commands change, by their values and texts, and neither what these come to
nor what it entails. A release's objects so far are those that Helm itself has stored, a Command's those that are in the
cluster; those from then on are rendered, as for ``make drift``.
"""

import base64
import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.gateway_api import GROUPS
from components.kube import Kube
from components.objects import SHOWS_OBJECTS
from components.ownership import LABEL
from operations.manifests import drift
from operations.manifests.declared import declared, settings_of
from operations.manifests.effects import CRD, CREATED, DELETED, Effect, compared, effect
from operations.manifests.evaluate import COMMAND, Registration, stack_config
from operations.manifests.objects import Api
from operations.manifests.render import LOADER, Rendered, chart_objects, command_objects, placed
from operations.manifests.stack_secrets import secret_texts, without
from operations.manifests.steps import CREATE, DELETE, REPLACE, SAME, UNKNOWN, UPDATE, Step, Steps
from operations.state.recover import RELEASE, Release, revisions

HEAD = "Objects, inside Helm releases and Commands too; ! restarts pods, replaces an object or deletes a CRD:"
NOTHING = "Objects: none changes inside Helm releases and Commands, and no pod restarts"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KEEP = ("helm.sh/resource-policy", "keep")
DEPLOYED = "deployed"
CHANGING = frozenset({CREATE, UPDATE, REPLACE})
REPLACED = "Pulumi deletes it and creates it anew"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A stack, as its state has it and as its program declares it, in front of its cluster.

    Attributes:
        api: the cluster.
        steps: what Pulumi would do.
        declared: the resources of the program.
        helm: the program.
        flags: what helm is told of the cluster.
        kubernetes: the cluster's version.
        stack: the stack's name.
    """

    api: Api
    steps: Steps
    declared: Sequence[Registration]
    helm: Path
    flags: Sequence[str]
    kubernetes: str
    stack: str

    def effects(self) -> Iterator[Effect]:
        """What becomes of every object, and of those of typed resources only what is marked."""
        for each in self.declared:
            step = self.steps.get((each.token, each.name))
            if step and step.verb in CHANGING:
                if each.token == RELEASE:
                    yield from self._release(each)
                elif each.token == COMMAND and _shows(each.inputs):
                    yield from self._command(each)
        for step in self.steps.values():
            if step.token == RELEASE and step.verb == DELETE:
                yield from self._gone(Release(namespace=step.before["namespace"], name=step.before["name"]))
            elif step.token.startswith("kubernetes:") and step.token != RELEASE:
                yield from _typed(step)
        if any(step.token == COMMAND and step.verb != SAME and _shows(step.before) for step in self.steps.values()):
            yield from self._gone_crds()

    def _release(self, each: Registration) -> Iterator[Effect]:
        release = Release(namespace=each.inputs["namespace"], name=each.inputs["name"])
        before = stored(self.api.kube, release)
        # Helm installs what is in a chart's crds/ with the first revision, and never touches it again.
        flags = [*self.flags, *([] if before is None else ["--include-crds=false"])]
        after = chart_objects(each, self.helm, self.kubernetes, flags)
        if before is None:
            yield Effect(title=f"Helm release {release}", verb=f"is installed: {len(after)} objects", like=CREATED)
        else:
            # Istio's charts look up what istiod has made of their webhooks.
            old, new = ([drift.without_istiods(manifest) for manifest in objects] for objects in (before, after))
            # The values of another revision may have been secret ones, too, which nothing here could tell.
            yield from compared(old, new, f"Helm release {release.name}", secret=bool(each.secrets))

    def _command(self, each: Registration) -> Iterator[Effect]:
        wanted = command_objects(each)
        live = [self.api.find(manifest) for manifest in wanted]
        if not any(live):
            yield Effect(
                title=f"Command {each.name}", verb=f"applies {len(wanted)} objects, all of them new", like=CREATED
            )
            return
        for manifest, found in zip(wanted, live, strict=True):
            if found and found["metadata"].get("labels", {}).get(LABEL) != self.stack:
                continue  # somebody else's, which stays as it is
            after = self.api.dry_run(drift.ours(Rendered(resource=each, manifest=manifest), ())) if found else manifest
            if told := effect(found, after, f"Command {each.name}"):
                yield told

    def _gone(self, release: Release) -> Iterator[Effect]:
        objects = [each for each in stored(self.api.kube, release) or () if not _is_kept(each)]
        yield Effect(title=f"Helm release {release}", verb=f"is uninstalled: {len(objects)} objects", like=DELETED)
        yield from compared([each for each in objects if each["kind"] == CRD], (), f"Helm release {release.name}")

    def _gone_crds(self) -> Iterator[Effect]:
        """CRDs of the stack's that no Command applies any more."""
        commands = [each for each in self.declared if each.token == COMMAND and _shows(each.inputs)]
        wanted = {manifest["metadata"]["name"] for each in commands for manifest in command_objects(each)}
        for metadata in self.api.kube.metadata(f"{CRDS}?labelSelector={LABEL.replace('/', '%2F')}%3D{self.stack}"):
            group = metadata["name"].partition(".")[2]
            if group in GROUPS and metadata["name"] not in wanted:
                crd = self.api.kube.get(f"{CRDS}/{metadata['name']}")
                yield from compared([{"kind": CRD, **crd}], (), "unless custom resources of others need it")


def tell(stack: str, overrides: Mapping[str, str], steps: Steps | None, helm: Path | None) -> str:
    """What ``make preview`` says after Pulumi's own preview, for a stack whose cluster is there.

    Args:
        stack: the stack's name.
        overrides: configuration keys over its own.
        steps: what Pulumi's preview has told, or None where it has told nothing.
        helm: the program, or None where there is none.

    Raises:
        UserError: helm cannot render a chart.
        KubeError: the cluster cannot be read.
        pulumi.RunError: the program refuses the configuration or the cluster.
    """
    if steps is None or helm is None:
        lacking = "this Pulumi CLI tells no events" if steps is None else "helm is neither built yet nor on PATH"
        return f"Objects inside Helm releases and Commands are not shown: {lacking}\n"
    settings, config = settings_of(stack, overrides), stack_config(stack, overrides)
    known = drift.decrypted_config(stack, config)
    recorder = declared(stack, overrides, live=True, config=known)
    api = Api(Path(settings["kubeconfig"]), settings["context"])
    with tempfile.TemporaryDirectory() as folder:
        version, flags = drift.cluster_flags(api.kube, settings, Path(folder))
        preview = Preview(
            api=api,
            steps=steps,
            declared=recorder.registrations,
            helm=helm,
            flags=flags,
            kubernetes=version,
            stack=stack,
        )
        told = listed(preview.effects()).replace(UNKNOWN, "(known after the update)")
        return without(told, secret_texts(config, known))


def listed(effects: Iterable[Effect]) -> str:
    """All of them, those with marks first."""
    found = sorted(effects, key=lambda each: not each.marks)
    return "".join(f"{line}\n" for line in ([HEAD, *map(str, found)] if found else [NOTHING]))


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


def _typed(step: Step) -> Iterator[Effect]:
    """What of a typed resource's change has to be thought about."""
    if step.verb not in (UPDATE, REPLACE) or not (step.before and step.after):
        return
    before, after = (
        {key: value for key, value in each.items() if key[:2] != "__"} for each in (step.before, step.after)
    )
    found = effect(before, after, step.name)
    if found and step.verb == REPLACE:
        found = replace(found, marks=(*found.marks, REPLACED))
    if found and found.marks:
        yield found
