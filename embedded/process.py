"""Background processes that outlive the program that started them and can be told apart from everyone else's."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The child itself writes who it is before it becomes the program, so that no moment exists at which its parent could
# die and leave a process behind that nobody knows of. Field 22 of /proc/PID/stat is the start time; where there is no
# /proc (macOS) ps tells it.
# Until then its standard input may be a lock, which keeps the next starter from looking too early.
_WRITE_IDENTITY_THEN_RUN = (
    'f="$1"; shift; { echo $$; cat /proc/$$/stat 2>/dev/null || ps -o lstart= -p $$; } >"$f.new" '
    '&& mv "$f.new" "$f" && exec "$@" </dev/null'
)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of ours. `started` makes the pid unmistakable: a pid is reused, a pid with its start time is not."""

    pid: int
    started: str


def spawn(
    command: Sequence[str],
    *,
    pid_file: Path,
    log: Path,
    environment: Mapping[str, str],
    held: int | None = None,
    descriptors: Collection[int] = (),
) -> None:
    """Start a program in a session of its own, out of reach of the terminal's Ctrl-C.

    Args:
        command: The program's absolute path and its arguments.
        pid_file: Where the child records itself; read it with `recorded`.
        log: Where both its outputs go; the previous run's log is kept beside it as NAME.previous.
        environment: The child's whole environment; see `environment`.
        held: A file descriptor that the child keeps open until it has recorded itself.
        descriptors: Further ones, which it keeps for good.

    Raises:
        OSError: The child could not record itself, as on a full disk.
    """
    if log.exists():
        log.replace(log.with_suffix(".previous"))
    pid_file.unlink(missing_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _WRITE_IDENTITY_THEN_RUN, "sh", str(pid_file), *command],
            stdin=subprocess.DEVNULL if held is None else held,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=pid_file.parent,
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
    while not recorded(pid_file):
        # Looked at again: one that has recorded itself may end at once.
        if child.poll() is not None and not recorded(pid_file):
            message = f"{command[0]} could not be started: {log.read_text(errors='replace').strip()}"
            raise OSError(message)
        time.sleep(0.002)
    # Popen would warn that nobody waits for it. It is meant to outlive us; `alive` collects it should it end before.
    child.returncode = 0


def environment(**variables: str) -> dict[str, str]:
    """PATH and what is given: no ETCD_*, KUBECONFIG or proxy of the user's leaks into a process of ours."""
    return {"PATH": os.environ.get("PATH", os.defpath), **variables}


def recorded(pid_file: Path) -> Process | None:
    """The process that a file names; None where there is no such file or it makes no sense."""
    try:
        pid, description = pid_file.read_text().split("\n", 1)
        return Process(pid=int(pid), started=_start_time(description))
    except (OSError, ValueError):
        return None


def alive(process: Process | None) -> bool:
    """Whether the very process that was recorded still runs: neither ended nor replaced by another of its pid."""
    if process is None:
        return False
    _collect(process.pid)
    description = _describe(process.pid)
    return description is not None and _start_time(description) == process.started


def stop(processes: Iterable[Process], patience: float) -> None:
    """End processes: ask all at once, then force those that are left.

    Args:
        processes: Those that have ended already, or whose pid now is somebody else's, are left alone.
        patience: Seconds between asking and forcing.
    """
    remaining = _signal(processes, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while remaining and time.monotonic() < deadline:
        time.sleep(0.02)
        remaining = [process for process in remaining if alive(process)]
    remaining = _signal(remaining, signal.SIGKILL)
    while remaining:
        time.sleep(0.02)
        remaining = [process for process in remaining if alive(process)]


def _signal(processes: Iterable[Process], number: signal.Signals) -> list[Process]:
    signalled = [process for process in processes if alive(process)]
    for process in signalled:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue
    return signalled


def _collect(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _describe(pid: int) -> str | None:
    """What the kernel (or ps) says about a running process; None where there is none or only a zombie is left."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if _fields(stat)[0] in "ZX" else stat
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, env={"PATH": os.defpath}
    )
    return answer.stdout or None


def _start_time(description: str) -> str:
    """The part of a description that does not change while the process lives."""
    return _fields(description)[19] if ")" in description else " ".join(description.split())


def _fields(stat: str) -> list[str]:
    """/proc/PID/stat from its third field on: the second is the program's name, which may hold anything."""
    return stat.rpartition(")")[2].split()
