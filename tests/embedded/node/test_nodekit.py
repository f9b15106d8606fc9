"""The node's own small servers, on the host's loopback."""

import contextlib
import hashlib
import http.client
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from embedded.images.oci import MANIFEST, Image, Layout
from embedded.node.parts import Parts
from tests.embedded.kube import eventually
from tests.embedded.node.ports import held_port

PATIENCE = 60


@contextmanager
def relay(parts: Parts, target: int) -> Iterator[tuple[str, int]]:
    """A relay to a port of the host's loopback; where it listens."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        command = [str(parts.node / "nodekit"), "relay", "127.0.0.1:9", f"{listener.fileno()}=127.0.0.1:{target}"]
        with subprocess.Popen(command, pass_fds=[listener.fileno()]) as running:
            try:
                yield listener.getsockname()
            finally:
                running.kill()


@contextmanager
def echo() -> Iterator[int]:
    """A server that says everything back, in capitals, once its client has finished speaking; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:

        def answer(client: socket.socket) -> None:
            with client:
                client.settimeout(PATIENCE)
                said = b"".join(iter(lambda: client.recv(1 << 16), b""))
                client.sendall(said.upper())

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed in the end
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def say(client: socket.socket, said: bytes) -> None:
    client.sendall(said)
    client.shutdown(socket.SHUT_WR)


def test_a_relay_passes_on_the_end_of_what_one_side_says_and_waits_for_the_other(parts: Parts) -> None:
    said = b"a long story " * 100_000
    with echo() as target, relay(parts, target) as place, socket.create_connection(place, PATIENCE) as client:
        client.settimeout(PATIENCE)
        thread = threading.Thread(target=say, args=(client, said))
        thread.start()
        heard = b"".join(iter(lambda: client.recv(1 << 16), b""))
        thread.join()
    assert heard == said.upper()


def test_a_relay_has_room_for_thousands_of_connections_at_once(parts: Parts) -> None:
    number = 300  # of the test's own descriptors, and the echo's as many
    with echo() as target, relay(parts, target) as place, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(place, PATIENCE)) for _ in range(number)]
        for index, client in enumerate(clients):
            client.settimeout(PATIENCE)
            client.sendall(b"%d" % index)
        for client in reversed(clients):
            client.shutdown(socket.SHUT_WR)
        assert [client.recv(100) for client in clients] == [b"%d" % index for index in range(number)]


def test_a_relay_whose_target_is_not_there_ends_the_connection_and_goes_on(parts: Parts) -> None:
    with held_port() as nowhere, relay(parts, nowhere) as place:
        for _ in range(3):
            with socket.create_connection(place, PATIENCE) as client:
                client.settimeout(PATIENCE)
                assert client.recv(1) == b""


def test_a_relay_tells_its_client_when_the_target_is_reset(parts: Parts) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        relay(parts, server.getsockname()[1]) as place,
        socket.create_connection(place, PATIENCE) as client,
    ):
        client.settimeout(PATIENCE)
        accepted, _ = server.accept()
        # Closing with zero patience resets the connection.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


@pytest.fixture
def registry(parts: Parts, tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    """A registry of two layouts: what was loaded, then what there is anyway."""
    for name, content in (("loaded", b"loaded"), ("made", b"made")):
        layout = Layout(tmp_path / name, "x86_64")
        layout.add(
            Image(names=["docker.io/istio/pilot:1", f"quay.io/only/{name}:1"], layers=[{"/a": content}], config={})
        )
        layout.finish()
    layouts = [str(tmp_path / name) for name in ("loaded", "made")]
    with (
        held_port() as port,
        subprocess.Popen([str(parts.node / "nodekit"), "registry", f"127.0.0.1:{port}", *layouts]) as running,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

        def answers() -> bool:
            try:
                connection.connect()
            except OSError:
                return False
            return True

        try:
            eventually(answers, PATIENCE)
            yield connection
        finally:
            connection.close()
            running.kill()


def ask(registry: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    registry.request(method, path)
    answer = registry.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_a_pull_finds_manifest_and_blobs(registry: http.client.HTTPConnection) -> None:
    assert ask(registry, "/v2/")[0] == 200
    status, headers, body = ask(registry, "/v2/istio/pilot/manifests/1?ns=docker.io")
    assert (status, headers["Content-Type"]) == (200, MANIFEST)
    assert headers["Docker-Content-Digest"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    for described in (json.loads(body)["config"], *json.loads(body)["layers"]):
        status, _, blob = ask(registry, f"/v2/istio/pilot/blobs/{described['digest']}?ns=docker.io")
        assert (status, f"sha256:{hashlib.sha256(blob).hexdigest()}") == (200, described["digest"])


def test_what_was_loaded_comes_first_and_the_registrys_name_matters(registry: http.client.HTTPConnection) -> None:
    loaded = ask(registry, "/v2/only/loaded/manifests/1?ns=quay.io")[1]["Docker-Content-Digest"]
    assert ask(registry, "/v2/istio/pilot/manifests/1?ns=docker.io")[1]["Docker-Content-Digest"] == loaded
    assert ask(registry, "/v2/only/made/manifests/1?ns=quay.io")[0] == 200
    status, _, body = ask(registry, "/v2/only/made/manifests/1?ns=docker.io")
    assert status == 404
    assert "docker.io/only/made:1 is not among the images" in json.loads(body)["errors"][0]["message"]


def test_head_answers_without_a_body_and_nothing_is_pushed(registry: http.client.HTTPConnection) -> None:
    status, headers, body = ask(registry, "/v2/istio/pilot/manifests/1?ns=docker.io", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0
    assert ask(registry, "/v2/istio/pilot/blobs/uploads/", "POST")[0] == 404
    assert ask(registry, "/v2/istio/pilot/blobs/..%2F..%2Findex.json")[0] == 404
    assert ask(registry, "/v2/istio/pilot/blobs/sha256:index.json")[0] == 400
