"""The commands that render, compare and judge a stack's manifests; see ``operations/__main__.py``."""

import argparse
import sys
from pathlib import Path

from components.commands import UserError
from embedded import toolchain
from operations import deploy, stacks
from operations.manifests import compare, drift, effects, policies, readme, render
from operations.manifests.declared import settings_of
from operations.manifests.evaluate import Recorder


def find_drift(options: argparse.Namespace) -> None:
    """Show what in the stack's cluster differs from the program."""
    overrides = dict(options.config)
    stacks.prepare_existing(options.stack, overrides)
    print(f"Comparing stack {options.stack} with its cluster", file=sys.stderr, flush=True)
    api, count, found = drift.find(options.stack, overrides, toolchain.ensure("cluster").cluster / "helm")
    for each in found:
        print(each)
    repaired = drift.repair(api, found) if options.repair else []
    if repaired:
        print(f"Repaired: {len(repaired)} objects that charts or Commands created")
    if len(found) > len(repaired):
        raise UserError(
            f"{len(found) - len(repaired)} of {count} objects of stack {options.stack} differ from the program: "
            "see docs/operations.md"
        )
    if not found:
        print(f"No drift: the {count} objects of stack {options.stack} are what the program declares")


def write_manifests(options: argparse.Namespace) -> None:
    """Write every manifest that the stack would apply, one file an object."""
    _, objects = _rendered(options)
    print(f"Stack {options.stack}: {render.write(objects, options.out)} manifests in {options.out}")


def diff_manifests(options: argparse.Namespace) -> None:
    """Show what changes in the stack's manifests since a commit."""
    base, head = options.out.absolute() / "base", options.out.absolute() / "head"
    words = [word for key, value in options.config for word in ("--config", f"{key}={value}")]
    compare.render_at(options.base, options.stack, base, [*words, *["--stand-ins"] * options.stand_ins])
    render.write(_rendered(options)[1], head)
    changes = compare.difference(base, head)
    marked = effects.marked(effects.of_folders(base, head))
    (options.out / "changes.diff").write_text(marked + changes)
    files = changes.count("\ndiff --git ") + changes.startswith("diff --git ")
    print(marked, end="")
    print(f"Stack {options.stack}: {files} manifests differ from {options.base}: {options.out / 'changes.diff'}")


def judge(options: argparse.Namespace) -> None:
    """Check the stack's manifests against the policy pack's rules; breaking a mandatory one is an error."""
    recorder, objects = _rendered(options)
    config = settings_of(options.stack, dict(options.config))
    policies.report(options.stack, config, policies.resources(recorder.registrations, objects))


def draw(options: argparse.Namespace) -> None:
    """Write the diagram of the stack's components and the table of its keys into README.md."""
    print(readme.update(options.stack, check=options.check))


def preview_base(options: argparse.Namespace) -> None:
    """Bring stack embedded up as it is at a commit, for preview-head."""
    compare.up_at(options.base)


def preview_head(_: argparse.Namespace) -> None:
    """Preview stack embedded, as it is now, against what preview-base brought up."""
    deploy.preview(stacks.EMBEDDED, {})


def comment(options: argparse.Namespace) -> None:
    """Write a pull request's comment from what commands printed."""
    try:
        sections = {title: Path(file).read_text() for title, file in options.section}
        options.out.write_text(compare.comment(sections))
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}; accepted: for --section a file that is there, for --out one that can "
            "be written"
        ) from error


def _rendered(options: argparse.Namespace) -> tuple[Recorder, list[render.Rendered]]:
    overrides = dict(options.config)
    if options.stand_ins:
        overrides = render.stand_ins(options.stack, overrides)
    print(f"Rendering stack {options.stack}", file=sys.stderr, flush=True)
    return render.render(options.stack, overrides)
