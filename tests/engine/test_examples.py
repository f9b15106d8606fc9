"""The components in programs of others, by the real engine: in Python by pip, in YAML and TypeScript as a plugin."""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.kube import Kube
from embedded import artifacts
from embedded.cluster import Cluster
from operations.manifests.objects import wait_until
from tests.embedded.engine import for_tests
from tests.embedded.stack import CONTEXT, objects
from tests.engine.examples import Example, copy_to, language_hosts, own_environment, run

ISTIOD = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
REVIEWS = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/reviews"
PROGRAMS = {"python": "__main__.py", "yaml": "Pulumi.yaml", "typescript": "index.ts"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_to(tmp_path_factory.mktemp("first machine"))


@pytest.fixture(scope="module")
def examples(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    """The programs, the plugin installed by the engine itself."""
    engine = for_tests()
    hosts = language_hosts(engine, tmp_path_factory.mktemp("hosts"))
    found = {
        language: Example(
            folder=repository / "examples" / language,
            engine=engine,
            hosts=hosts,
            state=tmp_path_factory.mktemp(f"state-{language}"),
            home=tmp_path_factory.mktemp("home"),
        )
        for language in PROGRAMS
    }
    # What `pulumi package add` does first; its second half, an SDK for the language, YAML does without.
    found["yaml"].run("package", "get-schema", "../../components")
    own_environment(found["python"].folder)
    found["typescript"].run("install")
    return found


@pytest.fixture
def settings(cluster: Cluster) -> dict[str, str]:
    artifacts.prepare(cluster.root, "1.23.0")
    place = {"context": CONTEXT, "kubeconfig": str(cluster.kubeconfig)}
    return {
        **place,
        "istioVersion": "1.23.0",
        "istioCharts": str(cluster.root / "charts"),
        "gatewayApiVersion": "v1.1.0",
        "gatewayApiSource": str(cluster.root / "gateway-api" / "v1.1.0" / "standard"),
        # For YAML, which leaves the provider to the engine.
        **{f"kubernetes:{key}": value for key, value in place.items()},
    }


@pytest.fixture
def kube(cluster: Cluster) -> Iterator[Kube]:
    """The cluster, which in the end is as it was."""
    api = Kube(cluster.kubeconfig, CONTEXT)
    before = set(objects(api))
    yield api
    wait_until("what was there before and nothing else", lambda: set(objects(api)) == before)


@pytest.fixture
def started(kube: Kube) -> Iterator[list[Example]]:  # noqa: ARG001 which is as it was once all are gone
    """The programs that a test has brought up; in the end they are gone, however the test went."""
    examples: list[Example] = []
    yield examples
    for example in examples:
        example.run("destroy", "--yes", "--skip-preview")


def elsewhere(example: Example, repository: Path, folder: Path) -> Example:
    """The same program on another machine, where every folder is another."""
    shutil.copytree(repository, folder / "checkout", symlinks=True)
    python = folder / "checkout" / "components" / ".venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "-e", "..", folder=folder / "checkout" / "components")
    (folder / "home").mkdir()
    other = replace(example, folder=folder / "checkout" / "examples" / example.folder.name, home=folder / "home")
    other.select()
    return other


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_brings_up_a_mesh_that_another_machine_updates_and_destroys(
    language: str,
    examples: dict[str, Example],
    settings: dict[str, str],
    kube: Kube,
    started: list[Example],
    repository: Path,
    tmp_path: Path,
) -> None:
    example = examples[language]
    example.configure(settings)
    started.append(example)
    outputs = example.up()
    assert outputs["istioVersion"] == "1.23.0"
    assert len(outputs["pods"]) == 6
    assert all([c["name"] for c in pod["containers"]][1] == "istio-proxy" for pod in outputs["pods"])
    example.run("preview", "--expect-no-changes")

    other = elsewhere(example, repository, tmp_path)
    other.run("preview", "--expect-no-changes")
    program = other.folder / PROGRAMS[language]
    shifted = re.sub(r"(weight\W+)90", r"\g<1>75", program.read_text())
    program.write_text(re.sub(r"(weight\W+)10", r"\g<1>25", shifted))
    other.up()
    assert [each["weight"] for each in kube.get(REVIEWS)["spec"]["rules"][0]["backendRefs"]] == [75, 25]
    other.run("destroy", "--yes", "--skip-preview")


def small(example: Example, folder: Path, resource: Mapping[str, object], outputs: Mapping[str, str]) -> Example:
    """A program in YAML with one component."""
    components = example.folder.parents[1] / "components"
    program = {
        "name": "small",
        "runtime": "yaml",
        "packages": {"istio-minikube": str(components)},
        "resources": {"it": dict(resource)},
        "outputs": dict(outputs),
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(program))
    return replace(example, folder=folder, state=folder / "state")


def test_an_istio_that_is_there_is_used_and_left_as_it_is(
    examples: dict[str, Example], settings: dict[str, str], kube: Kube, started: list[Example], tmp_path: Path
) -> None:
    owners = examples["python"]
    owners.configure(settings)
    started.append(owners)
    owners.up()
    resource = {"type": "istio-minikube:IstioBase", "properties": {"existing": True}}
    outputs = {"version": "${it.version}", "namespace": "${it.namespace}"}
    theirs = small(examples["yaml"], tmp_path, resource, outputs)
    theirs.configure({key: value for key, value in settings.items() if ":" in key})
    before = kube.get(ISTIOD)["metadata"]
    assert theirs.up() == {"version": "1.23.0", "namespace": "istio-system"}
    theirs.run("destroy", "--yes", "--skip-preview")
    after = kube.get(ISTIOD)["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])


def test_what_a_component_refuses_is_told_in_one_paragraph(
    examples: dict[str, Example], settings: dict[str, str], tmp_path: Path
) -> None:
    resource = {"type": "istio-minikube:InjectedNamespace", "properties": {"namespace": "kube-system"}}
    example = small(examples["yaml"], tmp_path, resource, {})
    example.configure({key: value for key, value in settings.items() if ":" in key})
    said = example.refused("preview")
    assert "it: namespace is 'kube-system'; accepted: any namespace but istio-system and kube-*" in said
    assert "Traceback" not in said
    assert "panic" not in said


def test_the_engine_reads_the_schema_that_the_plugin_hosts(examples: dict[str, Example]) -> None:
    told = json.loads(examples["yaml"].run("package", "get-schema", "../../components"))
    assert told["name"] == "istio-minikube"
    assert "istio-minikube:index:GatewayCertificate" in told["resources"]


def test_a_program_in_python_sees_the_types(examples: dict[str, Example]) -> None:
    folder = examples["python"].folder
    python = folder / ".venv" / "bin" / "python"
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "__main__.py", folder=folder)
