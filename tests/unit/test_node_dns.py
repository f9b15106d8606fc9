import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from embedded.node import dns

NAME = "kubernetes.default"


@contextmanager
def server(monkeypatch: pytest.MonkeyPatch, flags: int, found: int, number: bytes | None = None) -> Iterator[None]:
    """A DNS server that answers one question with these flags and so many addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(30)
        monkeypatch.setattr(dns, "PORT", listener.getsockname()[1])

        def answer() -> None:
            question, client = listener.recvfrom(512)
            assert question[12:] == b"\x0akubernetes\x07default\x00\x00\x01\x00\x01"
            header = (number or question[:2]) + flags.to_bytes(2) + b"\0\1" + found.to_bytes(2) + b"\0" * 4
            listener.sendto(header + question[12:], client)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    ("flags", "found", "expected"),
    [
        pytest.param(0x8180, 1, True, id="an address"),
        pytest.param(0x8180, 0, False, id="no address"),
        pytest.param(0x8183, 1, False, id="no such name"),
        pytest.param(0x8182, 1, False, id="the server failed"),
    ],
)
def test_only_an_address_is_an_answer(monkeypatch: pytest.MonkeyPatch, flags: int, found: int, expected: bool) -> None:
    monkeypatch.setattr(dns, "TIMEOUT", 30)
    with server(monkeypatch, flags, found):
        assert dns.answers("127.0.0.1", NAME) is expected


def test_an_answer_to_another_question_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 7)
    monkeypatch.setattr(dns, "TIMEOUT", 30)
    with server(monkeypatch, 0x8180, 1, number=b"\0\x08"):
        assert not dns.answers("127.0.0.1", NAME)


def test_silence_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "TIMEOUT", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(dns, "PORT", silent.getsockname()[1])
        assert not dns.answers("127.0.0.1", NAME)
