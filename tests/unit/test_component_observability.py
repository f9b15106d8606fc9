import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.chart_values import told
from components.images import ImageSource
from components.observability.addons import (
    ADDONS,
    LIMITS,
    REQUESTS,
    VALUES,
    Addons,
    AddonsArgs,
    chart_values,
    port_forward,
)
from components.observability.mesh_telemetry import (
    AccessLogs,
    MeshTelemetryArgs,
    Metrics,
    Tracing,
    telemetry_spec,
    tracing_values,
)
from components.observability.observability import Observability, ObservabilityArgs, ObservabilityConfig
from program.config import observability as observability_config
from program.config.values import Value
from tests.unit.conftest import Run
from tests.unit.loading import refusal
from tests.unit.recording import Mesh, composed

RELEASE = "kubernetes:helm.sh/v3:Release"
JAEGER = Tracing(sampling=1.0, host="jaeger.istio-system.svc.cluster.local", port=4317)
COLLECTOR = Tracing(sampling=50.0, host="otel.monitoring.svc", port=4318)
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}


def read(wanted: Any, istio_values: dict[str, Any] | None = None) -> ObservabilityConfig:
    return observability_config.read(Value("istio-minikube:observability", wanted), istio_values=istio_values or {})


# What the configuration means


@pytest.mark.parametrize(
    ("wanted", "config"),
    [
        ({}, ObservabilityConfig()),
        ({"accessLogs": True}, ObservabilityConfig(access_logs=AccessLogs())),
        (
            {"accessLogs": True, "accessLogFilter": "response.code >= 400", "scope": "namespace"},
            ObservabilityConfig(access_logs=AccessLogs(filter="response.code >= 400"), scope="namespace"),
        ),
        (
            {"metrics": {"disabled": ["REQUEST_SIZE"], "tags": {"host": "request.host"}, "removeTags": ["a"]}},
            ObservabilityConfig(
                metrics=Metrics(disabled=("REQUEST_SIZE",), tags={"host": "request.host"}, removed_tags=("a",))
            ),
        ),
        (
            {"tracing": {"sampling": 50, "collector": "otel.monitoring.svc:4318"}},
            ObservabilityConfig(tracing=COLLECTOR),
        ),
        ({"jaeger": True}, ObservabilityConfig(addons=("jaeger",), tracing=JAEGER)),
        (
            {"kiali": True, "prometheus": True, "chartRepository": "~/charts"},
            ObservabilityConfig(addons=("prometheus", "kiali"), chart_repository="~/charts"),
        ),
        (
            {"jaeger": True, "values": {"jaeger": {"jaeger": {"replicas": 2}}}},
            ObservabilityConfig(
                addons=("jaeger",), tracing=JAEGER, addon_values={"jaeger": {"jaeger": {"replicas": 2}}}
            ),
        ),
    ],
)
def test_each_key_is_read(wanted: dict[str, Any], config: ObservabilityConfig) -> None:
    assert read(wanted) == config


@pytest.mark.parametrize(
    ("path", "wanted", "accepted"),
    [
        ("logs", {"logs": True}, "one of these keys: scope, accessLogs"),
        ("scope", {"scope": "pod"}, "mesh or namespace"),
        ("accessLogs", {"accessLogs": "json"}, "true or false"),
        ("accessLogFilter", {"accessLogFilter": "a"}, "nothing without accessLogs: true"),
        ("metrics", {"metrics": {}}, "one or more of disabled, tags and removeTags"),
        ("metrics.disabled[0]", {"metrics": {"disabled": ["SPEED"]}}, "REQUEST_COUNT"),
        ("metrics.tags.a-b", {"metrics": {"tags": {"a-b": "c"}}}, "a tag of letters"),
        ("metrics.tags.a", {"metrics": {"tags": {"a": ""}}}, "a CEL expression"),
        (
            "metrics.removeTags[0]",
            {"metrics": {"tags": {"a": "b"}, "removeTags": ["a"]}},
            "a tag that tags does not add",
        ),
        ("tracing.collector", {"tracing": {"sampling": 1}}, "HOST:PORT of a Service"),
        (
            "tracing.collector",
            {"jaeger": True, "tracing": {"collector": "otel.svc:4317"}},
            "HOST:PORT of a Service that takes OTLP over gRPC, or jaeger: true; not both",
        ),
        ("tracing.sampling", {"jaeger": True, "tracing": {"sampling": 101}}, "a percentage"),
        ("tracing.collector", {"tracing": {"collector": "otel"}}, "HOST:PORT, such as"),
        ("grafana", {"grafana": True}, "false, or prometheus: true beside it"),
        ("values.kiali", {"values": {"kiali": {"auth": {}}}}, "nothing without kiali: true beside it"),
        ("values.loki", {"values": {"loki": {}}}, "one of these keys: prometheus, grafana"),
        ("values.prometheus", {"prometheus": True, "values": {"prometheus": [1]}}, "an object"),
        ("kiali", {"kiali": True}, "false, or prometheus: true beside it"),
        ("chartRepository", {"chartRepository": ""}, "a folder that holds NAME-VERSION.tgz"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key_path(path: str, wanted: dict[str, Any], accepted: str) -> None:
    with pytest.raises(pulumi.RunError, match=refusal("observability", f".{path}", wanted, accepted)):
        read(wanted)


def test_a_collectors_port_is_one() -> None:
    with pytest.raises(pulumi.RunError, match=r"observability\.tracing\.collector is '0'; accepted: a port's number"):
        read({"tracing": {"collector": "a.b:0"}})


@pytest.mark.parametrize(
    ("wanted", "key"),
    [({"jaeger": True}, "jaeger"), ({"tracing": {"collector": "otel.svc:4317"}}, "tracing")],
)
def test_providers_of_the_users_own_must_not_lose_the_one_for_traces(wanted: dict[str, Any], key: str) -> None:
    mine = {"meshConfig": {"extensionProviders": [{"name": "mine"}]}}
    with pytest.raises(pulumi.RunError, match=rf"observability.{key} is .*has no provider named otel-tracing"):
        read(wanted, mine)
    both = {"meshConfig": {"extensionProviders": [{"name": "mine"}, {"name": "otel-tracing"}]}}
    assert read(wanted, both).tracing is not None


# What is declared


def test_telemetry_says_only_what_is_wanted() -> None:
    assert telemetry_spec(MeshTelemetryArgs(namespace="a", requires=[], access_logs=AccessLogs())) == {
        "accessLogging": [{"providers": [{"name": "envoy"}]}]
    }


def test_telemetry_says_all_that_is_wanted() -> None:
    args = MeshTelemetryArgs(
        namespace="a",
        requires=[],
        access_logs=AccessLogs(filter="response.code >= 400"),
        metrics=Metrics(disabled=("REQUEST_SIZE",), tags={"host": "request.host"}, removed_tags=("request_protocol",)),
        tracing=COLLECTOR,
    )
    tags = {"host": {"operation": "UPSERT", "value": "request.host"}, "request_protocol": {"operation": "REMOVE"}}
    assert telemetry_spec(args) == {
        "accessLogging": [{"providers": [{"name": "envoy"}], "filter": {"expression": "response.code >= 400"}}],
        "metrics": [
            {
                "providers": [{"name": "prometheus"}],
                "overrides": [
                    {"match": {"metric": "ALL_METRICS"}, "tagOverrides": tags},
                    {"match": {"metric": "REQUEST_SIZE"}, "disabled": True},
                ],
            }
        ],
        "tracing": [{"providers": [{"name": "otel-tracing"}], "randomSamplingPercentage": 50.0}],
    }


def test_istiod_is_told_of_the_provider_that_telemetry_names() -> None:
    provider = {"name": "otel-tracing", "opentelemetry": {"service": "otel.monitoring.svc", "port": 4318}}
    assert tracing_values(COLLECTOR) == {"meshConfig": {"enableTracing": True, "extensionProviders": [provider]}}
    assert ObservabilityConfig().istiod_values == {}


def observability(config: ObservabilityConfig) -> Mesh:
    def declare() -> None:
        args = ObservabilityArgs(
            config=config,
            istio_namespace="istio-system",
            namespace="shop",
            istio_version="1.23.0",
            kubectl="kubectl --context minikube",
            requires=[],
        )
        Observability("observability", args)

    return composed(declare)


@pytest.mark.parametrize(("scope", "namespace"), [("mesh", "istio-system"), ("namespace", "shop")])
def test_telemetry_is_said_where_it_is_wanted(scope: Any, namespace: str) -> None:
    mesh = observability(ObservabilityConfig(scope=scope, access_logs=AccessLogs()))
    inputs = mesh.inputs("observability-telemetry-telemetry")
    assert (inputs["apiVersion"], inputs["kind"]) == ("telemetry.istio.io/v1", "Telemetry")
    assert inputs["metadata"] == {"name": "mesh-default", "namespace": namespace}


def test_without_configuration_nothing_is_declared() -> None:
    assert not [each for each in observability(ObservabilityConfig()).registrations if each.custom]


# The addons


def wanting(*names: Any, istio_version: str = "1.23.0", **more: Any) -> AddonsArgs:
    return AddonsArgs(namespace="istio-system", names=names, istio_version=istio_version, **more)


def released(*names: Any, chart_repository: str = "") -> Mesh:
    return composed(lambda: Addons("addons", wanting(*names, chart_repository=chart_repository)))


@pytest.mark.parametrize(
    ("addon", "chart", "version", "repository"),
    [
        ("prometheus", "prometheus", "28.13.0", "https://prometheus-community.github.io/helm-charts"),
        ("grafana", "grafana", "12.11.1", "https://grafana-community.github.io/helm-charts"),
        ("jaeger", "jaeger", "4.11.1", "https://jaegertracing.github.io/helm-charts"),
        ("kiali", "kiali-server", "1.87.0", "https://kiali.org/helm-charts"),
    ],
)
def test_each_addon_is_a_release_of_its_makers_chart(addon: Any, chart: str, version: str, repository: str) -> None:
    inputs = released(*ADDONS).inputs(f"addons-{addon}")
    assert {key: value for key, value in inputs.items() if key not in ("values", "compat")} == {
        "name": addon,
        "namespace": "istio-system",
        "chart": chart,
        "version": version,
        "repositoryOpts": {"repo": repository},
        "timeout": 600,
    }
    assert inputs["values"] == json.loads(json.dumps(VALUES[addon](wanting(*ADDONS))))


def test_only_the_addons_that_are_wanted_are_released_from_the_folder_that_has_them() -> None:
    releases = released("jaeger", chart_repository="charts").of_token(RELEASE)
    assert {name: each.inputs["chart"] for name, each in releases.items()} == {
        "addons-jaeger": "charts/jaeger-4.11.1.tgz"
    }


def sized(cpu: str, memory: str, limit: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def test_prometheus_is_its_server_alone() -> None:
    assert VALUES["prometheus"](wanting(*ADDONS)) == {
        "alertmanager": {"enabled": False},
        "prometheus-pushgateway": {"enabled": False},
        "kube-state-metrics": {"enabled": False},
        "prometheus-node-exporter": {"enabled": False},
        "server": {
            "fullnameOverride": "prometheus",
            "podLabels": NO_SIDECAR,
            "persistentVolume": {"enabled": False},
            "service": {"servicePort": 9090},
            "global": {"scrape_interval": "15s"},
            "retention": "6h",
            "resources": sized("50m", "384Mi", "1024Mi"),
        },
    }


def dashboard(number: int) -> dict[str, Any]:
    return {"gnetId": number, "revision": 225, "datasource": "Prometheus"}


PROMETHEUS_SOURCE = {
    "name": "Prometheus",
    "type": "prometheus",
    "url": "http://prometheus.istio-system.svc.cluster.local:9090",
    "access": "proxy",
    "isDefault": True,
}


def test_grafana_shows_istios_dashboards_to_whoever_reaches_it() -> None:
    provider = {
        "name": "istio",
        "folder": "Istio",
        "type": "file",
        "options": {"path": "/var/lib/grafana/dashboards/istio"},
    }
    assert VALUES["grafana"](wanting("prometheus", "grafana")) == {
        "rbac": {"create": False},
        "testFramework": {"enabled": False},
        "podLabels": NO_SIDECAR,
        "service": {"port": 3000},
        "grafana.ini": {"auth.anonymous": {"enabled": True, "org_role": "Viewer"}},
        "datasources": {"datasources.yaml": {"apiVersion": 1, "datasources": [PROMETHEUS_SOURCE]}},
        "dashboardProviders": {"dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider]}},
        "dashboards": {
            "istio": {
                "istio-mesh": dashboard(7639),
                "istio-service": dashboard(7636),
                "istio-workload": dashboard(7630),
                "istio-performance": dashboard(11829),
                "istio-control-plane": dashboard(7645),
            }
        },
        "resources": sized("50m", "128Mi", "512Mi"),
    }


def test_grafana_knows_jaeger_where_it_is() -> None:
    sources = VALUES["grafana"](wanting(*ADDONS))["datasources"]["datasources.yaml"]["datasources"]
    jaeger = "http://jaeger.istio-system.svc.cluster.local:16686"
    assert sources == [PROMETHEUS_SOURCE, {"name": "Jaeger", "type": "jaeger", "url": jaeger, "access": "proxy"}]


def test_jaeger_keeps_traces_in_the_memory_that_it_is_given() -> None:
    assert VALUES["jaeger"](wanting(*ADDONS)) == {
        "jaeger": {"podLabels": NO_SIDECAR, "resources": sized("50m", "128Mi", "512Mi")}
    }


def test_kiali_knows_the_other_addons_and_changes_nothing() -> None:
    assert VALUES["kiali"](wanting(*ADDONS)) == {
        "auth": {"strategy": "anonymous"},
        "deployment": {
            "pod_labels": NO_SIDECAR,
            "view_only_mode": True,
            "resources": sized("10m", "64Mi", "512Mi"),
            "network_policy": {"enabled": False},
        },
        "external_services": {
            "prometheus": {"url": "http://prometheus.istio-system.svc.cluster.local:9090"},
            "grafana": {
                "enabled": True,
                "in_cluster_url": "http://grafana.istio-system.svc.cluster.local:3000",
                "url": "http://localhost:3000",
            },
            "tracing": {
                "enabled": True,
                "in_cluster_url": "http://jaeger.istio-system.svc.cluster.local:16686",
                "url": "http://localhost:16686",
                "provider": "jaeger",
                "use_grpc": False,
            },
        },
    }


@pytest.mark.parametrize("istio_version", ["1.24.0", "1.31.1"])
def test_kiali_2_is_told_addresses_by_their_new_names(istio_version: str) -> None:
    services = VALUES["kiali"](wanting(*ADDONS, istio_version=istio_version))["external_services"]
    assert services["grafana"] == {
        "enabled": True,
        "internal_url": "http://grafana.istio-system.svc.cluster.local:3000",
        "external_url": "http://localhost:3000",
    }
    assert services["tracing"]["internal_url"] == "http://jaeger.istio-system.svc.cluster.local:16686"


@pytest.mark.parametrize(
    ("istio_version", "kiali"),
    [("1.23.0", "1.87.0"), ("1.29.4", "2.21.0"), ("1.30.5", "2.26.0"), ("1.31.1", "2.27.0"), ("1.40.0", "2.27.0")],
)
def test_kiali_is_the_one_that_istios_line_is_released_with(istio_version: str, kiali: str) -> None:
    mesh = composed(lambda: Addons("addons", wanting(*ADDONS, istio_version=istio_version)))
    assert mesh.inputs("addons-kiali")["version"] == kiali
    assert mesh.inputs("addons-prometheus")["version"] == "28.13.0"


@pytest.mark.parametrize("istio_version", ["1.23.0", "1.27.8"])
def test_kiali_is_told_what_istiods_objects_of_a_revision_are_called(istio_version: str) -> None:
    values = VALUES["kiali"](wanting("prometheus", "kiali", istio_version=istio_version, revision="canary"))
    assert values["external_services"]["istio"] == {
        "config_map_name": "istio-canary",
        "istio_sidecar_injector_config_map_name": "istio-sidecar-injector-canary",
        "istiod_deployment_name": "istiod-canary",
    }


@pytest.mark.parametrize(("istio_version", "revision"), [("1.23.0", ""), ("1.28.0", "canary"), ("1.31.1", "canary")])
def test_kiali_finds_istiod_by_itself_where_it_can(istio_version: str, revision: str) -> None:
    values = VALUES["kiali"](wanting("prometheus", "kiali", istio_version=istio_version, revision=revision))
    assert "istio" not in values["external_services"]


def test_the_users_own_values_of_an_addon_win_over_ours_and_reach_no_other() -> None:
    args = wanting(*ADDONS, values={"prometheus": {"server": {"retention": "2d"}}})
    assert chart_values("prometheus", args)["server"]["retention"] == "2d"
    assert chart_values("prometheus", args)["server"]["fullnameOverride"] == "prometheus"
    assert chart_values("kiali", args) == VALUES["kiali"](args)


def test_each_addons_images_come_from_the_mirror() -> None:
    args = wanting(*ADDONS, image_source=ImageSource(mirror="mirror.example:5000/hub"))
    values = {addon: chart_values(addon, args) for addon in ADDONS}
    host, hub = "mirror.example:5000", "mirror.example:5000/hub"
    assert values["prometheus"]["server"]["image"] == {"repository": f"{hub}/prometheus/prometheus"}
    assert values["prometheus"]["configmapReload"] == {
        "prometheus": {"image": {"repository": f"{hub}/prometheus-operator/prometheus-config-reloader"}}
    }
    assert values["grafana"]["image"] == {"registry": host, "repository": "hub/grafana/grafana"}
    assert values["grafana"]["downloadDashboardsImage"] == {"registry": host, "repository": "hub/curlimages/curl"}
    assert values["jaeger"]["jaeger"]["image"] == {"repository": f"{hub}/jaegertracing/jaeger"}
    assert values["kiali"]["deployment"]["image_name"] == f"{hub}/kiali/kiali"


def test_each_addons_pods_get_the_pull_secrets() -> None:
    args = wanting(*ADDONS, image_source=ImageSource(pull_secrets=["a", "b"]))
    values = {addon: chart_values(addon, args) for addon in ADDONS}
    assert values["prometheus"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert values["grafana"]["image"] == {"pullSecrets": ["a", "b"]}
    assert values["jaeger"]["jaeger"]["image"] == {"pullSecrets": ["a", "b"]}
    assert values["kiali"]["deployment"]["image_pull_secrets"] == ["a", "b"]
    assert "image_name" not in values["kiali"]["deployment"]


def test_kiali_does_not_look_for_addons_that_are_not_there() -> None:
    services = VALUES["kiali"](wanting("prometheus", "kiali"))["external_services"]
    assert (services["grafana"], services["tracing"]) == ({"enabled": False}, {"enabled": False})


def test_the_addons_fit_the_tutorials_node() -> None:
    assert round(sum(cpu for cpu, _ in REQUESTS.values()), 2) == 0.16
    assert sum(memory for _, memory in REQUESTS.values()) == 704
    assert all(LIMITS[addon] > REQUESTS[addon][1] for addon in ADDONS)


def test_a_command_leads_to_each_addon() -> None:
    assert port_forward("kiali", "kubectl --context minikube") == (
        "kubectl --context minikube --namespace istio-system port-forward service/kiali 20001:20001"
        "  # http://localhost:20001/kiali"
    )


# The program


def test_the_program_gives_addons_the_mirror_the_pull_secrets_the_version_and_the_users_values(run: Run) -> None:
    wanted = {"prometheus": True, "kiali": True, "values": {"kiali": {"deployment": {"view_only_mode": False}}}}
    mesh = run(
        observability=json.dumps(wanted),
        revision="canary",
        imageRegistry="mirror.example",
        imagePullSecrets='["credentials"]',
    )
    kiali = mesh.inputs("observability-addons-kiali")["values"]
    assert kiali["deployment"]["image_name"] == "mirror.example/kiali/kiali"
    assert kiali["deployment"]["image_pull_secrets"] == ["credentials"]
    assert kiali["deployment"]["view_only_mode"] is False
    assert kiali["external_services"]["istio"]["istiod_deployment_name"] == "istiod-canary"


EVERYTHING = json.dumps(dict.fromkeys(ADDONS, True))


def test_the_program_exports_how_to_reach_each_addon(run: Run) -> None:
    assert run(observability=EVERYTHING).outputs["observability"] == {
        addon: port_forward(addon, "kubectl --context minikube") for addon in ADDONS
    }


def test_the_programs_istiod_values_yield_to_the_users(run: Run) -> None:
    mine = {"meshConfig": {"enableTracing": False, "accessLogFile": "/dev/stdout"}}
    values = run(observability=EVERYTHING, istioValues=json.dumps(mine)).inputs("istio-istiod")["values"]
    assert values["meshConfig"] == {**tracing_values(JAEGER)["meshConfig"], **mine["meshConfig"]}


def test_telemetry_waits_for_istiod(run: Run) -> None:
    mesh = run(observability=json.dumps({"accessLogs": True}))
    assert "istio-istiod" in mesh.named("observability-telemetry-telemetry").dependencies


def test_a_chart_that_is_not_in_the_folder_is_told_before_anything_is_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prometheus-28.13.0.tgz").touch()
    wanted = {"prometheus": True, "kiali": True, "chartRepository": str(tmp_path)}
    with pytest.raises(pulumi.RunError) as refused:
        run(observability=json.dumps(wanted))
    assert str(refused.value) == (
        f"observability.chartRepository is '{tmp_path}', where kiali-server-1.87.0.tgz is missing; accepted: a folder "
        "that holds prometheus-28.13.0.tgz and kiali-server-1.87.0.tgz, or an address"
    )


@pytest.mark.parametrize(("addons", "warned"), [({}, False), (dict.fromkeys(ADDONS, True), True)])
def test_what_the_addons_request_counts_against_the_node(
    run: Run, caplog: pytest.LogCaptureFixture, addons: dict[str, bool], warned: bool
) -> None:
    # Without addons 2.05 processors and 3242 MiB are requested.
    run(observability=json.dumps(addons), minikubeMemory="3900")
    assert ("request 2.21 processors and 3946 MiB, more than" in caplog.text) == warned


def test_a_null_of_the_users_drops_a_default_of_an_addons_chart(run: Run) -> None:
    values = json.dumps({"prometheus": True, "values": {"prometheus": {"server": {"retention": None}}}})
    inputs = run(observability=values).inputs("observability-addons-prometheus")
    assert "retention" not in inputs["values"]["server"]
    assert told(inputs)["server"]["retention"] is None
