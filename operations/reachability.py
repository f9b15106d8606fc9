"""Whether a stack's addresses answer: asked only with `make doctor ONLINE=1`."""

import http
import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from operations.vendor import settings_of
from program.addresses import Address, addresses
from program.supply import as_locked

TIMEOUT_SECONDS = 20
WORKERS = 8
# A registry asks for a login before it says anything, and some servers give no head: they are there all the same.
ANSWERS = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.METHOD_NOT_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of asking an address; ``why`` is empty where it answered."""

    address: Address
    why: str = ""

    @property
    def blocks(self) -> bool:
        """Whether nothing can be installed from this machine for want of it."""
        return bool(self.why) and self.address.needed_here

    def __str__(self) -> str:
        head = f"{'answers' if not self.why else 'no answer'}  {self.address.url}  ({self.address.what})"
        if not self.why:
            return head
        by = self.address.by
        return f"{head}: {self.why}. {by[0].upper()}{by[1:]} needs it: {self.address.otherwise}"


def ask(address: Address) -> Answer:
    """Ask for the address's head, through the proxies that the environment names."""
    try:
        request = urllib.request.Request(address.url, method="HEAD")  # noqa: S310 https, or what the user has configured
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        return Answer(address=address, why="" if error.code in ANSWERS else str(error))
    except urllib.error.URLError as error:
        return Answer(address=address, why=str(error.reason))
    except (http.client.HTTPException, OSError, ValueError) as error:
        return Answer(address=address, why=str(error) or type(error).__name__)
    return Answer(address=address)


def ask_all(asked: Sequence[Address]) -> list[Answer]:
    """Ask for all of them side by side; the answers in their order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(ask, asked))


def of_stack(stack: str) -> list[Answer]:
    """The answers of a stack's addresses.

    Raises:
        pulumi.RunError: the stack's configuration is refused.
        UserError: there is no such stack.
    """
    return ask_all(addresses(as_locked(settings_of(stack), stack)))
