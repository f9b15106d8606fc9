"""The diagram of a stack: its components and what waits for what, in Mermaid, drawn from the program itself."""

import json
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from operations.manifests.declared import declared, settings_of
from operations.manifests.evaluate import Registration

LABEL_WIDTH = 26


def picture(stack: str) -> str:
    """The stack's diagram.

    Raises:
        pulumi.RunError: the program refuses the stack's configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Nothing in the picture depends on which CRDs and charts there are; without downloads it can be had anywhere.
        offline = {"gatewayApiManifest": f"{folder}/crd.yaml", "istioChartRepository": "https://charts.invalid"}
        Path(offline["gatewayApiManifest"]).write_text(yaml.safe_dump(_crd(settings_of(stack))))
        return diagram(declared(stack, offline).registrations)


def diagram(registrations: Sequence[Registration]) -> str:
    """A box for every resource directly under the stack, with the kinds it creates, and an arrow to what waits for it.

    Arrows that follow from others are left out.
    """
    known = {registration.name: registration for registration in registrations}

    def box(name: str) -> str:
        while known[name].parent:
            name = known[name].parent
        return name

    waits: dict[str, set[str]] = {name: set() for name in sorted({box(name) for name in known})}
    kinds: dict[str, set[str]] = {name: set() for name in waits}
    for name, registration in known.items():
        if registration.parent:
            kinds[box(name)].add(registration.token.rsplit(":", 1)[1])
        needed = {*registration.dependencies, *filter(None, [registration.provider])}
        waits[box(name)] |= {box(other) for other in needed} - {box(name)}
    lines = [f"    {name}[{json.dumps(_label(known[name], kinds[name]))}]" for name in waits]
    lines += [f"    {other} --> {name}" for name, others in reduced(waits).items() for other in sorted(others)]
    return "\n".join(["flowchart LR", *lines])


def reduced(waits: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """``waits`` without what follows from the rest: its transitive reduction."""

    def reach(name: str) -> set[str]:
        found: set[str] = set()
        ahead = set(waits[name])
        while ahead:
            found |= ahead
            ahead = set().union(*(waits[other] for other in ahead)) - found
        return found

    # Components may wait for each other, though no two resources do: nothing follows from such an arrow.
    behind = {name: [reach(other) for other in others if name not in reach(other)] for name, others in waits.items()}
    return {name: others.difference(*behind[name]) for name, others in waits.items()}


def _label(registration: Registration, kinds: set[str]) -> str:
    """A component's class over what it creates; any other resource's name over its type."""
    if registration.custom:
        return f"<b>{registration.name}</b><br/>{registration.token.removeprefix('pulumi:')}"
    title = registration.token.rsplit(":", 1)[1]
    return "<br/>".join([f"<b>{title}</b>", *textwrap.wrap(", ".join(sorted(kinds)), LABEL_WIDTH)])


def _crd(settings: Mapping[str, str]) -> dict[str, object]:
    annotations = {
        "gateway.networking.k8s.io/bundle-version": settings["gatewayApiVersion"],
        "gateway.networking.k8s.io/channel": settings["gatewayApiChannel"],
    }
    return {"kind": "CustomResourceDefinition", "metadata": {"name": "crd", "annotations": annotations}, "spec": {}}
