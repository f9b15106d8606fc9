"""Evaluates programs under mocks and keeps what they registered, for every unit test of components and program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.proto import resource_pb2

from operations.manifests import evaluate as program
from operations.manifests.evaluate import Recorder, Registration, evaluate, stack_config
from program.compose import compose
from program.lookup import Cluster
from program.settings import Settings

PROJECT_NAME = "istio-minikube"


@dataclass(kw_only=True)
class Mesh(Recorder):
    """What was registered.

    Attributes:
        answers: by a resource's logical name, outputs that its provider adds to its inputs.
        registered: by a component's logical name, the outputs that it registered.
    """

    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    registered: dict[str, Any] = field(default_factory=dict)

    def create(self, registration: Registration) -> dict[str, Any]:
        return {**super().create(registration), **self.answers.get(registration.name, {})}

    @property
    def names(self) -> set[str]:
        return {registration.name for registration in self.registrations}

    def kind(self, name: str) -> str:
        """The type of a resource."""
        return self.named(name).token

    def inputs(self, name: str) -> Mapping[str, Any]:
        return self.named(name).inputs

    def options(self, name: str) -> Any:
        """The registration request, with every resource option."""
        return self.requests[self.named(name).token, name]

    def behind(self, name: str) -> set[str]:
        """Everything that a resource waits for, its provider too, at whatever remove."""
        found: set[str] = set()
        ahead = {name}
        while ahead:
            each = self.named(ahead.pop())
            found.add(each.name)
            ahead |= {*each.dependencies, *filter(None, [each.provider])} - found
        return found - {name}

    def of_token(self, token: str) -> dict[str, Registration]:
        return {registration.name: registration for registration in self.registrations if registration.token == token}


class KeepingMonitor(program.Monitor):
    """A monitor that also keeps what components register as outputs."""

    mocks: Mesh

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 the SDK's name
        self.mocks.requests[request.type, request.name] = resource_pb2.RegisterResourceRequest(
            type=request.type, name=request.name, parent=request.parent, dependencies=request.dependencies
        )
        return super().ReadResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 the SDK's name
        self.mocks.registered[request.urn.split("::", 3)[3]] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def composed(declare: Callable[[], object], answers: Mapping[str, Mapping[str, Any]] | None = None) -> Mesh:
    """What ``declare`` registers, evaluated in the place of the program."""
    mesh = Mesh(answers=answers or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "Monitor", KeepingMonitor)
        evaluate(mesh, "test", {f"{PROJECT_NAME}:namespace": "default"}, declare)
    return mesh


def evaluated(stack: str, config: Mapping[str, str], cluster: Cluster, *secrets: str) -> Mesh:
    """What the whole program registers for a stack, in front of ``cluster``; ``secrets`` are keys of secret values."""
    mesh = Mesh()
    configured = stack_config(stack, config)
    configured.secrets |= {f"{PROJECT_NAME}:{key}" for key in secrets}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "Monitor", KeepingMonitor)
        evaluate(mesh, stack, configured, lambda: compose(Settings.load(), cluster))
    return mesh


def something(name: str) -> pulumi.CustomResource:
    """A resource to be waited for; to be called where a program is evaluated."""
    return k8s.core.v1.ConfigMap(name)
