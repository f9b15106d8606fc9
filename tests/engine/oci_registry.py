"""A real OCI registry on the loopback, which asks for a login: https://github.com/distribution/distribution."""

import base64
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.commands.self_signed import make
from embedded import toolchain
from embedded.toolchain.cache import cache_folder, filled

MODULE = Path(__file__).parent / "registry"
USER, PASSWORD = "tester", "for tests"
# bcrypt of PASSWORD, as `htpasswd -B` writes it.
HTPASSWD = f"{USER}:$2b$04$mmkql8YPhZxmvpITNmXhpuGWy17Vp.5Ac7X5TTcvkCikdJcP2Y6uu\n"
READY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry that serves.

    Attributes:
        host: its host and port.
        certificate: the file of its certificate, which signs itself.
        login: a folder with a Docker configuration file that has its credentials.
        no_login: the same without any.
    """

    host: str
    certificate: Path
    login: Path
    no_login: Path

    def trusted(self, *, login: bool = True) -> dict[str, str]:
        """What Go's programs must have in their environment to reach it."""
        return {"SSL_CERT_FILE": str(self.certificate), "DOCKER_CONFIG": str(self.login if login else self.no_login)}

    def push(self, helm: Path, archive: Path, folder: str) -> None:
        """Push a chart's archive into a folder of the registry."""
        words = [str(helm), "push", str(archive), f"oci://{self.host}/{folder}"]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, **self.trusted()})


def built() -> Path:
    """The registry's binary, built once for each state of its go.mod, in the cache of the cluster's own programs.

    Raises:
        Unreachable: Go cannot be had.
    """
    pins = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()[:16]

    def build(folder: Path) -> None:
        words = [str(toolchain.find_go()), "build", "-trimpath", "-o", f"{folder}/", "tool"]
        subprocess.run(words, cwd=MODULE, check=True, env=toolchain.go_environment())

    return filled(cache_folder() / "tests" / f"registry-{pins}", build, print) / "registry"


@contextmanager
def serving(root: Path) -> Iterator[Registry]:
    """A registry with its files in ``root``, until it is no longer needed."""
    for name, content in make("localhost").items():
        (root / f"{name}.pem").write_text(content)
    (root / "htpasswd").write_text(HTPASSWD)
    configuration = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root / "storage")}},
        "auth": {"htpasswd": {"realm": "tests", "path": str(root / "htpasswd")}},
        "http": {
            "addr": "127.0.0.1:0",
            "tls": {"certificate": str(root / "certificate.pem"), "key": str(root / "key.pem")},
        },
    }
    (root / "config.json").write_text(json.dumps(configuration))  # JSON is YAML
    with (root / "log").open("wb") as log:
        process = subprocess.Popen([str(built()), "serve", str(root / "config.json")], stdout=log, stderr=log)
    try:
        host = f"localhost:{_port(process, root / 'log')}"
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        for folder, logins in (("login", {host: {"auth": auth}}), ("no-login", {})):
            (root / folder).mkdir()
            (root / folder / "config.json").write_text(json.dumps({"auths": logins}))
        yield Registry(
            host=host, certificate=root / "certificate.pem", login=root / "login", no_login=root / "no-login"
        )
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> str:
    """The port that the system gave, once connections are taken there."""
    deadline = time.monotonic() + READY_SECONDS
    while not (listening := re.search(r"listening on 127\.0\.0\.1:(\d+)\D", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return listening[1]
