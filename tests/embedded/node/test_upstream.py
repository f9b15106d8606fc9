"""Upstream's own Bookinfo on the shared mesh: built from its sources, seen by requests, and given up again."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from components.workloads.bookinfo import SERVICES
from embedded.errors import Unreachable
from embedded.images import upstream
from operations.node import bookinfo
from operations.node.bookinfo import Bookinfo
from tests.embedded.kube import eventually
from tests.embedded.node.kubectl import PATIENCE, Kubectl
from tests.embedded.node.mesh import NAMESPACE, TITLE, Mesh

RESTART = ("rollout", "restart", f"--namespace={NAMESPACE}", "deployment")
DEPLOYMENTS = ("productpage-v1", "details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3")
ANSWER_SECONDS = 300


def restart(kubectl: Kubectl) -> None:
    """Have Bookinfo's pods made anew, of the images that the cluster has now."""
    kubectl(*RESTART, *DEPLOYMENTS)
    for name in DEPLOYMENTS:
        kubectl("rollout", "status", f"--namespace={NAMESPACE}", f"deployment/{name}", f"--timeout={PATIENCE}")


@pytest.fixture(scope="module")
def real(mesh: Mesh) -> Iterator[Mesh]:
    """The mesh with upstream's programs; skips where a registry cannot be reached, or Maven's client is missing."""
    if shutil.which("mvn") is None:
        pytest.skip("mvn is not on PATH, with which Open Liberty is fetched")
    try:
        upstream.ensure(print)
    except Unreachable as reason:
        pytest.skip(str(reason))
    mesh.up()
    bookinfo.provide(mesh.node, Bookinfo.UPSTREAM)
    restart(mesh.kubectl)
    eventually(lambda: whole(mesh.request().body), ANSWER_SECONDS)
    yield mesh
    bookinfo.provide(mesh.node, Bookinfo.STAND_IN)
    restart(mesh.kubectl)


def whole(page: str) -> bool:
    """Whether the page has its book and reviews: Java takes a while to answer."""
    return TITLE in page and "Error fetching" not in page


def test_the_programs_are_in_the_languages_of_their_sources(real: Mesh) -> None:
    def printed(workload: str, *words: str) -> "subprocess.CompletedProcess[str]":
        service = workload.partition("-")[0]
        where = (f"--namespace={NAMESPACE}", f"deployment/{workload}", f"--container={service}")
        return real.kubectl.tried("exec", *where, "--", *words)

    assert printed("details-v1", "ruby", "--version").stdout.startswith("ruby ")
    assert printed("ratings-v1", "node", "--version").stdout.startswith("v")
    assert "OpenJDK" in printed("reviews-v2", "java", "-version").stderr
    assert "CPython" in real.get(f"http://productpage.{NAMESPACE}:9080/metrics")["body"]


def test_every_program_answers_through_its_sidecar(real: Mesh) -> None:
    def asked(service: str, path: str) -> object:
        answer = real.get(f"http://{service}.{NAMESPACE}:9080{path}")
        return json.loads(answer["body"]) if answer["status"] == 200 else answer

    eventually(lambda: all(real.get(f"http://{s}.{NAMESPACE}:9080/health")["status"] == 200 for s in SERVICES), 60)
    assert asked("ratings", "/ratings/0") == {"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
    details = asked("details", "/details/0")
    assert isinstance(details, dict)
    assert details["author"] == "William Shakespeare"


def test_the_page_has_the_stars_of_every_version(real: Mesh) -> None:
    seen = set[str]()

    def all_versions() -> bool:
        page = real.request().body
        if whole(page):
            seen.add(next((color for color in ("black", "red") if f"text-{color}-500" in page), "none"))
        return seen == {"none", "black", "red"}

    eventually(all_versions, ANSWER_SECONDS)
