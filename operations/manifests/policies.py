"""The policy pack's rules on a rendered stack: without the Pulumi CLI, and with what is inside the Helm releases."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console

from components.commands import UserError
from operations.manifests.evaluate import Registration
from operations.manifests.render import Rendered
from policy.registries import Config
from policy.rules import Level, Policy, Resource, policies


def resources(registrations: Sequence[Registration], objects: Sequence[Rendered]) -> list[Resource]:
    """Everything that the rules judge: the objects, and the resources that are none (releases, commands)."""
    known = {registration.name: registration for registration in registrations}

    def components(registration: Registration) -> Iterator[str]:
        while registration.parent:
            registration = known[registration.parent]
            yield registration.token

    def judged(registration: Registration, name: str, manifest: Mapping[str, object]) -> Resource:
        return Resource(
            name=name,
            manifest=manifest,
            kubernetes=registration.token.startswith("kubernetes:"),
            components=tuple(components(registration)),
            protect=registration.protect,
            default_provider=not registration.provider,
        )

    shown = {item.resource.name for item in objects}
    found = [judged(other, other.name, {}) for other in registrations if other.custom and other.name not in shown]
    for item in objects:
        named = f"{item.resource.name}: {item.manifest['kind']} {item.manifest['metadata']['name']}"
        found.append(judged(item.resource, named, item.manifest))
    return found


def verdict(stack: str, config: Config, judged: Sequence[Resource]) -> list[tuple[Policy, Level, list[str]]]:
    """Each policy with its level on ``stack`` and the faults that it finds; none of those that are off are run.

    ``config`` is the stack's, by bare key.
    """
    levels = [(policy, policy.level(stack)) for policy in policies(config)]
    return [(policy, level, list(policy.faults(judged))) for policy, level in levels if level != "off"]


def report(stack: str, config: Config, judged: Sequence[Resource]) -> None:
    """Print what each policy says of ``stack``, whose configuration is ``config`` by bare key.

    Raises:
        UserError: it breaks a mandatory one; names each.
    """
    console = Console(highlight=False)
    found = verdict(stack, config, judged)
    for policy, level, faults in found:
        console.print(f"{level:<9} {policy.name}: {len(faults) or 'no'} fault{'s' * (len(faults) != 1)}")
        for fault in faults:
            console.print(f"          {fault}", soft_wrap=True, markup=False)
    if failed := [policy.name for policy, level, faults in found if faults and level == "mandatory"]:
        raise UserError(f"stack {stack} breaks {len(failed)} mandatory policies: {', '.join(failed)}")
