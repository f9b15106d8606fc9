"""``make workflows``: lints .github/workflows with the actionlint that operations/lint/go.mod pins.

``go tool`` builds it once and keeps it in Go's cache. Where the Go modules cannot be had it says so and lets it pass.
"""

import subprocess
import sys
from pathlib import Path

from embedded.errors import Unreachable
from embedded.toolchain import find_go, go_environment, is_network_failure

PROJECT = Path(__file__).resolve().parent.parent
MODULE = PROJECT / "operations" / "lint"
WORKFLOWS = PROJECT / ".github" / "workflows"


def main() -> int:
    """Lint every workflow; the exit code."""
    try:
        go = find_go()
    except Unreachable as error:
        print(f"skipped: actionlint, as there is no Go: {error}")
        return 0
    files = sorted(map(str, WORKFLOWS.glob("*.yaml")))
    # No shellcheck and pyflakes: they are there on some machines only.
    command = [str(go), "tool", "actionlint", "-shellcheck=", "-pyflakes=", *files]
    done = subprocess.run(command, cwd=MODULE, env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode and is_network_failure(done.stderr):
        print("skipped: actionlint, as its Go modules cannot be reached (GOPROXY)")
        return 0
    print(done.stdout or done.stderr, end="", file=sys.stderr)
    return done.returncode
