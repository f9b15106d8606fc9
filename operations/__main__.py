"""``python -m operations``: the whole stack on an embedded cluster, without minikube, Docker or an account."""

import argparse
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pulumi
from rich.console import Console
from rich.logging import RichHandler

from components.commands import UserError
from components.commands.mesh_check import containers
from components.kube import Kube, KubeError
from embedded import artifacts, toolchain
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from operations import compare, drift, engine, policies, pulumi_cli, readme, recover, render
from operations.declared import releases_of, settings_of
from operations.evaluate import LOG, PROJECT, Recorder
from operations.view import View

STACK = "embedded"
CONTEXT = "embedded"
ROOT = PROJECT / ".embedded"
STATE = ROOT / "pulumi"
LAST_UP = ROOT / "up.json"  # engine, configuration and outputs of the last up


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the embedded cluster and bring the stack up on it")
    down = commands.add_parser("down", help="take the stack away and stop the cluster")
    down.add_argument("--keep-cluster", action="store_true", help="take only the stack away")
    recovering = commands.add_parser("recover", help="put right what an up that was killed has left, for the next up")
    for parser_with_engine in (up, down, recovering):
        parser_with_engine.add_argument(
            "--engine",
            choices=("auto", "offline", "pulumi"),
            default="auto",
            help="pulumi: the Pulumi CLI with a local file backend; offline: the SDK's mocks, which apply each "
            "resource; auto (default): pulumi where the CLI is on PATH",
        )
    shown = commands.add_parser("render", help="write every manifest that a stack would apply, one file an object")
    shown.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder to write, made anew")
    drawn = commands.add_parser("graph", help="put the picture of a stack's components into README.md")
    drawn.add_argument("--check", action="store_true", help="only fail where README.md has another picture")
    drawn.add_argument("--stack", default="dev", help="the stack (default: %(default)s)")
    changed = commands.add_parser("render-diff", help="show what changes in a stack's manifests since a commit")
    changed.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for base, head and changes.diff"
    )
    before = commands.add_parser("preview-base", help="bring the rehearsal up as it is at a commit (Pulumi CLI)")
    for parser_with_base in (changed, before):
        parser_with_base.add_argument("--base", required=True, metavar="REF", help="the commit, such as origin/main")
    commands.add_parser("preview", help="preview the rehearsal against its state (Pulumi CLI)")
    told = commands.add_parser("comment", help="write a pull request's comment from what commands printed")
    told.add_argument("--section", action="append", default=[], metavar="TITLE=FILE", type=_pair)
    told.add_argument("--out", required=True, type=Path, metavar="FILE")
    judged = commands.add_parser("policy", help="judge a stack by the policy pack's rules, without the Pulumi CLI")
    drifted = commands.add_parser("drift", help="show what in a stack's cluster is not as the program says")
    drifted.add_argument("--stack", default=STACK, help="the stack (default: %(default)s)")
    drifted.add_argument(
        "--repair", action="store_true", help="put right what up does not look at: what charts and Commands brought"
    )
    for parser_with_stack in (shown, judged, changed):
        parser_with_stack.add_argument("--stack", default=STACK, help="the stack (default: %(default)s)")
        parser_with_stack.add_argument(
            "--stand-ins", action="store_true", help="the rehearsal's charts and CRDs in the place of downloads"
        )
    for parser_with_config in (up, down, shown, judged, changed, drifted):
        parser_with_config.add_argument(
            "--config",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            type=_pair,
            help="a configuration key for this run, over the stack's file (repeatable)",
        )
    status = commands.add_parser("status", help="show the cluster's pods and the stack's outputs")
    status.add_argument("--output", choices=("text", "json"), default="text", help="text (default) or json")
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command, the process's own if no ``words`` are given; the exit code."""
    options = arguments().parse_args(words)
    console = Console(highlight=False)
    LOG.addHandler(RichHandler(console=console, show_time=False, show_path=False))
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        COMMANDS[options.command](options, console)
    except (EmbeddedError, UserError, KubeError, pulumi.RunError, pulumi_cli.CliError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted: what was made stays; the same command goes on from there, `down` removes it", file=sys.stderr
        )
        return 130
    return 0


def up(options: argparse.Namespace, console: Console) -> None:
    """Start the cluster, bring the stack up, show what there is."""
    chosen = _engine(options.engine, console)
    tools = toolchain.ensure()
    overrides = dict(options.config)
    for istio_version in artifacts.istio_versions(settings_of(STACK, overrides)):
        artifacts.prepare(ROOT, istio_version)
    cluster = Cluster(ROOT, tools=tools)
    cluster.start()
    last_up = {"engine": _named(chosen), "config": overrides, "outputs": {}}
    LAST_UP.write_text(json.dumps(last_up))
    if chosen:
        outputs = _cli(chosen).up(overrides)
    else:
        with View(console, "embedded") as view:
            outputs = engine.deploy(engine.applier(cluster.kubeconfig, CONTEXT, tools / "helm", view), STACK, overrides)
    LAST_UP.write_text(json.dumps({**last_up, "outputs": outputs}))
    show(console, pods(cluster.kubeconfig), outputs)
    told = "A rehearsal: pods are simulated, so that no page answers; docs/architecture.md says what is real"
    console.print(told, soft_wrap=True)


def down(options: argparse.Namespace, console: Console) -> None:
    """Take the stack away, then the cluster with everything that it wrote."""
    cluster = Cluster(ROOT)
    if cluster.running() and LAST_UP.exists():
        chosen = _engine(options.engine, console)
        if chosen:
            _cli(chosen).destroy()
        else:
            with View(console, "embedded") as view:
                applier = engine.applier(cluster.kubeconfig, CONTEXT, toolchain.ensure() / "helm", view)
                engine.destroy(applier, STACK, {**_last_up().get("config", {}), **dict(options.config)})
    LAST_UP.unlink(missing_ok=True)
    if not options.keep_cluster:
        cluster.delete()
        shutil.rmtree(STATE, ignore_errors=True)
        console.print("The rehearsal is gone; nothing of it runs.")


def recovered(options: argparse.Namespace, console: Console) -> None:
    """Put right what an up that was killed has left; the offline engine, which keeps no state, does that itself."""
    chosen = _engine(options.engine, console)
    if not chosen:
        said = "Nothing to do: the offline engine keeps no state, and `up` goes on from whatever it finds"
        console.print(said, soft_wrap=True)
        return
    Cluster(ROOT, tools=toolchain.ensure()).start()
    overrides = _last_up().get("config", {})
    recover.recover(_cli(chosen), settings_of(STACK, overrides), overrides, releases_of(STACK, overrides))


def status(options: argparse.Namespace, console: Console) -> None:
    """The pods with their containers, and the outputs of the last up."""
    cluster = _running()
    outputs = _last_up().get("outputs", {})
    found = pods(cluster.kubeconfig)
    if options.output == "json":
        print(json.dumps({"pods": found, "outputs": outputs}, indent=2))
    else:
        show(console, found, outputs)


def rendered(options: argparse.Namespace, console: Console) -> None:
    """Write the manifests of a stack."""
    _, objects = _render(options, console)
    count = render.write(objects, options.out)
    console.print(f"Stack {options.stack}: {count} manifests in {options.out}", soft_wrap=True)


def judgement(options: argparse.Namespace, console: Console) -> None:
    """Show what each policy says of a stack; a mandatory one's faults are an error."""
    recorder, objects = _render(options, console)
    judged = policies.resources(recorder.registrations, objects)
    verdict = policies.verdict(options.stack, settings_of(options.stack, dict(options.config)), judged)
    for policy, level, faults in verdict:
        console.print(f"{level:<9} {policy.name}: {len(faults) or 'no'} fault{'s' * (len(faults) != 1)}")
        for fault in faults:
            console.print(f"          {fault}", soft_wrap=True, markup=False)
    if failed := [policy.name for policy, level, faults in verdict if faults and level == "mandatory"]:
        raise UserError(f"stack {options.stack} breaks {len(failed)} mandatory policies: {', '.join(failed)}")


def drifting(options: argparse.Namespace, console: Console) -> None:
    """Show every object that is not as the program says; that there is one is an error, unless it was put right."""
    helm = toolchain.ensure() / "helm"
    with console.status(f"Comparing stack {options.stack} with its cluster"):
        api, count, found = drift.find(options.stack, dict(options.config), helm)
    for each in found:
        console.print(str(each), soft_wrap=True, markup=False)
    repaired = drift.repair(api, found) if options.repair else []
    if repaired:
        console.print(f"Put right: {len(repaired)} objects that charts or Commands brought")
    if len(found) > len(repaired):
        raise UserError(
            f"{len(found) - len(repaired)} of {count} objects of stack {options.stack} are not as the program says: "
            "docs/operations.md tells what to do"
        )
    if not found:
        console.print(f"No drift: the {count} objects of stack {options.stack} are as the program says")


def changes(options: argparse.Namespace, console: Console) -> None:
    """Render a stack as it is at a commit and as it is now, and write down what is different."""
    base, head = options.out.absolute() / "base", options.out.absolute() / "head"
    words = [word for key, value in options.config for word in ("--config", f"{key}={value}")]
    compare.render_at(options.base, options.stack, base, [*words, *["--stand-ins"] * options.stand_ins])
    render.write(_render(options, console)[1], head)
    found = compare.difference(base, head)
    (options.out / "changes.diff").write_text(found)
    files = found.count("\ndiff --git ") + found.startswith("diff --git ")
    console.print(
        f"Stack {options.stack}: {files} manifests differ from {options.base}: {options.out / 'changes.diff'}"
    )


def base_up(options: argparse.Namespace, _: Console) -> None:
    """Bring the rehearsal up as it is at a commit."""
    _needed_cli("preview-base")
    compare.up_at(options.base, ROOT)


def preview(_: argparse.Namespace, __: Console) -> None:
    """Show what the program as it is now would change of what `up` or `preview-base` made."""
    chosen = _needed_cli("preview")
    _running()
    for istio_version in artifacts.istio_versions(settings_of(STACK)):
        artifacts.prepare(ROOT, istio_version)
    _cli(chosen).preview()


def commented(options: argparse.Namespace, _: Console) -> None:
    """Write a pull request's comment."""
    sections = {title: Path(file).read_text() for title, file in options.section}
    options.out.write_text(compare.comment(sections))


def drawing(options: argparse.Namespace, _: Console) -> None:
    """Put the picture of a stack into the README, or check the one there."""
    print(readme.update(options.stack, check=options.check))


def pods(kubeconfig: Path) -> list[dict[str, Any]]:
    """Every pod: namespace, name, phase, whether it is ready, its containers and native sidecars with their images."""
    return [
        {
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "phase": pod["status"].get("phase", "Unknown"),
            "ready": any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])),
            "containers": [{"name": c["name"], "image": c["image"]} for c in containers(pod)],
        }
        for pod in Kube(kubeconfig, CONTEXT).objects("/api/v1/pods")
    ]


def show(console: Console, found: list[dict[str, Any]], outputs: dict[str, Any]) -> None:
    """Pods and outputs, as a person reads them."""
    for pod in found:
        names = ", ".join(container["name"] for container in pod["containers"])
        ready = "ready" if pod["ready"] else "not ready"
        console.print(f"{pod['namespace']:<14} {pod['name']:<40} {pod['phase']}, {ready}: {names}", soft_wrap=True)
    for name, value in outputs.items():
        if name != "pods":  # shown above
            console.print(f"{name}: {json.dumps(value, indent=2)}", soft_wrap=True)


def _running() -> Cluster:
    """The embedded cluster, which must be up."""
    cluster = Cluster(ROOT)
    if not cluster.running():
        raise UserError("the embedded cluster does not run; `python -m operations up` starts it")
    return cluster


def _needed_cli(command: str) -> Path:
    if binary := pulumi_cli.found():
        return binary
    raise UserError(f"{command} needs the Pulumi CLI on PATH; without it, see `python -m operations render-diff`")


def _render(options: argparse.Namespace, console: Console) -> tuple[Recorder, list[render.Rendered]]:
    overrides = dict(options.config)
    if options.stand_ins:
        overrides = render.stand_ins(options.stack, overrides, ROOT)
    with console.status(f"Rendering stack {options.stack}"):
        return render.render(options.stack, overrides, ROOT)


def _engine(wanted: str, console: Console) -> Path | None:
    """The Pulumi CLI to use, or None for the offline engine. What was made by one of them stays with it."""
    found = pulumi_cli.found()
    made_by = _last_up().get("engine")
    if wanted == "auto":
        wanted = made_by or ("pulumi" if found else "offline")
        why = "as it made this stack" if made_by else f"as {found or 'no Pulumi CLI'} is on PATH"
        console.print(f"Engine: {wanted}, {why}")
    if made_by and made_by != wanted:
        raise UserError(
            f"the stack on this cluster was made with --engine {made_by}, not {wanted}: give that, or start afresh "
            f"after `python -m operations down --engine {made_by}`"
        )
    if wanted == "pulumi" and not found:
        raise UserError("--engine pulumi needs the Pulumi CLI on PATH; install it, or take --engine offline")
    return found if wanted == "pulumi" else None


def _last_up() -> dict[str, Any]:
    return json.loads(LAST_UP.read_text()) if LAST_UP.exists() else {}


def _named(engine: Path | None) -> str:
    return "pulumi" if engine else "offline"


def _cli(binary: Path) -> pulumi_cli.Cli:
    return pulumi_cli.Cli(binary=binary, stack=STACK, state=STATE)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


COMMANDS = {
    "up": up,
    "down": down,
    "recover": recovered,
    "status": status,
    "render": rendered,
    "render-diff": changes,
    "policy": judgement,
    "drift": drifting,
    "graph": drawing,
    "preview-base": base_up,
    "preview": preview,
    "comment": commented,
}

if __name__ == "__main__":
    sys.exit(main())
