import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from operations.manifests.declared import declared
from operations.manifests.evaluate import PROJECT
from operations.manifests.policies import resources, verdict
from operations.manifests.render import Rendered
from policy.rules import COMPONENT, policies

POLICIES = policies({})

URN = "urn:pulumi:{stack}::istio-minikube::istio-minikube:components:IstioBase$kubernetes:core/v1:Namespace::web"


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The policies that the pack registers with CrossGuard, by name; the SDK is in the pack's own environment."""
    registered: dict[str, Any] = {}

    class Policy:
        def __init__(self, name: str, description: str, validate: Callable[..., None], level: str) -> None:
            registered[name] = SimpleNamespace(description=description, validate=validate, level=level)

    sdk = ModuleType("pulumi_policy")
    vars(sdk).update(
        EnforcementLevel=SimpleNamespace(MANDATORY="mandatory", ADVISORY="advisory"),
        PolicyPack=lambda name, policies: registered.update({"": (name, policies)}),
        PolicyResource=object,
        ReportViolation=object,
        ResourceValidationArgs=object,
        ResourceValidationPolicy=Policy,
        StackValidationArgs=object,
        StackValidationPolicy=Policy,
    )
    monkeypatch.setitem(sys.modules, "pulumi_policy", sdk)
    monkeypatch.setattr(sys, "path", [*sys.path])
    runpy.run_path(str(PROJECT / "policy" / "__main__.py"), run_name="__main__")
    return registered


def seen(stack: str, *, protect: bool = False, provider: str | None = "cluster", **manifest: Any) -> SimpleNamespace:
    return SimpleNamespace(
        name="web",
        urn=URN.format(stack=stack),
        resource_type="kubernetes:core/v1:Namespace",
        props=manifest,
        opts=SimpleNamespace(protect=protect),
        provider=SimpleNamespace(name=provider) if provider else None,
    )


def reports(policy: SimpleNamespace, args: SimpleNamespace) -> list[str]:
    found: list[str] = []
    policy.validate(args, lambda message, *_: found.append(message))
    return found


def test_the_pack_has_every_policy_on_every_level_that_a_stack_can_have_it(pack: dict[str, Any]) -> None:
    assert {(name, policy.level) for name, policy in pack.items() if name} == {
        *((policy.name, "mandatory") for policy in POLICIES),
        ("no-load-balancer-advisory", "advisory"),
        ("requests-stated-advisory", "advisory"),
    }


def test_a_policy_judges_only_stacks_on_which_it_has_its_level(pack: dict[str, Any]) -> None:
    service: dict[str, Any] = {"kind": "Service", "spec": {"type": "LoadBalancer"}}
    shown = {
        (stack, name): len(reports(pack[name], seen(stack, **service)))
        for stack in ("dev", "ci", "prod")
        for name in ("no-load-balancer", "no-load-balancer-advisory")
    }
    assert [key for key, count in shown.items() if count] == [
        ("dev", "no-load-balancer-advisory"),
        ("ci", "no-load-balancer"),
    ]


def test_the_pack_sees_components_protection_and_provider(pack: dict[str, Any]) -> None:
    assert reports(pack["protected"], seen("prod"))
    assert not reports(pack["protected"], seen("prod", protect=True))
    assert reports(pack["no-default-provider"], seen("dev", provider="default_4_34_2"))
    assert reports(pack["no-default-provider"], seen("dev", provider=None))
    assert not reports(pack["no-default-provider"], seen("dev"))


def test_a_policy_of_the_whole_stack_is_asked_once_for_all(pack: dict[str, Any]) -> None:
    assert len(reports(pack["strict-mtls"], SimpleNamespace(resources=[seen("prod"), seen("prod")]))) == 1
    assert not reports(pack["strict-mtls"], SimpleNamespace(resources=[seen("dev")]))


def test_a_rendered_object_has_the_components_and_options_of_the_resource_that_brings_it(manifest: Path) -> None:
    recorder = declared("dev", {"gatewayApiManifest": str(manifest), "protect": "true"})
    istiod = recorder.named("istio-istiod")
    brought = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "istiod"}}
    found = resources(recorder.registrations, [Rendered(resource=istiod, manifest=brought)])
    (service,) = (resource for resource in found if resource.manifest)
    assert service.name == "istio-istiod: Service istiod"
    assert list(service.components) == [f"{COMPONENT}IstioBase"]
    assert service.protect
    assert not service.default_provider
    assert "mesh-check-command" in [resource.name for resource in found if not resource.kubernetes]


def test_what_is_off_on_a_stack_is_not_judged() -> None:
    assert "strict-mtls" not in [policy.name for policy, _, _ in verdict("dev", {}, [])]
    assert [level for policy, level, _ in verdict("prod", {}, []) if policy.name == "strict-mtls"] == ["mandatory"]


def test_the_pack_reads_which_registries_are_allowed_from_the_stacks_configuration(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"istio-minikube:allowedRegistries": '["only.example"]'}))
    pack = request.getfixturevalue("pack")
    template = {"spec": {"containers": [{"name": "app", "image": "docker.io/istio/pilot:1.23.0"}]}}
    (fault,) = reports(
        pack["images-from-allowed-registries"], seen("dev", kind="Deployment", spec={"template": template})
    )
    assert "accepted: one from only.example" in fault


def test_the_packs_modules_need_none_of_the_providers_sdks() -> None:
    # The pack's own environment has pulumi and pulumi-policy alone.
    alone = "import sys, policy.rules; sys.exit(any(name.startswith('pulumi_') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", alone], cwd=PROJECT, check=False).returncode == 0
