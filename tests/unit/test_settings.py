import json
import re
from dataclasses import asdict, fields
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.mesh.gateway_service import GatewayService
from components.observability.observability import ObservabilityConfig
from components.security.security import SecurityConfig
from operations.manifests.evaluate import PROJECT, stack_config
from program.settings import Settings
from tests.unit.loading import DEV, load, loaded

SCHEMA = {
    key: entry
    for key, entry in yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"].items()
    if ":" not in key
}
KEYS = sorted(SCHEMA)
STACKS = sorted(file.suffixes[0][1:] for file in PROJECT.glob("Pulumi.*.yaml"))
UID = "0b5e8d2c-9a41-4d0f-8d1b-2f6f0a7c3e55"
NAMESPACE = "a DNS-1123 label such as default, but not istio-system and not kube-*"
OBJECT = "an object, such as {pilot: {autoscaleEnabled: false}}"


def snake(key: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


PROFILE = "two or more letters, digits and dashes, a dash neither first nor last, such as minikube"


def refusal(key: str, value: str, accepted: str) -> str:
    return f"^{re.escape(f'config key istio-minikube:{key} is {value!r}; accepted: {accepted}')}$"


def test_every_key_of_pulumi_yaml_is_a_field_and_every_field_is_a_key() -> None:
    assert {snake(key) for key in KEYS} == {field.name for field in fields(Settings)} - {"secrets"}


def test_every_key_has_a_type_a_default_and_a_description() -> None:
    whole = {"default", "description", "type"}
    assert {key: whole - set(entry) for key, entry in SCHEMA.items()} == {key: set() for key in KEYS}


GATEWAY = {
    "name": "istio-ingressgateway",
    "namespace": "istio-system",
    "kind": "ingress",
    "service_type": "LoadBalancer",
    "service": asdict(GatewayService()),
    "replicas": 1,
}


def test_the_defaults_are_the_tutorials() -> None:
    assert asdict(loaded()) == {
        "cluster_mode": "minikube",
        "kubeconfig": "~/.kube/config",
        "context": "minikube",
        "allowed_contexts": [],
        "accept_cluster": "",
        "adopt": False,
        "minikube_profile": "minikube",
        "minikube_memory": 5500,
        "minikube_cpus": 4,
        "minikube_driver": "",
        "kubernetes_version": "v1.30.0",
        "istio_version": "1.23.0",
        "istio_chart_repository": "https://blob.istio.io/istio-release/charts",
        "istio_values": {},
        "ingress_service_type": "LoadBalancer",
        "replicas": 1,
        "gateways": {"istio-ingressgateway": GATEWAY},
        "gateway_api_version": "v1.1.0",
        "gateway_api_channel": "standard",
        "gateway_api_manifest": "",
        "namespace": "default",
        "revision": "",
        "revisions": {},
        "tags": {},
        "namespace_revisions": {},
        "data_plane": "sidecar",
        "bookinfo": True,
        "mesh_check_http": True,
        "protect": False,
        "compatibility": "enforce",
        "scenario": "",
        "traffic": (),
        "services": (),
        "security": asdict(SecurityConfig()),
        "observability": asdict(ObservabilityConfig()),
        "cni": False,
        "egress": (),
        "outbound_traffic_policy": "",
        "rollout": (),
        "image_registry": "",
        "image_registries": {},
        "image_pull_secrets": [],
        "image_digests": {},
        "allowed_registries": [],
        "cni_values": {},
        "ztunnel_values": {},
        "secrets": frozenset(),
    }


@pytest.mark.parametrize(("contexts", "shown"), [("[1]", "1"), ('[""]', "''")])
def test_a_context_that_cannot_be_one_is_named_by_its_place(contexts: str, shown: str) -> None:
    told = f"config key istio-minikube:allowedContexts[0] is {shown}; accepted: the name of a context in the kubeconfig"
    with pytest.raises(pulumi.RunError, match=f"^{re.escape(told)}$"):
        loaded(allowedContexts=contexts)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_loads(stack: str) -> None:
    assert load(stack_config(stack)).cluster_mode in {"minikube", "embedded", "existing"}


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("allowedContexts", '["other", "minikube"]', ["other", "minikube"]),
        ("acceptCluster", UID, UID),
        ("minikubeMemory", "1800", 1800),
        ("minikubeCpus", "2", 2),
        ("minikubeDriver", "kvm2", "kvm2"),
        ("kubernetesVersion", "v1.29.14", "v1.29.14"),
        ("istioVersion", "1.24.6", "1.24.6"),
        ("istioValues", '{"pilot": {"replicaCount": 2}}', {"pilot": {"replicaCount": 2}}),
        ("ingressServiceType", "NodePort", "NodePort"),
        ("ingressServiceType", "ClusterIP", "ClusterIP"),
        ("gatewayApiChannel", "experimental", "experimental"),
        ("gatewayApiManifest", "crds with a space", "crds with a space"),
        ("namespace", "a" * 63, "a" * 63),
        ("revision", "1-23-0", "1-23-0"),
        ("bookinfo", "false", False),
        ("meshCheckHttp", "false", False),
        ("compatibility", "warn", "warn"),
    ],
)
def test_a_key_is_read_as_its_type(key: str, value: str, read: Any) -> None:
    assert getattr(loaded(**{key: value}), snake(key)) == read


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("clusterMode", "kind", "minikube or embedded or existing"),
        ("kubeconfig", "", "the path of a kubeconfig file, such as ~/.kube/config, $KUBECONFIG or in-cluster"),
        ("context", " ", "the name of a context in the kubeconfig"),
        ("context", "minikube2", "'minikube', as with clusterMode minikube a context is named after its profile"),
        ("allowedContexts", "minikube", "a list of contexts"),
        ("acceptCluster", "kind-test", "the UID of a namespace kube-system, or empty"),
        ("minikubeProfile", "m", PROFILE),
        ("minikubeProfile", "demo-", PROFILE),
        ("minikubeProfile", "-demo", PROFILE),
        ("minikubeMemory", "1799", "a whole number of MiB, 1800 or more"),
        ("minikubeMemory", "5.5e3", "a whole number of MiB, 1800 or more"),
        ("minikubeMemory", "٥٥٠٠", "a whole number of MiB, 1800 or more"),  # noqa: RUF001 digits of another script
        ("minikubeCpus", "1", "a whole number of processors, 2 or more"),
        ("minikubeDriver", "Docker", "a minikube driver such as docker, or empty"),
        ("kubernetesVersion", "1.30.0", "vMAJOR.MINOR.PATCH, such as v1.30.0"),
        ("istioVersion", "v1.23.0", "MAJOR.MINOR.PATCH, such as 1.23.0"),
        ("istioVersion", "1.23", "MAJOR.MINOR.PATCH, such as 1.23.0"),
        ("istioVersion", "1.2٣.0", "MAJOR.MINOR.PATCH, such as 1.23.0"),
        ("istioVersion", f"1.{'9' * 10}.0", "MAJOR.MINOR.PATCH, such as 1.23.0"),
        (
            "istioChartRepository",
            "",
            "the address of a Helm repository, oci://HOST/PATH, or a folder that holds NAME-VERSION.tgz",
        ),
        ("istioValues", "[1]", OBJECT),
        ("istioValues", "pilot: {}", OBJECT),
        ("ingressServiceType", "ExternalName", "LoadBalancer or NodePort or ClusterIP"),
        ("gatewayApiVersion", "v1.1", "vMAJOR.MINOR.PATCH, such as v1.1.0"),
        ("gatewayApiChannel", "stable", "standard or experimental"),
        ("gatewayApiManifest", "two\nlines", "the path of a file or folder, or empty"),
        ("namespace", "Default", NAMESPACE),
        ("namespace", "a" * 64, NAMESPACE),
        ("namespace", "istio-system", NAMESPACE),
        ("namespace", "kube-public", NAMESPACE),
        ("replicas", "0", "a whole number of pods, 1 or more"),
        ("revision", "1.23.0", "a DNS-1123 label of up to 46 characters such as 1-23-0, or empty"),
        ("bookinfo", "yes", "true or false"),
        ("meshCheckHttp", "", "true or false"),
        ("compatibility", "ignore", "enforce or warn"),
    ],
)
def test_another_value_is_refused_with_the_key_the_value_and_what_is_accepted(
    key: str, value: str, accepted: str
) -> None:
    with pytest.raises(pulumi.RunError, match=refusal(key, value, accepted)):
        loaded(**{key: value})


def test_with_an_existing_cluster_the_context_has_any_name() -> None:
    assert loaded(clusterMode="existing", context="arn:aws:eks/prod").context == "arn:aws:eks/prod"


def test_a_context_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=refusal("context", "minikube", "one of allowedContexts: kind, work")):
        loaded(allowedContexts='["kind", "work"]')


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        pulumi.RunError, match=refusal("istioVersoin", "1.24.0", f"one of these keys: {', '.join(KEYS)}")
    ):
        loaded(istioVersoin="1.24.0")


def test_an_unknown_key_in_the_clis_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"istio-minikube:bookInfo": "false"}))
    with pytest.raises(pulumi.RunError, match=r"^config key istio-minikube:bookInfo is 'false'; accepted: one of"):
        loaded()


def test_keys_of_other_projects_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"pulumi:disable-default-providers": '["kubernetes"]'}))
    assert loaded().namespace == "default"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_without_a_default_says_where_defaults_come_from(key: str) -> None:
    config = {name: value for name, value in DEV.items() if name != f"istio-minikube:{key}"}
    with pytest.raises(pulumi.RunError) as refused:
        load(config)
    assert str(refused.value) == (
        f"config key istio-minikube:{key} is not set and Pulumi.yaml gives no default; "
        "restore Pulumi.yaml's config section, or set the key"
    )


ODDITIES = (
    "",
    " ",
    "0",
    "-1",
    "01.2.3",
    "v1.2.3",
    "1.2.3",
    "null",
    "[]",
    "{}",
    "{",
    '{"a": NaN}',
    "True",
    "~",
    "kube-x",
)


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=25, deadline=None)
@given(value=st.text() | st.sampled_from(ODDITIES) | st.from_regex(r"\Av?\d+\.\d+\.\d+\Z") | st.integers().map(str))
def test_any_value_gives_settings_or_a_refusal_that_names_the_key(key: str, value: str) -> None:
    try:
        read = loaded(**{key: value})
    except pulumi.RunError as refused:
        named = re.match(r"config key istio-minikube:(\w+)\S* is ", str(refused))
        # The context must be the profile's: of these two either may be the one to change.
        assert named
        assert named[1] in {key, "context"}
    else:
        assert str(read.istio) == read.istio_version
        assert f"v{read.gateway_api}" == read.gateway_api_version


@settings(max_examples=50, deadline=None)
@given(key=st.from_regex(r"\A[a-zA-Z]{1,12}\Z").filter(lambda key: key not in KEYS), value=st.text())
def test_any_other_key_is_refused_by_its_name(key: str, value: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"^config key istio-minikube:{key} is "):
        loaded(**{key: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"context": "embedded"}, "kubeconfig is '~/.kube/config'; accepted: FOLDER/kubeconfig, such as .embedded/kub"),
        ({"context": "embedded", "kubeconfig": "in-cluster"}, "context is 'embedded'; accepted: in-cluster, as "),
        ({"context": "embedded", "kubeconfig": "$KUBECONFIG"}, "kubeconfig is '$KUBECONFIG'; accepted: FOLDER/kubeco"),
        ({"context": "minikube", "kubeconfig": "own/kubeconfig"}, "context is 'minikube'; accepted: 'embedded', as "),
    ],
)
def test_an_embedded_clusters_folder_and_context_are_where_the_cluster_has_them(
    values: dict[str, str], message: str
) -> None:
    with pytest.raises(pulumi.RunError, match=f"^config key istio-minikube:{re.escape(message)}"):
        loaded(clusterMode="embedded", **values)
    assert loaded(clusterMode="embedded", context="embedded", kubeconfig="own/kubeconfig").context == "embedded"
