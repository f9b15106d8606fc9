"""Seven things that go wrong under the real engine, each put right by the documented command and one more ``up``."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.commands import UserError
from components.kube import APPLY, MERGE, Kube
from embedded import process
from embedded.cluster import Cluster
from operations.manifests import drift
from operations.manifests.declared import releases_of, settings_of
from operations.manifests.objects import wait_until
from operations.pulumi_cli import Cli
from operations.state import recover
from operations.state.recover import Release, revisions
from tests.embedded import releases
from tests.embedded.engine import for_tests
from tests.embedded.releases import ISTIOD
from tests.embedded.stack import CONTEXT, pods, settings_for

BASE = Release(namespace="istio-system", name="istio-base")
THEIRS = Release(namespace="istio-system", name="theirs")
DETAILS = "/apis/apps/v1/namespaces/default/deployments/details-v1"
RATINGS = "/api/v1/namespaces/default/services/ratings"
PODS = "/api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod"

Moment = Callable[[Kube], bool]


def kube_of(cluster: Cluster) -> Kube:
    return Kube(cluster.kubeconfig, CONTEXT)


def begun(release: Release, revision: int = 1) -> Moment:
    """Helm has begun this revision of the release, which then is pending for a while."""
    return lambda kube: revision in [number for number, _ in releases.of(kube, release)]


def there(path: str) -> Moment:
    return lambda kube: kube.find(path) is not None


MOMENTS = {
    "base": begun(BASE),
    "istiod": begun(ISTIOD),
    "Bookinfo": there(DETAILS),
}


def cut_off(cli: Cli, cluster: Cluster, config: Mapping[str, str], moment: Moment, act: Callable[[], None]) -> None:
    """Begin an ``up``, act when the moment has come, and see the ``up`` fail."""
    failed: list[UserError] = []

    def up() -> None:
        try:
            cli.up(config)
        except UserError as error:
            failed.append(error)

    thread = threading.Thread(target=up)
    thread.start()
    kube = kube_of(cluster)
    wait_until("the moment", lambda: moment(kube) or not thread.is_alive())
    act()
    thread.join(120)
    if thread.is_alive():  # it waits for Deployments of which nobody tells any more
        signal_cli(cli, signal.SIGINT)
        thread.join(120)
    assert failed


def signal_cli(cli: Cli, number: signal.Signals) -> None:
    """Signal the update, unless it has ended by itself."""
    for pid in recover.running(cli.mark, recover.is_cli):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def put_right(cli: Cli, config: Mapping[str, str]) -> dict[str, Any]:
    """``make recover``, then ``make up``."""
    recover.recover(cli, settings_of(cli.stack, config), config, releases_of(cli.stack, config))
    return cli.up(config)


def assert_whole(outputs: Mapping[str, Any]) -> None:
    assert len(outputs["pods"]) == 6
    assert all("istio-proxy" in [container["name"] for container in pod["containers"]] for pod in outputs["pods"])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_update_is_recovered(cli: Cli, cluster: Cluster, moment: str) -> None:
    config = settings_for(cluster)
    cut_off(cli, cluster, config, MOMENTS[moment], lambda: signal_cli(cli, signal.SIGKILL))
    assert_whole(put_right(cli, config))
    # Those of the update that has come to its end are ending, too.
    wait_until("no plugin to be left", lambda: not recover.running(cli.mark, recover.is_plugin))


def test_a_killed_upgrade_is_recovered(cli: Cli, cluster: Cluster) -> None:
    cli.up({**settings_for(cluster), "bookinfo": "false"})
    config = {**settings_for(cluster, "1.23.6"), "bookinfo": "false"}
    cut_off(cli, cluster, config, begun(ISTIOD, 2), lambda: signal_cli(cli, signal.SIGKILL))
    assert put_right(cli, config)["istioVersion"] == "1.23.6"
    containers = [each["spec"]["containers"][0]["image"] for each in pods(kube_of(cluster), PODS)]
    assert [image.rpartition(":")[2] for image in containers] == ["1.23.6"]


def test_an_interrupted_update_goes_on(cli: Cli, cluster: Cluster) -> None:
    config = settings_for(cluster)
    cut_off(cli, cluster, config, MOMENTS["istiod"], lambda: signal_cli(cli, signal.SIGINT))
    assert_whole(cli.up(config))


@pytest.mark.parametrize("moment", ["istiod", "Bookinfo"])
def test_the_api_server_may_die_under_an_update(own_cluster: Cluster, cli: Cli, moment: str) -> None:
    own_cluster.start()
    config = settings_for(own_cluster)
    server = process.recorded(own_cluster.root / "pids" / "kube-apiserver")
    assert server

    def die() -> None:
        os.kill(server.pid, signal.SIGKILL)
        if moment == "Bookinfo":  # the engine mostly goes on waiting for the Deployments
            time.sleep(5)
            signal_cli(cli, signal.SIGINT)

    cut_off(cli, own_cluster, config, MOMENTS[moment], die)
    with pytest.raises(UserError, match=r"does not answer: .*; start the cluster, then recover again"):
        put_right(cli, config)
    own_cluster.start()
    assert_whole(put_right(cli, config))


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A stack that was brought up where there was an object of the same name already."""
    cli = Cli(engine=for_tests(), stack="embedded", state=tmp_path_factory.mktemp("state"))
    config = settings_for(cluster)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ratings"},
        "spec": {"ports": [{"name": "http", "port": 9080}], "selector": {"app": "old"}},
    }
    kube_of(cluster).request("PATCH", f"{RATINGS}?fieldManager=somebody", service, content_type=APPLY)
    with pytest.raises(UserError):
        cli.up(config)
    assert_whole(put_right(cli, config))
    yield cli
    cli.destroy()


def drifted(cluster: Cluster, tools: Path) -> list[str]:
    return [str(each) for each in drift.find("embedded", settings_for(cluster), tools / "helm")[2]]


@pytest.mark.usefixtures("stack")
def test_an_object_that_was_there_and_not_recorded_is_taken_over(cluster: Cluster) -> None:
    assert kube_of(cluster).get(RATINGS)["spec"]["selector"] == {"app": "ratings"}


def test_what_was_deleted_or_changed_by_hand_is_put_back(stack: Cli, cluster: Cluster, tools: Path) -> None:
    kube = kube_of(cluster)
    kube.delete(DETAILS)
    kube.request("PATCH", RATINGS, {"metadata": {"labels": {"app": "other"}}}, content_type=MERGE)
    assert len(drifted(cluster, tools)) == 2
    assert_whole(put_right(stack, settings_for(cluster)))
    assert drifted(cluster, tools) == []


def test_a_release_that_was_left_pending_is_finished_without_restarting_it(
    stack: Cli, cluster: Cluster, tools: Path
) -> None:
    kube = kube_of(cluster)
    before = [pod["uid"] for pod in kube.metadata(PODS)]
    (revision,) = revisions(kube, [ISTIOD])
    releases.set_status(kube, revision, "pending-install")
    theirs = {"owner": "helm", "name": "theirs", "version": "1", "status": "pending-install"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "labels": theirs}}
    kube.request("POST", recover.secrets("istio-system"), secret, content_type="application/json")

    assert_whole(put_right(stack, settings_for(cluster)))
    assert releases.of(kube, ISTIOD) == [(1, "deployed")]
    assert [pod["uid"] for pod in kube.metadata(PODS)] == before
    assert drifted(cluster, tools) == []
    assert releases.of(kube, THEIRS) == [(1, "pending-install")]
