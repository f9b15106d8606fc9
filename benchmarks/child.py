"""One run of a program in a process of its own, as its first import counts too; prints what it took as JSON.

python -m benchmarks.child evaluate|up|down --project DIR --stack NAME [--kubeconfig FILE] [--config KEY=VALUE ...]
"""

import argparse
import json
import resource
import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console

from embedded import toolchain
from embedded.cluster import CONTEXT
from operations import engine
from operations.evaluate import Recorder, evaluate, stack_config
from operations.view import View


def main() -> None:
    """Do it, then print what it took: seconds by the clock, ``cpu`` seconds of the processor, and peak MiB."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.child", description=__doc__.split("\n")[0])
    parser.add_argument("work", choices=("evaluate", "up", "down"))
    parser.add_argument("--project", type=lambda folder: Path(folder).absolute(), required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--kubeconfig", type=Path, default=Path("none"))
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    overrides = dict(entry.split("=", 1) for entry in options.config)
    began, spent = time.monotonic(), time.process_time()
    if options.work == "evaluate":
        config = stack_config(options.stack, overrides, options.project)
        evaluate(Recorder(), options.stack, config, options.project)
    else:
        view = View(Console(file=StringIO()), "")
        helm = toolchain.ensure("cluster").cluster / "helm"
        applier = engine.applier(options.kubeconfig, CONTEXT, helm, view, options.project)
        {"up": engine.deploy, "down": engine.destroy}[options.work](applier, options.stack, overrides)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    cost = {"seconds": time.monotonic() - began, "cpu": time.process_time() - spent, "mib": peak}
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
