"""Creates a minikube profile so that a failure, a Ctrl-C or a SIGKILL leaves nothing of it, and takes nothing else."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from . import UserError, say
from .profiles import listed

Left = Literal["nothing", "deleted", "undeleted", "unknown"]
_CHUNK = 4096
_KEPT = 16384  # bytes: a reason is among the last words
_GRACE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How `minikube start` of a new profile ended.

    Attributes:
        code: its exit code.
        words: the last of what it said.
        left: what a failed one has left of the profile: nothing, as minikube had not begun with it; what was deleted
            again; what could not be deleted; or unknown, as minikube could not tell.
        interrupted: whether it was stopped from here.
    """

    code: int
    words: str = ""
    left: Left = "nothing"
    interrupted: bool = False


class Words:
    """Passes what a program says on to stderr, as it comes, and keeps the last of it.

    stdout is the result's. A reader that has gone away does not stop the program.
    """

    def __init__(self, source: int, *, aloud: bool = True) -> None:
        self._source, self._aloud = source, aloud
        self._last = b""
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def _pass_on(self) -> None:
        is_read = self._aloud
        while chunk := os.read(self._source, _CHUNK):
            self._last = (self._last + chunk)[-_KEPT:]
            if is_read:
                try:
                    os.write(sys.stderr.fileno(), chunk)
                except OSError:
                    is_read = False

    def last(self) -> str:
        """The last of it, once the program has ended."""
        self._thread.join(_GRACE_SECONDS)  # what the program left running may hold the pipe open
        return self._last.decode(errors="replace")


def heard(command: Sequence[str], env: Mapping[str, str], *, aloud: bool = True) -> tuple[int, str]:
    """Run a command with its output on stderr, if ``aloud``; its exit code and the last of what it said."""
    read, write = os.pipe()
    try:
        with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=write, stderr=write) as child:
            os.close(write)
            words = Words(read, aloud=aloud)
            try:
                return child.wait(), words.last()
            except BaseException:
                child.terminate()  # it need not have been told too: only a terminal's Ctrl-C goes to all
                child.wait()
                raise
    finally:
        os.close(read)


def create(command: Sequence[str], profile: str, kubeconfig: str, env: Mapping[str, str]) -> Outcome:
    """Run `minikube start` of a profile that does not exist; see ``Outcome``."""
    alive, lifeline = os.pipe()
    report, reporter = os.pipe()
    # Until they are heeded here: a Ctrl-C in between would leave everything to the keeper, and nobody would say so.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    keeper = os.fork()
    if keeper == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(lifeline)
            os.close(report)
            outcome = _keep(command, profile, kubeconfig, env, alive)
            os.write(reporter, json.dumps(asdict(outcome)).encode())
        finally:
            os._exit(0)
    os.close(alive)
    os.close(reporter)
    interrupted = False
    text = bytearray()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _read(report, text)
    except KeyboardInterrupt:
        interrupted = True
        say(f"Interrupted: stopping minikube, and deleting what it made of profile {profile!r} ...")
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not leave it half-deleted
            signal.signal(number, signal.SIG_IGN)
        os.close(lifeline)
        _read(report, text)
    os.waitpid(keeper, 0)
    told = json.loads(text) if text else {"code": 1, "left": "unknown"}  # the keeper was killed
    return Outcome(**told | {"interrupted": interrupted})


def _read(source: int, text: bytearray) -> None:
    while chunk := os.read(source, _CHUNK):
        text += chunk


def _keep(command: Sequence[str], profile: str, kubeconfig: str, env: Mapping[str, str], alive: int) -> Outcome:
    """Run the command and delete the profile again unless it ends well with the parent still there.

    This is a process of its own because Ctrl-C during `pulumi up` reaches the parent as SIGKILL: the provider's
    context is cancelled, and Go's exec.CommandContext kills. `alive` is a pipe that ends with the parent.
    https://github.com/pulumi/pulumi-go-provider/blob/main/middleware/cancel/cancel.go
    """
    os.setsid()  # the CLI may kill the provider's whole process group
    read, write = os.pipe()
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=write, stderr=write, process_group=0)
    os.close(write)
    words = Words(read)
    while child.poll() is None and not select.select([alive], [], [], 0.1)[0]:
        pass
    if child.returncode == 0 and not select.select([alive], [], [], 0)[0]:
        return Outcome(code=0)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    code = child.wait() % 256 or 1
    return Outcome(code=code, words=words.last(), left=_clean(profile, kubeconfig, env))


def _clean(profile: str, kubeconfig: str, env: Mapping[str, str]) -> Left:
    """Delete the profile if it is there now; before it was not."""
    try:
        if profile not in listed(kubeconfig):
            return "nothing"
    except UserError as error:
        say(str(error))
        return "unknown"
    code, _ = heard(["minikube", "delete", f"--profile={profile}"], env)
    return "undeleted" if code else "deleted"
