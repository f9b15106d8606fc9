"""One evaluation of a program in a process of its own, as its first import counts too; prints what it took as JSON.

python -m benchmarks.child --project DIR --stack NAME [--config KEY=VALUE ...]
"""

import argparse
import contextlib
import json
import resource
import runpy
import sys
import time
from pathlib import Path

from operations.manifests.evaluate import Recorder, evaluate, stack_config


def evaluated(recorder: Recorder, project: Path, stack: str, overrides: dict[str, str]) -> None:
    """Evaluate the ``__main__.py`` of a project's folder, whose programs are the benchmarks' own."""
    main = str(project / "__main__.py")
    config = stack_config(stack, overrides, project)
    with contextlib.chdir(project):
        evaluate(recorder, stack, config, lambda: runpy.run_path(main, run_name="__main__"))


def main() -> None:
    """Do it, then print what it took: ``cpu`` seconds of the processor, and peak MiB."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.child", description=__doc__.split("\n")[0])
    parser.add_argument("--project", type=lambda folder: Path(folder).absolute(), required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    overrides = dict(entry.split("=", 1) for entry in options.config)
    spent = time.process_time()
    evaluated(Recorder(), options.project, options.stack, overrides)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"cpu": time.process_time() - spent, "mib": peak}))


if __name__ == "__main__":
    main()
