import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError, table
from components.commands.mesh_check import Cluster, check_mesh, page_problem, words
from components.commands.mesh_pods import Problem, State, current_pods, image_version, is_version, problems
from components.commands.mesh_request import Page, parse
from components.commands.mesh_sync import Pending
from tests.unit.fake_api import FakeApi

PROJECT = Path(__file__).parents[2]
PAGE: dict[str, Any] = {
    "service": "productpage",
    "namespace": "default",
    "port": 9080,
    "path": "/productpage",
    "title": "Simple Bookstore App",
}
DOCUMENT: dict[str, Any] = {
    "kubeconfig": "~/.kube/config",
    "context": "minikube",
    "namespace": "default",
    "istioVersion": "1.23.0",
    "deployments": ["details-v1"],
    "pages": [PAGE],
    "timeoutSeconds": 120,
}
CHECK = parse(json.dumps(DOCUMENT))
PROXY = "docker.io/istio/proxyv2:1.23.0"
HTML = "<html><head><title>Simple Bookstore App</title></head></html>"
RESTART = "kubectl rollout restart deployment/details-v1 -n default"
DESCRIBE = "kubectl describe deployment/details-v1 -n default"
DESCRIBE_POD = "kubectl describe pod/details-v1-a -n default"


def metadata(name: str, uid: str, owner: str = "", **more: Any) -> dict[str, Any]:
    owners = {"ownerReferences": [{"uid": owner}]} if owner else {}
    return {"name": name, "namespace": "default", "uid": uid, "generation": 1, **owners, **more}


def revision(number: str) -> dict[str, str]:
    return {"deployment.kubernetes.io/revision": number}


def deployment(replicas: int = 1, observed: int = 1, conditions: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    return {
        "metadata": metadata("details-v1", "deployment", annotations=revision("2")),
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, "conditions": list(conditions)},
    }


def status(name: str, ready: bool = True, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "state": state}


def pod(name: str = "details-v1-a", owner: str = "new", image: str = PROXY, **changed: Any) -> dict[str, Any]:
    """Return a pod that is right; changed: keys of its metadata, spec or status."""
    made: dict[str, dict[str, Any]] = {
        "metadata": metadata(name, name, owner),
        "spec": {"containers": [{"name": "details", "image": "d:1"}, {"name": "istio-proxy", "image": image}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [status("details"), status("istio-proxy")],
        },
    }
    for key, value in changed.items():
        part = "spec" if "ontainers" in key else "metadata" if key == "deletionTimestamp" else "status"
        made[part][key] = value
    return made


def state(*pods: dict[str, Any], of: dict[str, Any] | None = None) -> State:
    """Return a namespace whose Deployment has the current ReplicaSet "new" and an older one, "old"."""
    sets = [
        {"metadata": metadata("details-v1-old", "old", "deployment", annotations=revision("1"))},
        {"metadata": metadata("details-v1-new", "new", "deployment", annotations=revision("2"))},
        {"metadata": metadata("another-new", "foreign", "another", annotations=revision("2"))},
    ]
    return State(deployments=[of or deployment()], replica_sets=sets, pods=list(pods))


UNREADY = [{"type": "Ready", "status": "False"}]
NATIVE = [{"name": "istio-proxy", "image": PROXY, "restartPolicy": "Always"}]
APP_ONLY = [{"name": "details", "image": "d:1"}]


@pytest.mark.parametrize(
    "right",
    [
        pod(),
        pod(image="docker.io/istio/proxyv2:1.23.0-distroless"),
        pod(image="docker.io/istio/proxyv2:1.23.0@sha256:abc"),
        pod(image="docker.io/istio/proxyv2@sha256:abc"),
        pod(
            containers=APP_ONLY,
            initContainers=NATIVE,
            containerStatuses=[status("details")],
            initContainerStatuses=[status("istio-proxy")],
        ),
    ],
    ids=["sidecar", "variant", "tag and digest", "digest alone", "native sidecar"],
)
def test_a_ready_pod_with_a_ready_sidecar_of_the_version_is_right(right: dict[str, Any]) -> None:
    assert problems(CHECK, state(right)) == []


@pytest.mark.parametrize(("asked", "wrong"), [("canary", False), ("default", True), ("", False)])
def test_a_sidecar_is_of_the_revision_where_one_is_asked_for(asked: str, wrong: bool) -> None:
    of_canary = pod()
    of_canary["metadata"]["annotations"] = {"sidecar.istio.io/status": '{"revision": "canary"}'}
    check = parse(json.dumps({**DOCUMENT, **({"revision": asked} if asked else {})}))
    told = "istio-proxy is of revision canary, not default"
    remedy = f"older than its namespace's label: {RESTART}"
    expected = [Problem("details-v1", "details-v1-a", told, remedy)] if wrong else []
    assert problems(check, state(of_canary)) == expected


@pytest.mark.parametrize(
    ("wrong", "what", "remedy"),
    [
        (
            pod(containers=APP_ONLY, containerStatuses=[status("details")]),
            "no istio-proxy container",
            f"namespace label? pod older than injection: {RESTART}",
        ),
        (
            pod(containers=APP_ONLY, initContainers=[{"name": "istio-proxy", "image": PROXY}]),
            "no istio-proxy container",
            f"namespace label? pod older than injection: {RESTART}",
        ),
        (
            pod(image="docker.io/istio/proxyv2:1.22.3"),
            "istio-proxy is 1.22.3, not 1.23.0",
            f"older than istiod: {RESTART}",
        ),
        (
            pod(containerStatuses=[status("details"), status("istio-proxy", ready=False, running={})]),
            "not ready: istio-proxy: running, its probe not passed yet",
            DESCRIBE_POD,
        ),
        (
            pod(
                conditions=UNREADY,
                containerStatuses=[
                    status("details", ready=False, waiting={"reason": "ImagePullBackOff", "message": "no such image"}),
                    status("istio-proxy"),
                ],
            ),
            "not ready: details: ImagePullBackOff no such image",
            DESCRIBE_POD,
        ),
        (
            pod(
                conditions=UNREADY,
                initContainerStatuses=[status("istio-init", ready=False, terminated={"reason": "Error"})],
            ),
            "not ready: istio-init: Error",
            DESCRIBE_POD,
        ),
        (
            pod(
                phase="Pending",
                conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory."}],
                containerStatuses=[],
            ),
            "not ready: 0/1 nodes: Insufficient memory.",
            DESCRIBE_POD,
        ),
        (pod(phase="Pending", conditions=[], containerStatuses=[]), "not ready: phase Pending", DESCRIBE_POD),
    ],
)
def test_a_pod_that_is_wrong_is_told_with_what_to_do(wrong: dict[str, Any], what: str, remedy: str) -> None:
    assert problems(CHECK, state(wrong)) == [Problem("details-v1", "details-v1-a", what, remedy)]


def test_everything_wrong_with_one_pod_is_told() -> None:
    wrong = pod(containers=APP_ONLY, conditions=UNREADY, containerStatuses=[status("details", ready=False)])
    assert [problem.wrong for problem in problems(CHECK, state(wrong))] == [
        "no istio-proxy container",
        "not ready: details: running, its probe not passed yet",
    ]


FAILED_CREATE = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": 'pods "details-v1-x" is forbidden: exceeded quota',
}
TOO_SLOW = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
PROGRESSING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "is progressing"}


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (state(), "0 of 1 pods"),
        (state(of=deployment(conditions=(PROGRESSING,))), "0 of 1 pods"),
        (
            state(of=deployment(conditions=(TOO_SLOW, FAILED_CREATE))),
            '0 of 1 pods: FailedCreate: pods "details-v1-x" is forbidden: exceeded quota',
        ),
        (state(of=deployment(conditions=(TOO_SLOW,))), "0 of 1 pods: ProgressDeadlineExceeded: timed out"),
        (state(pod(), of=deployment(replicas=2)), "1 of 2 pods"),
        (state(of=deployment(replicas=0)), "0 of 0 pods"),
        (state(pod(), of=deployment(observed=0)), "its newest version is not rolled out yet"),
    ],
)
def test_a_deployment_without_all_its_pods_is_told_with_its_own_words(seen: State, what: str) -> None:
    assert problems(CHECK, seen) == [Problem("details-v1", "-", what, DESCRIBE)]


def test_a_deployment_that_is_not_there_is_told_and_the_others_are_still_checked() -> None:
    check = replace(CHECK, deployments=("ratings-v1", "details-v1"))
    assert problems(check, state(pod(containers=APP_ONLY))) == [
        Problem("ratings-v1", "-", "no such Deployment in namespace default", "kubectl get deployments -n default"),
        Problem(
            "details-v1",
            "details-v1-a",
            "no istio-proxy container",
            f"namespace label? pod older than injection: {RESTART}",
        ),
    ]


def test_only_living_pods_of_the_current_replica_set_count_and_in_the_order_of_their_names() -> None:
    seen = state(
        pod("b"),
        pod("a"),
        pod("of-the-old-set", owner="old"),
        pod("of-another-deployment", owner="foreign"),
        pod("terminating", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("evicted", phase="Failed"),
        pod("done", phase="Succeeded"),
    )
    assert [found["metadata"]["name"] for found in current_pods(deployment(), seen)] == ["a", "b"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("docker.io/istio/proxyv2:1.23.0", "1.23.0"),
        ("localhost:5000/proxyv2:1.23.0@sha256:abc", "1.23.0"),
        ("localhost:5000/proxyv2", None),
        ("istio/proxyv2@sha256:abc", None),
        ("auto", None),
    ],
)
def test_the_version_is_the_images_tag_and_nothing_else(image: str, version: str | None) -> None:
    assert image_version(image) == version


@pytest.mark.parametrize(
    ("tag", "same"),
    [
        ("1.23.0", True),
        ("1.23.0-distroless", True),
        ("1.23.0-debug", True),
        ("1.23.0-rc.1", False),
        ("1.23.0-alpha.0", False),
        ("1.23.01", False),
        ("1.23.1", False),
        ("1x23.0-debug", False),
        ("latest", False),
    ],
)
def test_a_variant_is_the_same_version_and_a_pre_release_is_not(tag: str, same: bool) -> None:
    assert is_version(tag, "1.23.0") is same


REMEDY = "kubectl get --raw /api/v1/namespaces/default/services/productpage:9080/proxy/productpage"


@pytest.mark.parametrize(
    ("code", "body", "what", "remedy"),
    [
        (503, "no healthy\nupstream", "/productpage: HTTP 503: no healthy upstream", REMEDY),
        (403, "Forbidden", "/productpage: HTTP 403", "no right to services/proxy: meshCheckHttp false"),
        (
            200,
            "<title>Other</title>",
            "/productpage: its title is 'Other', not 'Simple Bookstore App'",
            REMEDY,
        ),
        (200, "", "/productpage: its title is '', not 'Simple Bookstore App'", REMEDY),
    ],
)
def test_a_page_that_is_wrong_is_told_with_what_to_do(code: int, body: str, what: str, remedy: str) -> None:
    assert page_problem(Page(**PAGE), code, body) == Problem("productpage", "-", what, remedy)


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Simple Bookstore App", HTML),
        ("Bookstore", HTML),
        ("Tom & Jo", "<TITLE lang='en'>\n Tom &amp;\n Jo\n</TITLE>"),
    ],
)
def test_a_page_whose_title_holds_the_wanted_one_is_right(title: str, body: str) -> None:
    assert page_problem(Page(**{**PAGE, "title": title}), 200, body) is None


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"kind": "Status", "message": "services \\"x\\" not found"}', 'services "x" not found'),
        ('{"other": 1}', '{"other": 1}'),
        ("[1]", "[1]"),
        ("<p>\n no upstream", "<p> no upstream"),
        ("x" * 400, "x" * 300),
    ],
)
def test_an_error_body_is_shown_as_its_message_or_its_start(body: str, shown: str) -> None:
    assert words(body) == shown


def test_the_table_lines_its_columns_up() -> None:
    assert table(("POD", "WRONG"), ("details-v1", "x")) == "POD         WRONG\ndetails-v1  x"


# --- input

KEYS = "kubeconfig, context, namespace, istioVersion, deployments, pages, timeoutSeconds"
PAGE_KEYS = "service, namespace, title, port, path"
TEXT = "a text that is not empty"
NAMES = "a list of at least one Deployment's name"
PORT = "a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"colour": 1}, f"The mesh check's input: colour is not a known key; accepted: {KEYS}."),
        ({"context": ""}, f'The mesh check\'s input: context is ""; accepted: {TEXT}.'),
        ({"istioVersion": 1.23}, f"The mesh check's input: istioVersion is 1.23; accepted: {TEXT}."),
        ({"deployments": []}, f"The mesh check's input: deployments is []; accepted: {NAMES}."),
        ({"deployments": [1]}, f"The mesh check's input: deployments is [1]; accepted: {NAMES}."),
        ({"deployments": "a"}, f'The mesh check\'s input: deployments is "a"; accepted: {NAMES}.'),
        ({"pages": {}}, "The mesh check's input: pages is {}; accepted: a list of pages."),
        ({"pages": [7]}, f"The mesh check's pages[0] is 7; accepted: an object with {PAGE_KEYS}."),
        (
            {"timeoutSeconds": 0},
            "The mesh check's input: timeoutSeconds is 0; accepted: a whole number from 1 to 3600.",
        ),
        (
            {"timeoutSeconds": True},
            "The mesh check's input: timeoutSeconds is true; accepted: a whole number from 1 to 3600.",
        ),
        ({"pages": [{**PAGE, "port": 0}]}, f"The mesh check's pages[0]: port is 0; accepted: {PORT}."),
        (
            {"pages": [PAGE, {**PAGE, "path": "x?y"}]},
            'The mesh check\'s pages[1]: path is "x?y"; accepted: a text such as /productpage.',
        ),
        (
            {"pages": [{**PAGE, "verb": "GET"}]},
            f"The mesh check's pages[0]: verb is not a known key; accepted: {PAGE_KEYS}.",
        ),
    ],
)
def test_wrong_input_is_refused_naming_the_key_the_value_and_what_is_accepted(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse(json.dumps({**DOCUMENT, **changed}))
    assert str(caught.value) == message


@pytest.mark.parametrize("key", DOCUMENT)
def test_every_key_is_needed(key: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(json.dumps({name: value for name, value in DOCUMENT.items() if name != key}))
    assert str(caught.value) == f"The mesh check's input: {key} is missing; accepted: {KEYS}."


@pytest.mark.parametrize("text", ["", "{", "not json"])
def test_input_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^The mesh check's input on stdin is not JSON: "):
        parse(text)


# --- looking again, by a clock of the test's own


class Script(Cluster):
    """A cluster that gives one look after another and then the last for ever; its clock moves by sleeping only."""

    def __init__(self, *looks: State | UserError, answer: tuple[int, str] = (200, HTML)) -> None:
        self.looks, self.answer, self.clock = list(looks), answer, 0.0

    def state(self, namespace: str, waypoint: str = "") -> State:
        assert (namespace, waypoint) == ("default", "")
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, UserError):
            raise look
        return look

    def simulated(self) -> bool:
        return False

    def page(self, page: Page) -> tuple[int, str]:
        assert page == Page(**PAGE)
        return self.answer

    def pending(self, _: Collection[str]) -> list[Pending]:
        return []

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def run(self, seconds: int) -> None:
        check_mesh(replace(CHECK, timeout_seconds=seconds), self, lambda: self.clock, self.sleep)


def test_a_mesh_that_becomes_right_in_time_passes(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Script(state(), state(pod(containers=APP_ONLY)), state(pod()))
    cluster.run(120)
    assert cluster.clock == 1
    assert json.loads(capsys.readouterr().out)["pods"][0]["name"] == "details-v1-a"


def test_the_last_look_is_when_the_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Script(state(), state(), state(pod()))
    cluster.run(1)
    assert (cluster.clock, capsys.readouterr().out != "") == (1, True)


def test_progress_is_told_every_five_seconds_until_the_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"^The mesh is not right after 13 s:\n"):
        Script(state()).run(13)
    assert capsys.readouterr().err.splitlines() == [
        "Checking 1 Deployments in default, for up to 13 s ...",
        "5 s of 13 s: not right yet: 1, first details-v1: 0 of 1 pods",
        "10 s of 13 s: not right yet: 1, first details-v1: 0 of 1 pods",
    ]


def test_a_page_that_is_wrong_fails_the_check() -> None:
    with pytest.raises(UserError) as caught:
        Script(state(pod()), answer=(403, "")).run(4)
    assert str(caught.value).splitlines()[2] == (
        "productpage  -    /productpage: HTTP 403  no right to services/proxy: meshCheckHttp false"
    )


def test_pages_are_not_judged_while_pods_are_wrong() -> None:
    with pytest.raises(UserError) as caught:
        Script(state(), answer=(503, "")).run(1)
    assert "productpage" not in str(caught.value)


def test_a_request_that_fails_after_a_first_answer_is_tried_again() -> None:
    Script(state(), UserError("dropped"), state(pod())).run(120)
    with pytest.raises(UserError, match=r"API server  -    dropped +kubectl get nodes"):
        Script(state(), UserError("dropped")).run(4)


def test_a_first_request_that_fails_is_told_at_once() -> None:
    cluster = Script(UserError("dropped"), state(pod()))
    with pytest.raises(UserError, match=r"^dropped$"):
        cluster.run(120)
    assert cluster.clock == 0


# --- the program, against a stand-in for the API server


SERVICES = "/api/v1/namespaces/default/services"
SHOWN = f"{SERVICES}/productpage:9080/proxy/productpage"


def show(api: FakeApi, seen: State) -> None:
    """Have the API server list these objects."""
    api.answer("/apis/apps/v1/namespaces/default/deployments", {"items": seen.deployments})
    api.answer("/apis/apps/v1/namespaces/default/replicasets", {"items": seen.replica_sets})
    api.answer("/api/v1/namespaces/default/pods", {"items": seen.pods})


def run_by(api: FakeApi, *runtimes: str) -> None:
    """Give the cluster a node for each container runtime."""
    nodes = [{"status": {"nodeInfo": {"containerRuntimeVersion": each}}} for each in runtimes]
    api.answer("/api/v1/nodes", {"items": nodes})


def make_right(api: FakeApi) -> None:
    """Give the cluster a mesh that is right."""
    show(api, state(pod("details-v1-b"), pod("details-v1-a"), of=deployment(replicas=2)))
    run_by(api, "containerd://2.4.2")
    api.answer("/api/v1/namespaces/istio-system/pods", {"items": []})
    api.answer(SHOWN, HTML)


@pytest.fixture
def site(api: FakeApi) -> FakeApi:
    """An API server with a mesh that is right."""
    make_right(api)
    return api


def check(kubeconfig: Path, **changed: Any) -> subprocess.CompletedProcess[str]:
    document = {**DOCUMENT, "kubeconfig": str(kubeconfig), "context": "there", "timeoutSeconds": 1, **changed}
    command = [sys.executable, "-m", "components.commands.mesh_check"]
    return subprocess.run(
        command, cwd=PROJECT, env={}, input=json.dumps(document), capture_output=True, text=True, check=False
    )


def test_a_mesh_that_is_right_is_reported_in_stable_order(site: FakeApi) -> None:
    done = check(site.kubeconfig)
    images = [{"name": "details", "image": "d:1"}, {"name": "istio-proxy", "image": PROXY}]
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "pods": [
            {"namespace": "default", "name": "details-v1-a", "containers": images},
            {"namespace": "default", "name": "details-v1-b", "containers": images},
        ],
        "pages": [{"service": "productpage", "status": 200}],
    }
    assert "details-v1  details-v1-a  1.23.0\n" in done.stderr
    assert SHOWN in [request.path for request in site.requests]


@pytest.mark.parametrize(
    ("runtimes", "pages"),
    [(["kwok://v0.8.0"], []), (["kwok://v0.8.0", "containerd://2.4.2"], [{"service": "productpage", "status": 200}])],
)
def test_a_page_is_not_asked_for_where_every_node_simulates_its_pods(
    site: FakeApi, runtimes: list[str], pages: list[dict[str, Any]]
) -> None:
    run_by(site, *runtimes)
    done = check(site.kubeconfig)
    assert json.loads(done.stdout)["pages"] == pages
    assert ("The nodes simulate their pods" in done.stderr) == (pages == [])


def test_who_may_not_look_at_nodes_is_taken_to_have_real_ones(site: FakeApi) -> None:
    site.answer("/api/v1/nodes", "forbidden to you", 403)
    assert json.loads(check(site.kubeconfig).stdout)["pages"] == [{"service": "productpage", "status": 200}]


def test_a_native_sidecar_is_among_the_containers_and_an_untagged_one_is_called_not_visible(site: FakeApi) -> None:
    native = [{**NATIVE[0], "image": "istio/proxyv2@sha256:abc"}]
    show(site, state(pod(containers=APP_ONLY, initContainers=native)))
    done = check(site.kubeconfig, pages=[])
    assert [container["name"] for container in json.loads(done.stdout)["pods"][0]["containers"]] == [
        "details",
        "istio-proxy",
    ]
    assert "details-v1  details-v1-a  version not visible\n" in done.stderr


def test_a_mesh_that_stays_wrong_fails_with_the_table_and_no_output(site: FakeApi) -> None:
    show(site, state(pod(containers=APP_ONLY)))
    done = check(site.kubeconfig)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[2:] == [
        "WORKLOAD    POD           WHAT IS WRONG             WHAT TO DO",
        f"details-v1  details-v1-a  no istio-proxy container  namespace label? pod older than injection: {RESTART}",
    ]


def test_an_api_server_that_refuses_to_list_is_told_at_once(site: FakeApi) -> None:
    site.answer("/api/v1/namespaces/default/pods", "forbidden to you", 403)
    done = check(site.kubeconfig, timeoutSeconds=60)
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()[1:]
    assert told == f"{site.where} answers 403 to GET /api/v1/namespaces/default/pods: forbidden to you"


def test_the_command_line_shows_the_input() -> None:
    command = [sys.executable, "-m", "components.commands.mesh_check", "--help"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert '"istioVersion": "1.23.0"' in done.stdout


# Pages that policies refuse


GATEWAYS = f"{SERVICES}?labelSelector=gateway.networking.k8s.io%2Fgateway-name"
RESET = '{"message": "error trying to reach service: read: connection reset by peer"}'


@pytest.mark.parametrize("status", [503, 403])
@pytest.mark.parametrize(("port", "shown"), [(80, "shop-istio:80"), (443, "https:shop-istio:443")])
def test_a_page_that_a_policy_refuses_is_asked_for_at_the_gateways(
    api: FakeApi, status: int, port: int, shown: str
) -> None:
    api.answer(SHOWN, RESET, status)
    ports = [{"port": 15021}, {"port": port}]
    api.answer(GATEWAYS, {"items": [{"metadata": {"name": "shop-istio"}, "spec": {"ports": ports}}]})
    cluster = Cluster(str(api.kubeconfig), "there")
    page = CHECK.pages[0]
    assert cluster.page(page)[0] == status
    api.answer(f"{SERVICES}/{shown}/proxy/productpage", "<title>Another page</title>")
    assert cluster.page(page) == (status, RESET)
    api.answer(f"{SERVICES}/{shown}/proxy/productpage", HTML)
    assert cluster.page(page) == (200, HTML)


def test_a_page_that_answers_is_asked_for_once(api: FakeApi) -> None:
    api.answer(SHOWN, HTML)
    assert Cluster(str(api.kubeconfig), "there").page(CHECK.pages[0]) == (200, HTML)
    assert len(api.requests) == 1


def test_who_may_not_look_at_services_is_told_what_the_page_answered(api: FakeApi) -> None:
    api.answer(SHOWN, RESET, 403)
    api.answer(GATEWAYS, {"message": "forbidden"}, 403)
    assert Cluster(str(api.kubeconfig), "there").page(CHECK.pages[0]) == (403, RESET)
