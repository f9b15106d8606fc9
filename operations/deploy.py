"""``up``, ``preview``, ``destroy`` and ``recover``: a stack by Pulumi's engine."""

from collections.abc import Mapping

from operations import engine, pulumi_cli, recover, stacks, status
from operations.manifests.declared import releases_of, settings_of
from operations.pulumi_cli import Cli


def cli_for(stack: str, overrides: Mapping[str, str] | None = None, *, policies: bool = False) -> Cli:
    """The CLI on a stack whose cluster and charts are prepared."""
    stacks.prepare(stack, overrides)
    return Cli(engine=engine.find(), stack=stack, state=pulumi_cli.STATE, policies=policies)


def up(stack: str, overrides: Mapping[str, str], *, policies: bool = False) -> None:
    """Bring the stack up, then show its pods and outputs."""
    cli = cli_for(stack, overrides, policies=policies)
    outputs = cli.up(overrides)
    status.show(settings_of(stack, overrides), outputs)


def preview(stack: str, overrides: Mapping[str, str], *, policies: bool = False) -> None:
    """Show what ``up`` would change."""
    cli_for(stack, overrides, policies=policies).preview(overrides)


def destroy(stack: str, overrides: Mapping[str, str]) -> None:
    """Remove what ``up`` created, and nothing else."""
    cli_for(stack, overrides).destroy()


def recover_stack(stack: str, overrides: Mapping[str, str]) -> None:
    """Put right what an ``up`` that was killed has left, for the next one."""
    cli = cli_for(stack, overrides)
    recover.recover(cli, settings_of(stack, overrides), overrides, releases_of(stack, overrides))
