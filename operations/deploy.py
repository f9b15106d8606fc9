"""``make up``, ``preview``, ``drift``, ``recover``, ``destroy``: a stack by the CLI, or rehearsed without minikube."""

import argparse
import shutil
import sys
from pathlib import Path

import pulumi

from components.commands import UserError
from components.gateway_api import cache_folder
from components.kube import KubeError
from embedded.errors import EmbeddedError
from operations import __main__ as rehearsal
from operations import pulumi_cli, recover
from operations.declared import releases_of, settings_of
from operations.evaluate import stack_config

STATE = Path(".pulumi-state").absolute()
DEFAULT_STACK = "dev"


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m operations.deploy", description=__doc__)
    parser.add_argument("command", choices=("up", "preview", "drift", "recover", "destroy"))
    parser.add_argument("--policies", action="store_true", help="enforce the policy pack (`make policy-pack`)")
    parser.add_argument("--repair", action="store_true", help="with drift: put right what charts and Commands brought")
    parser.add_argument("--stack", default=DEFAULT_STACK, help="the stack (default: %(default)s)")
    return parser


def main() -> int:
    """Run one command; the exit code."""
    options = arguments().parse_args()
    try:
        return run(options.command, options.stack, policies=options.policies, repair=options.repair)
    except (EmbeddedError, UserError, KubeError, pulumi.RunError, pulumi_cli.CliError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from there, `make destroy` removes what was made", file=sys.stderr)
        return 130


def run(command: str, stack: str, *, policies: bool = False, repair: bool = False) -> int:
    """One command on one stack."""
    needs_minikube = stack_config(stack)["istio-minikube:clusterMode"] == "minikube"
    if needs_minikube and shutil.which("minikube") is None:
        if stack != DEFAULT_STACK:
            raise pulumi_cli.CliError(f"stack {stack} starts minikube, which is not on PATH; install it")
        if command == "preview" and pulumi_cli.found() is None:
            raise pulumi_cli.CliError(
                "a preview needs the Pulumi CLI on PATH; install it, or see the same program run by `make up`, which "
                "rehearses it on an embedded cluster"
            )
        if policies:
            raise pulumi_cli.CliError(
                "policies are enforced where minikube is on PATH; install it, or have `make policy` judge the stack"
            )
        doing = "rehearsing on the embedded cluster instead of starting one"
        about = doing if command == "up" else "this is the rehearsal's embedded cluster"
        print(f"minikube is not on PATH: {about}", flush=True)
        return rehearsal.main([{"destroy": "down"}.get(command, command), *["--repair"] * repair])
    if command == "drift":
        return rehearsal.main(["drift", "--stack", stack, *["--repair"] * repair])
    binary = pulumi_cli.found() or pulumi_cli.fetched(cache_folder() / "pulumi")
    cli = pulumi_cli.Cli(binary=binary, stack=stack, state=STATE, policies=policies)
    if command == "up":
        cli.up({})
    elif command == "preview":
        cli.preview()
    elif command == "recover":
        recover.recover(cli, settings_of(stack), {}, releases_of(stack))
    else:
        cli.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
