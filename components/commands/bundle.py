"""Brings the CRDs of a Gateway API release (its "bundle") as a stack's own, or prints them.

    python -m commands.bundle apply --kubeconfig K --context C RELEASE
    python -m commands.bundle show RELEASE
    RELEASE: --stack S --version V --channel standard|experimental --names NAME,... [--source FILE or FOLDER]

`apply` prints the names of the CRDs once the API server serves them. Both refuse a release whose digest is not the one
in BUNDLE in the environment: what is applied is what was previewed.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pulumi
import yaml

from ..gateway_api import BUNDLE_VERSION, CHANNEL, POLICY, cache_folder, digest, labelled, load_manifest
from ..kube import APPLY, MERGE, Kube, RefusedError
from . import UserError, run
from .ambient import condition
from .crds import CRDS, OWNER

FIELD_MANAGER = "istio-minikube"
ESTABLISHED_SECONDS = 60
POLL_SECONDS = 0.1
POLICY_SECONDS = 15
BINDING = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/{POLICY}"


def bundle(source: str, version: str, channel: str, names: Sequence[str], stack: str) -> list[dict[str, Any]]:
    """The release's CRDs of these names, labelled as the stack's.

    Raises:
        UserError: the release cannot be had, or is not the one that was previewed.
    """
    try:
        release = load_manifest(source, version, channel, cache_folder())
    except pulumi.RunError as error:
        raise UserError(str(error)) from error
    found = [document for document in release if document["metadata"]["name"] in names]
    seen, previewed = digest(found), os.environ["BUNDLE"]
    if seen not in previewed:
        raise UserError(
            f"the Gateway API's CRDs in {source or 'the cache'} have changed since they were previewed: they are "
            f"{seen}, and {previewed} was announced. Run the same command again to see and apply what is there"
        )
    return [{**document, "metadata": labelled(document["metadata"], {OWNER: stack})} for document in found]


def apply(kube: Kube, crds: Sequence[Mapping[str, Any]], stack: str) -> None:
    """Apply the CRDs side by side, wait until each is served, and print their names.

    Raises:
        UserError: one of them has become somebody else's, or is not served in time.
    """
    there = {item["name"]: item.get("labels", {}).get(OWNER) for item in kube.metadata(CRDS)}
    for crd in crds:
        name = crd["metadata"]["name"]
        if there.get(name, stack) != stack:
            raise UserError(
                f"CRD {name} is there and not this stack's: nothing was applied. Run the same command again, which "
                "leaves it to whoever brought it"
            )
    with _unguarded(kube, crds, stack), ThreadPoolExecutor(len(crds)) as pool:
        for name in pool.map(lambda crd: _apply(kube, crd), crds):
            print(name)


@contextmanager
def _unguarded(kube: Kube, crds: Sequence[Mapping[str, Any]], stack: str) -> Iterator[None]:
    """Let the stack's own policy only warn while its CRDs change to another version or channel.

    It refuses an older version, and experimental CRDs in the place of standard ones. Somebody else's is left alone.
    """
    live = {item["name"]: item for item in kube.metadata(CRDS)}
    wanted = {crd["metadata"]["name"]: crd["metadata"] for crd in crds}
    changes = any(_bundle_of(live[name]) != _bundle_of(new) for name, new in wanted.items() if name in live)
    binding = kube.find(BINDING) or {"metadata": {}}
    ours = binding["metadata"].get("labels", {}).get(OWNER) == stack
    # It warns already where an earlier change was killed.
    if not ours or (not changes and binding["spec"]["validationActions"] != ["Warn"]):
        yield
        return
    kube.request("PATCH", BINDING, {"spec": {"validationActions": ["Warn"]}}, content_type=MERGE)
    try:
        yield
    finally:
        kube.request("PATCH", BINDING, {"spec": {"validationActions": ["Deny"]}}, content_type=MERGE)


def _bundle_of(metadata: Mapping[str, Any]) -> tuple[str, str]:
    annotations = metadata.get("annotations") or {}
    return annotations.get(BUNDLE_VERSION, ""), annotations.get(CHANNEL, "")


def _apply(kube: Kube, crd: Mapping[str, Any]) -> str:
    name = str(crd["metadata"]["name"])
    path = f"{CRDS}/{name}"
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    live = _patched(kube, f"{path}?fieldManager={FIELD_MANAGER}&force=true", crd)
    while not condition(live, "Established"):
        if time.monotonic() > deadline:
            raise UserError(f"CRD {name} is not served {ESTABLISHED_SECONDS} s after it was applied: {live['status']}")
        time.sleep(POLL_SECONDS)
        live = kube.get(path)
    return name


def _patched(kube: Kube, path: str, crd: Mapping[str, Any]) -> dict[str, Any]:
    """Apply it; the API server takes a moment to see that a policy only warns from now on."""
    deadline = time.monotonic() + POLICY_SECONDS
    while True:
        try:
            return kube.request("PATCH", path, crd, content_type=APPLY)
        except RefusedError as refusal:
            if POLICY not in str(refusal) or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.bundle", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    applying = verbs.add_parser("apply", help="apply the CRDs and wait until they are served")
    applying.add_argument("--kubeconfig", required=True)
    applying.add_argument("--context", required=True)
    showing = verbs.add_parser("show", help="print the CRDs as YAML")
    for verb in (applying, showing):
        verb.add_argument("--stack", required=True)
        verb.add_argument("--version", required=True, help="such as v1.1.0")
        verb.add_argument("--channel", required=True, help="standard or experimental")
        verb.add_argument("--names", required=True, metavar="NAME,...", help="the CRDs of the release that are wanted")
        verb.add_argument("--source", default="", help="a file or folder; the official release by default")
    given = parser.parse_args(arguments)

    def work() -> None:
        crds = bundle(given.source, given.version, given.channel, given.names.split(","), given.stack)
        if given.verb == "show":
            print(yaml.safe_dump_all(crds))
            return
        apply(Kube(given.kubeconfig, given.context), crds, given.stack)

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
