"""Sockets on the host's loopback that lead into the cluster, on the same ports from one start to the next."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embedded.files import write

BACKLOG = 4096


@contextmanager
def listening(names: Iterable[str], file: Path) -> Iterator[dict[str, socket.socket]]:
    """A listening socket for each name, on the port it had before where that is free.

    Args:
        names: The relays'.
        file: Where their ports are remembered; see `ports`.
    """
    before = ports(file)
    with ExitStack() as stack:
        listeners = {name: stack.enter_context(_listen(before.get(name, 0))) for name in names}
        for listener in listeners.values():
            listener.set_inheritable(True)
        write(file, json.dumps({name: listener.getsockname()[1] for name, listener in listeners.items()}))
        yield listeners


def ports(file: Path) -> dict[str, int]:
    """The ports by name; empty where there are none yet, or the file makes no sense."""
    try:
        return {name: int(port) for name, port in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    except OSError:
        if port == 0:
            raise
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
