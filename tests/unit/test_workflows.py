import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.versions import Version, incompatibilities
from operations.__main__ import OTHER_COMMANDS, STACK_COMMANDS
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import PROJECT, stack_config

GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
STACKS = sorted(path.suffixes[0][1:] for path in PROJECT.glob("Pulumi.*.yaml"))


def parsed(workflow: str) -> dict[str, Any]:
    return dict(yaml.safe_load((GITHUB / "workflows" / workflow).read_text()))


def values(node: Any, key: str) -> Iterator[str]:
    """Every value of ``key`` anywhere in a document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key and isinstance(value, str):
                yield value
            yield from values(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from values(item, key)


@pytest.mark.parametrize("file", sorted(GITHUB.rglob("*.yaml")), ids=lambda file: str(file.relative_to(GITHUB)))
def test_every_action_is_pinned_by_a_commit_and_says_its_release(file: Path) -> None:
    lines = [line.split("uses:")[1].strip() for line in file.read_text().splitlines() if "uses:" in line]
    for used in (line for line in lines if not line.startswith("./")):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_workflow_may_only_read_unless_a_job_asks_for_more(file: Path) -> None:
    assert parsed(file.name)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_job_has_a_time_limit(file: Path) -> None:
    assert all("timeout-minutes" in job or "uses" in job for job in parsed(file.name)["jobs"].values())


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_what_a_workflow_makes_is_a_target_of_the_makefile(file: Path) -> None:
    for script in values(parsed(file.name), "run"):
        for words in re.findall(r"\bmake ([^\n]*)", script):
            assert {word for word in words.split() if "=" not in word} <= TARGETS


@pytest.mark.parametrize("file", [PROJECT / "Makefile", *WORKFLOWS], ids=lambda file: file.name)
def test_what_is_called_by_name_is_a_command(file: Path) -> None:
    called = set(re.findall(r"(?:-m operations|\$\(OPERATIONS\)) ([\w-]+)", file.read_text()))
    assert called <= {*STACK_COMMANDS, *OTHER_COMMANDS}


def test_only_the_job_that_runs_nothing_of_a_pull_request_may_write() -> None:
    jobs = parsed("preview.yaml")["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["comment"]
    assert not list(values(jobs["comment"], "run"))
    assert not [used for used in values(jobs["comment"], "uses") if "checkout" in used or used.startswith("./")]


def test_a_fork_gets_no_comment() -> None:
    assert parsed("preview.yaml")["jobs"]["comment"]["if"] == (
        "github.event.pull_request.head.repo.full_name == github.repository"
    )


def test_prod_comes_after_staging_each_in_its_environment() -> None:
    jobs = parsed("deploy.yaml")["jobs"]
    assert jobs["prod"]["needs"] == "staging"
    assert [job["with"]["stack"] for job in jobs.values()] == ["staging", "prod"]
    assert parsed("deploy-stack.yaml")["jobs"]["deploy"]["environment"] == "${{ inputs.stack }}"


def test_the_versions_of_every_end_to_end_test_go_together() -> None:
    for row in parsed("e2e.yaml")["jobs"]["minikube"]["strategy"]["matrix"]["include"]:
        istio, kubernetes, gateway_api = (Version.parse(row[key]) for key in ("istio", "kubernetes", "gateway-api"))
        assert incompatibilities(istio=istio, kubernetes=kubernetes, gateway_api=gateway_api) == []


@pytest.mark.parametrize("stack", [stack for stack in STACKS if stack != "embedded"])
def test_the_versions_of_every_stack_go_together(stack: str) -> None:
    settings = settings_of(stack)
    found = incompatibilities(
        istio=Version.parse(settings["istioVersion"]),
        kubernetes=Version.parse(settings["kubernetesVersion"]),
        gateway_api=Version.parse(settings["gatewayApiVersion"]),
    )
    assert found == []


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_says_only_what_differs_from_the_defaults(stack: str) -> None:
    defaults = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    own = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    assert not [key for key, value in own.items() if value == defaults[key.split(":")[1]]["default"]]


@pytest.mark.parametrize("stack", STACKS)
def test_no_stack_lets_a_resource_go_to_whatever_context_is_current(stack: str) -> None:
    assert stack_config(stack)["pulumi:disable-default-providers"] == '["kubernetes"]'


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_shared_stack_is_protected_and_survives_the_loss_of_a_pod(stack: str) -> None:
    settings = settings_of(stack)
    assert settings["protect"] == "true"
    assert int(settings["replicas"]) >= 2
    assert settings["clusterMode"] == "existing"


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_shared_stack_takes_mutual_tls_only_and_states_what_istio_needs(stack: str) -> None:
    settings = settings_of(stack)
    values = json.loads(settings["istioValues"])
    assert json.loads(settings["security"])["mtls"] == {"mode": "STRICT"}
    for resources in (values["pilot"]["resources"], values["global"]["proxy"]["resources"]):
        assert resources["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_shared_stack_runs_a_supported_istio_on_a_supported_kubernetes(stack: str) -> None:
    settings = settings_of(stack)
    assert Version.parse(settings["istioVersion"]) >= Version(1, 30)
    assert Version.parse(settings["kubernetesVersion"]) >= Version(1, 32)


def test_renovate_moves_what_goes_together_together() -> None:
    rules = yaml.safe_load((PROJECT / "renovate.json").read_text())["packageRules"]
    grouped = {rule.get("groupName"): rule["matchDepNames"] for rule in rules if "matchDepNames" in rule}
    assert {"istiod", "kubernetes-sigs/gateway-api"} <= set(grouped["Istio and Gateway API"])


@pytest.mark.parametrize(
    ("file", "stack"), [*((f"Pulumi.{s}.yaml", s) for s in ("staging", "prod")), ("README.md", "prod")]
)
def test_renovate_finds_every_version_that_a_shared_stack_pins_and_readmes(file: str, stack: str) -> None:
    managers = yaml.safe_load((PROJECT / "renovate.json").read_text())["customManagers"]
    found = [
        re.search(pattern.replace("(?<", "(?P<"), (PROJECT / file).read_text())
        for manager in managers
        if any(re.search(glob.strip("/"), file) for glob in manager["managerFilePatterns"])
        for pattern in manager["matchStrings"]
    ]
    pinned = settings_of(stack)
    assert sorted(each["currentValue"] for each in found if each) == [
        pinned["istioVersion"],
        pinned["gatewayApiVersion"],
    ]
