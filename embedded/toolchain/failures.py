"""What a failure of go, pip, apt-get, npm or mvn means to the person who runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import EmbeddedError, Unreachable

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
    "temporary failure resolving",
    "could not resolve",
    "could not connect",
    "name or service not known",
    "could not find a version that satisfies",
    "max retries exceeded",
    "econnrefused",
    "econnreset",
    "enotfound",
    "etimedout",
    "eai_again",
    "unknown host",
    "connect timed out",
)


def is_network_failure(output: str) -> bool:
    """Whether what go, pip, apt-get, npm or mvn printed says that a registry could not be reached."""
    lowered = output.lower()
    return any(sign in lowered for sign in _NETWORK_FAILURES)


def unreachable_or_failed(message: str, output: str) -> EmbeddedError:
    """The error for a Go command with this output: Unreachable where the modules could not be reached."""
    if is_network_failure(output):
        return Unreachable(f"{message} Check the network and GOPROXY, then try again.")
    return EmbeddedError(message)


@contextmanager
def disk_full_explained(folder: Path) -> Iterator[None]:
    """Turn an OSError into one that says where there must be room.

    Raises:
        EmbeddedError: In place of any OSError.
    """
    try:
        yield
    except OSError as error:
        message = (
            f"The embedded cluster's tools cannot be written to {folder}: {error}. "
            "Make room there or set XDG_CACHE_HOME."
        )
        raise EmbeddedError(message) from error
