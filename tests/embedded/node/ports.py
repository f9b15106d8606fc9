"""Ports of the host's loopback for programs that take a number only."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port that the kernel gives to nobody else meanwhile; nothing answers there until a program listens.

    It is bound and does not listen, with SO_REUSEADDR, by which Go's listeners may bind it too: socket(7).
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
