"""What the last version left in a stack's state, made usable by this one."""

import json

from operations.pulumi_cli import Cli

FORMER, PRESENT = "python -m commands.", "python -m components.commands."
"""How a Command calls this project's programs, which have moved."""


def rename_commands(cli: Cli) -> bool:
    """Let the Commands in the state find their programs, for a ``destroy`` that no ``up`` has gone before.

    Returns:
        Whether there was something to change.
    """
    if not cli.known:
        return False
    cli.select()
    before = json.dumps(cli.export())
    if FORMER not in before:
        return False
    cli.load(json.loads(before.replace(FORMER, PRESENT)))
    print("The Commands that the last version left in the state call this version's programs now", flush=True)
    return True
