"""The generated parts of the README: the diagram of a stack and the table of its configuration."""

import json
from pathlib import Path

import yaml

from components.commands import UserError
from operations.manifests.evaluate import PROJECT
from operations.manifests.graph import picture

README = PROJECT / "README.md"


def markers(part: str) -> tuple[str, str]:
    """The lines between which a part stands."""
    return f"<!-- {part}:start -->", f"<!-- {part}:end -->"


def inserted(readme: str, part: str, content: str) -> str:
    """``readme`` with ``content`` between the markers of ``part``.

    Raises:
        UserError: the markers are missing.
    """
    start, end = markers(part)
    before, found_start, rest = readme.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise UserError(f"there are no lines {start} and {end}, between which the {part} goes; add them")
    return f"{before}{start}\n{content}\n{end}{after}"


def config_table(description: str) -> str:
    """A table of Pulumi.yaml's keys, their types, defaults and descriptions."""
    keys = yaml.safe_load(description)["config"]
    rows = [
        f"| `{key}` | {entry['type']} | `{json.dumps(entry['default'])}` | {entry['description']} |"
        for key, entry in keys.items()
        if ":" not in key  # Pulumi's own, which is no matter of a stack
    ]
    return "\n".join(["| key | type | default | what it is |", "|---|---|---|---|", *rows])


def update(stack: str, *, check: bool, readme: Path = README) -> str:
    """Put the stack's picture and the table of configuration into the README, or only check them; the picture.

    Raises:
        UserError: ``check`` and the README has others, or it has no place for them.
    """
    found = readme.read_text() if readme.is_file() else ""
    made = picture(stack)
    wanted = inserted(found, "graph", f"```mermaid\n{made}\n```")
    wanted = inserted(wanted, "config", config_table((PROJECT / "Pulumi.yaml").read_text()))
    if wanted != found:
        if check:
            raise UserError(f"the diagram or the table in {readme.name} is out of date: run `make graph`")
        readme.write_text(wanted)
    return made
