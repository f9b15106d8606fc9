"""Jobs in namespaces with sidecars."""

from typing import Any

import pytest

from components.versions import Version
from program.lookup import Cluster, look_up
from program.rules.sidecars import job_warnings
from tests.unit.fake_api import FakeApi
from tests.unit.loading import loaded
from tests.unit.test_lookup import OWNER, server  # noqa: F401 a fixture

OLD, NEW = Version(1, 28), Version(1, 29)
JOBS = ("CronJob shop/report", "Job shop/migrate")


@pytest.mark.parametrize(
    ("kubernetes", "remedy"),
    [
        (NEW, "set istioValues.pilot.env.ENABLE_NATIVE_SIDECARS to 'true', in quotes (restarts istiod), or label"),
        (OLD, "Kubernetes has native sidecars from 1.29 on, or label their pods sidecar.istio.io/inject: 'false'"),
    ],
)
def test_jobs_that_never_complete_are_named_with_what_to_do(kubernetes: Version, remedy: str) -> None:
    (warning,) = job_warnings(loaded(), Cluster(kubernetes=kubernetes, jobs=JOBS))
    assert warning.startswith("CronJob shop/report, Job shop/migrate never complete once they have sidecars")
    assert remedy in warning


@pytest.mark.parametrize(
    "config",
    [
        {"istioVersion": "1.27.0"},
        {"istioVersion": "1.26.0", "dataPlane": "ambient"},
        {"istioValues": '{"pilot": {"env": {"ENABLE_NATIVE_SIDECARS": "true"}}}'},
        {"istioValues": '{"env": {"ENABLE_NATIVE_SIDECARS": true}}'},
    ],
)
def test_where_jobs_complete_there_is_nothing_to_say(config: dict[str, str]) -> None:
    assert job_warnings(loaded(**config), Cluster(kubernetes=NEW, jobs=JOBS)) == []


def test_without_jobs_there_is_nothing_to_say() -> None:
    assert job_warnings(loaded(), Cluster(kubernetes=NEW)) == []


def job(name: str, inject: str = "", **more: Any) -> dict[str, Any]:
    labels = {"sidecar.istio.io/inject": inject} if inject else {}
    template = {"metadata": {"labels": labels}}
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "spec": {"template": template}, **more}


def test_jobs_that_have_ended_or_want_no_sidecar_are_not_meant(server: FakeApi) -> None:  # noqa: F811
    place = "/apis/batch/v1/namespaces/default"
    jobs = [
        job("migrate"),
        job("plain", inject="false"),
        job("done", status={"completionTime": "2026-11-26T06:00:00Z"}),
        job("report-1", metadata={"ownerReferences": [{"kind": "CronJob"}]}),
    ]
    server.answer(f"{place}/jobs", {"items": jobs})
    server.answer(f"{place}/cronjobs", {"items": [{"metadata": {"name": "report"}, "spec": {"jobTemplate": job("x")}}]})
    settings = loaded(clusterMode="existing", kubeconfig=str(server.kubeconfig), context="there")
    assert look_up(settings, OWNER).jobs == ("CronJob default/report", "Job default/migrate")
