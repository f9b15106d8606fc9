"""The CrossGuard pack: hands every resource that Pulumi registers to the rules, each on the level that its stack has.

A policy's level is fixed when the pack is loaded, before the stack is known: so each policy is there once for every
level that it can have, and judges only the stacks on which it has that level.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# Pulumi runs the pack in its own folder; the rules are imported by the name that they have everywhere.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from pulumi.runtime import get_config_env
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.registries import Config
from policy.rules import Level, Policy, Resource, policies

PROJECT = "istio-minikube"


def stack_of(urn: str) -> str:
    """The stack in ``urn:pulumi:STACK::PROJECT::TYPES::NAME``."""
    return urn.split("::")[0].removeprefix("urn:pulumi:")


def resource_of(seen: ResourceValidationArgs | PolicyResource) -> Resource:
    """A resource as the rules take it; the types in a URN are those of its components and, last, its own."""
    return Resource(
        name=seen.name,
        manifest=seen.props,
        kubernetes=seen.resource_type.startswith("kubernetes:"),
        components=seen.urn.split("::")[2].split("$")[:-1],
        protect=bool(seen.opts.protect),
        default_provider=seen.provider is None or seen.provider.name.startswith("default"),
    )


def judge_each(policy: Policy, level: Level) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """What CrossGuard calls for every resource."""

    def judge(seen: ResourceValidationArgs, report: ReportViolation) -> None:
        if policy.level(stack_of(seen.urn)) == level:
            for fault in policy.faults([resource_of(seen)]):
                report(fault, seen.urn)

    return judge


def judge_all(policy: Policy, level: Level) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """What CrossGuard calls once, for the whole stack."""

    def judge(seen: StackValidationArgs, report: ReportViolation) -> None:
        resources: Sequence[PolicyResource] = seen.resources
        if resources and policy.level(stack_of(resources[0].urn)) == level:
            for fault in policy.faults([resource_of(resource) for resource in resources]):
                report(fault)

    return judge


def wrapped(policy: Policy, level: Level) -> ResourceValidationPolicy | StackValidationPolicy:
    """The policy as CrossGuard takes it."""
    name = policy.name if level == "mandatory" else f"{policy.name}-{level}"
    enforced = EnforcementLevel.MANDATORY if level == "mandatory" else EnforcementLevel.ADVISORY
    if policy.all:
        return StackValidationPolicy(name, policy.description, judge_all(policy, level), enforced)
    return ResourceValidationPolicy(name, policy.description, judge_each(policy, level), enforced)


def stack_config() -> Config:
    """The stack's configuration by bare key, which Pulumi has in the environment of a pack that judges a stack."""
    prefix = f"{PROJECT}:"
    found = get_config_env()
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}


LEVELS: tuple[Level, ...] = ("mandatory", "advisory")

PolicyPack(
    name=PROJECT,
    policies=[
        wrapped(policy, level)
        for policy in policies(stack_config())
        for level in LEVELS
        if level in (*policy.levels.values(), policy.otherwise)
    ],
)
