"""What an update does to an object, told from its manifest before and after; what to think about first is marked."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from operations.manifests.changes import ABSENT, changes, said
from operations.manifests.objects import described
from operations.manifests.render import LOADER, file_name, masked
from program.config.values import MASK

CRD = "CustomResourceDefinition"
CREATED, CHANGED, DELETED = "is created", "changes", "is deleted"
SIGNS = {CREATED: "+", CHANGED: "~", DELETED: "-"}
MARK = "!"
"""Begins the line of an effect with marks; GitHub colours it in a comment's diff, as it does plus and minus."""

RESTARTS = "restarts its pods"
LINES_SHOWN = 12
"""Of each object; a text that changes counts by its lines."""

WORKLOADS = frozenset({"DaemonSet", "Deployment", "StatefulSet"})
TEMPLATE = "spec.template"

FIXED: Mapping[str, tuple[str, ...]] = {
    "ClusterRoleBinding": ("roleRef",),
    CRD: ("spec.group", "spec.scope"),
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "Job": ("spec.completionMode", "spec.selector", TEMPLATE),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName", "spec.volumeMode", "spec.volumeName"),
    "RoleBinding": ("roleRef",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP",),
    "StatefulSet": ("spec.podManagementPolicy", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "StorageClass": ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
}
"""Fields by kind that the API server lets nobody change.

Source: Kubernetes' validation of updates, and what the Kubernetes provider replaces an object for:
https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/provider/diff.go
"""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What happens to an object.

    Attributes:
        title: the object, and what brings it.
        verb: CREATED, CHANGED or DELETED; or another, of a release as a whole, which begins with ``like``'s sign.
        marks: what it entails; empty where nothing has to be thought about.
        lines: what changes in it.
        like: CREATED, CHANGED or DELETED, where the verb is another.
    """

    title: str
    verb: str
    marks: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    like: str = ""

    def __str__(self) -> str:
        sign = MARK if self.marks else SIGNS[self.like or self.verb]
        head = f"{sign} {self.title} {self.verb}{': ' if self.marks else ''}{'; '.join(self.marks)}"
        shown = list(self.lines[:LINES_SHOWN])
        if len(self.lines) > LINES_SHOWN:
            shown.append(f"... {len(self.lines) - LINES_SHOWN} lines more")
        return "\n".join([head, *(f"      {line}" for line in shown)])


def effect(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, by: str = "", *, secret: bool = False
) -> Effect | None:
    """What becomes of an object; None where it stays as it is.

    Args:
        before: its manifest so far; None where it is not there.
        after: its manifest from then on; None where it goes.
        by: what brings it, for the reader.
        secret: whether values may hold secrets: then only the paths of changes are told.
    """
    manifest = after or before
    if manifest is None:
        return None
    title = described(manifest) + (f" ({by})" if by else "")
    if after is None:
        marks = (f"deletes every {_kind_of(manifest)} in the cluster",) if manifest["kind"] == CRD else ()
        return Effect(title=title, verb=DELETED, marks=marks)
    if before is None:
        return Effect(title=title, verb=CREATED)
    found = list(changes(before, after))
    if not found:
        return None
    hidden = masked(after) != after or masked(before) != before or secret
    return Effect(title=title, verb=CHANGED, marks=_marks(after, found), lines=tuple(_told(found, hidden=hidden)))


def compared(
    before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], by: str = "", *, secret: bool = False
) -> list[Effect]:
    """What becomes of objects that are there before, after, or both, by kind, namespace and name; as for ``effect``."""
    old, new = ({file_name(each): each for each in objects} for objects in (before, after))
    found = (effect(old.get(name), new.get(name), by, secret=secret) for name in sorted({**old, **new}))
    return [each for each in found if each]


def of_folders(base: Path, head: Path) -> list[Effect]:
    """What becomes of the objects of two renderings."""
    files = {path.relative_to(folder) for folder in (base, head) for path in folder.rglob("*.yaml")}
    read = (
        (_read(base / name), _read(head / name)) for name in sorted(files) if _text(base / name) != _text(head / name)
    )
    return [each for before, after in read if (each := effect(before, after))]


def marked(effects: Iterable[Effect]) -> str:
    """A line for each effect with marks, without what changes; empty where there is none."""
    heads = [str(Effect(title=each.title, verb=each.verb, marks=each.marks)) for each in effects if each.marks]
    return "".join(f"{head}\n" for head in heads)


def _marks(after: Mapping[str, Any], found: Sequence[tuple[str, Any, Any]]) -> tuple[str, ...]:
    kind, paths = after["kind"], [path for path, _, _ in found]
    marks = []
    on_delete = (after.get("spec", {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    if kind in WORKLOADS and not on_delete and any(_is_below(path, TEMPLATE) for path in paths):
        marks.append(RESTARTS)
    if fixed := [field for field in FIXED.get(kind, ()) if any(_is_below(path, field) for path in paths)]:
        marks.append(f"{', '.join(fixed)} cannot be changed in place: Pulumi replaces it, Helm and kubectl are refused")
    return tuple(marks)


def _is_below(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}.", f"{field}["))


def _kind_of(crd: Mapping[str, Any]) -> str:
    return str(crd.get("spec", {}).get("names", {}).get("kind") or crd["metadata"]["name"])


def _told(found: Iterable[tuple[str, Any, Any]], *, hidden: bool) -> Iterator[str]:
    for path, before, after in found:
        if hidden:
            yield f"{path}: {MASK}"
        elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
            yield f"{path}:"
            differing = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
            yield from (f"  {line}" for line in list(differing)[2:] if not line.startswith("@@"))
        elif before == ABSENT:
            yield f"{path}: {said(after)} is added"
        elif after == ABSENT:
            yield f"{path}: {said(before)} is removed"
        else:
            yield f"{path}: {said(before)} -> {said(after)}"


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _read(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    read: dict[str, Any] = yaml.load(file.read_text(), LOADER)  # noqa: S506 a safe loader
    return read
