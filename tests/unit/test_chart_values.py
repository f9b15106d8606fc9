"""Values of Istio's charts in the configuration: what Istio would drop, misread or ignore without a word."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from program.config.charts import DROPS, unknown_mesh_fields
from program.config.mesh_types import MESSAGES
from tests.unit.loading import loaded
from tests.unit.protos import Protos

TEXT = 'text, in quotes, such as "true" or "1.30"'


def nested(path: str, leaf: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        leaf = {key: leaf}
    return dict(leaf)


def refusal(key: str, path: str, seen: Any, accepted: str) -> str:
    return f"^{re.escape(f'config key istio-minikube:{key}.{path} is {seen!r}; accepted: {accepted}')}$"


@pytest.mark.parametrize(
    ("path", "seen", "accepted"),
    [
        ("defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE", True, TEXT),
        ("default_config.proxy_metadata.ISTIO_META_DNS_CAPTURE", True, TEXT),
        ("defaultConfig.runtimeValues.overload", 1.5, TEXT),
        ("defaultConfig.concurrency", "two", "a whole number"),
        ("defaultConfig.concurrency", 1.5, "a whole number"),
        ("defaultConfig.concurrency", True, "a whole number"),
        ("defaultConfig.tracing.sampling", "much", "a number"),
        ("defaultConfig.holdApplicationUntilProxyStarts", "true", "true or false, without quotes"),
        ("enableTracing", "false", "true or false, without quotes"),
        ("connectTimeout", 10, "a duration such as 10s"),
        ("connectTimeout", "10", "a duration such as 10s"),
        ("outboundTrafficPolicy.mode", "ALLOW", "REGISTRY_ONLY or ALLOW_ANY or ALLOW_ANY_DYNAMIC_DNS"),
        ("outboundTrafficPolicy", "ALLOW_ANY", "an object"),
        ("trustDomainAliases", "old.local", "a list"),
    ],
)
def test_a_value_for_which_istiod_drops_all_of_the_mesh_config_is_refused(path: str, seen: Any, accepted: str) -> None:
    values = json.dumps({"meshConfig": nested(path, seen)})
    with pytest.raises(
        pulumi.RunError, match=refusal("istioValues", f"meshConfig.{path}", seen, f"{accepted}; {DROPS}")
    ):
        loaded(istioValues=values)


def test_an_item_of_a_list_is_named_by_its_number() -> None:
    provider = {"name": "otel", "opentelemetry": {"service": "otel", "port": "grpc"}}
    with pytest.raises(
        pulumi.RunError, match=re.escape("extensionProviders[0].opentelemetry.port is 'grpc'; accepted")
    ):
        loaded(istioValues=json.dumps({"meshConfig": {"extensionProviders": [provider]}}))


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE", "true"),
        ("defaultConfig.proxyMetadata", None),
        ("defaultConfig.concurrency", "2"),
        ("defaultConfig.tracing.sampling", 12.5),
        ("defaultConfig.image.imageType", "distroless"),
        ("connectTimeout", "1m30s"),
        ("h2UpgradePolicy", 1),
        ("newerThanThisTable.something", True),
    ],
)
def test_what_istiod_reads_is_taken(path: str, seen: Any) -> None:
    values = {"meshConfig": nested(path, seen)}
    assert loaded(istioValues=json.dumps(values)).istio_values == values


def test_a_network_of_several_clusters_is_read_by_istiod_too() -> None:
    values = {"global": {"meshNetworks": {"one": {"endpoints": [{"fromRegistry": 1}]}}}}
    path = "global.meshNetworks.one.endpoints[0].fromRegistry"
    with pytest.raises(pulumi.RunError, match=refusal("istioValues", path, 1, f"{TEXT}; {DROPS}")):
        loaded(istioValues=json.dumps(values))


def test_a_field_that_istiod_ignores_is_told() -> None:
    providers = [{"name": "otel", "opentelemetry": {"sevrice": "otel"}}]
    values = {"meshConfig": {"defaultconfig": {}, "extensionProviders": providers, "enable_tracing": True}}
    assert unknown_mesh_fields(values) == [
        "istioValues.meshConfig.defaultconfig",
        "istioValues.meshConfig.extensionProviders[0].opentelemetry.sevrice",
    ]


VERSION_LIKE = "text; in quotes, as YAML reads 1.30 as the number 1.3"


@pytest.mark.parametrize(
    ("path", "seen", "accepted"),
    [
        ("global.tag", 1.3, VERSION_LIKE),
        ("pilot.tag", 1.3, VERSION_LIKE),
        ("compatibilityVersion", 1.2, VERSION_LIKE),
        ("pilot.podAnnotations.example/on", True, TEXT),
        ("nodeSelector.size", 4, TEXT),
        ("pilot.env.PILOT_LIMIT", 1000000, "text; in quotes, as Helm writes so large a number as 1e+06"),
        ("ztunnel.resources", {}, ""),
        ("cni.cniBinDir", "/opt", "chained, enabled, provider: the values of istio-cni's own chart are cniValues"),
    ],
)
def test_what_the_istiod_chart_misreads_or_ignores_is_refused(path: str, seen: Any, accepted: str) -> None:
    message = refusal("istioValues", path, seen, accepted)
    if path.startswith("ztunnel"):
        message = "istioValues.ztunnel is .*: ztunnel's values are ztunnelValues$"
    with pytest.raises(pulumi.RunError, match=message):
        loaded(istioValues=json.dumps(nested(path, seen)))


@pytest.mark.parametrize(
    "values", [{"cni": {"enabled": True}}, {"pilot": {"env": {"A": True}}}, {"global": {"tag": "1.30"}}]
)
def test_what_the_istiod_chart_takes_is_taken(values: dict[str, Any]) -> None:
    assert loaded(istioValues=json.dumps(values)).istio_values == values


AMBIENT = {"dataPlane": "ambient", "istioVersion": "1.24.6", "compatibility": "warn"}


def test_the_agents_of_ambient_have_values_of_their_own(run: Callable[..., Any]) -> None:
    mesh = run(
        **AMBIENT,
        istioValues='{"global": {"hub": "h"}, "pilot": {"replicaCount": 2}}',
        cniValues='{"logLevel": "debug", "ambient": {"dnsCapture": null}}',
        ztunnelValues='{"global": {"hub": "z"}, "resources": {"requests": {"cpu": "1"}}}',
    )
    ours = {"profile": "ambient", "global": {"platform": "minikube", "hub": "h"}}
    assert mesh.inputs("ambient-cni")["values"] == {**ours, "logLevel": "debug"}
    (dropped,) = mesh.inputs("ambient-cni")["valueYamlFiles"]
    assert "dnsCapture: null" in dropped.text
    assert mesh.inputs("ambient-ztunnel")["values"] == {
        "profile": "ambient",
        "global": {"platform": "minikube", "hub": "z"},
        "resources": {"requests": {"cpu": "1"}},
    }


@pytest.mark.parametrize("key", ["cniValues", "ztunnelValues"])
def test_a_value_that_an_agents_chart_would_ignore_is_refused(key: str) -> None:
    with pytest.raises(
        pulumi.RunError, match=rf"^config key istio-minikube:{key}\.resource is \{{\}}; accepted: one of "
    ):
        loaded(**AMBIENT, **{key: '{"resource": {}}'})
    with pytest.raises(pulumi.RunError, match=r"; accepted: nothing, as (cni is installed with cni or|ztunnel is)"):
        loaded(**{key: '{"resources": {}}'})
    with pytest.raises(pulumi.RunError, match=refusal(key, "tag", 1.3, VERSION_LIKE)):
        loaded(**AMBIENT, **{key: '{"tag": 1.3}'})


def test_the_table_of_types_is_what_istio_defines() -> None:
    cache = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
    modules = sorted(cache.glob("istio.io/api@v1.31.*"))
    if not modules:
        pytest.skip(f"{cache} has no istio.io/api v1.31; the embedded cluster's first start fetches it")
    defined = Protos(sorted(modules[-1].glob("mesh/v1alpha1/*.proto")))
    written = {name: dict(field.split("=") for field in fields.split()) for name, fields in MESSAGES.items()}
    assert written == {**defined.table("MeshConfig"), **defined.table("Network")}
