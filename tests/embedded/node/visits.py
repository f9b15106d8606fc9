"""Visits to Bookinfo's page: what is seen there, by many visitors at once, or all the time while something happens."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

from tests.embedded.kube import eventually
from tests.embedded.node.mesh import TITLE, Answer, Mesh

NO_REVIEWS = "Error fetching product reviews"
NO_DETAILS = "Error fetching product details"
NO_RATINGS = "Ratings service is currently unavailable"
VISITORS = 8
STEADY = 36
"""So many right answers in a row, of which a third would be others, and what was changed has reached every proxy."""

PATIENCE = 120


def seen(answer: Answer) -> str:
    """What a visitor sees: the stars' colour, ``none``, what the page says instead, or the status that is not 200."""
    if answer.status != 200 or TITLE not in answer.body:
        return f"{answer.status} {answer.body[:80]}"
    for words in (NO_DETAILS, NO_REVIEWS, NO_RATINGS):
        if words in answer.body:
            return words
    return ",".join(sorted(set(re.findall(r"text-(red|black)-500", answer.body)))) or "none"


def visits(mesh: Mesh, number: int, cookie: str = "") -> list[str]:
    """What so many visitors see, a few of them at a time."""
    with ThreadPoolExecutor(VISITORS) as pool:
        return list(pool.map(lambda _: seen(visit(mesh, cookie)), range(number)))


def visit(mesh: Mesh, cookie: str = "") -> Answer:
    return mesh.request(headers={"Cookie": cookie} if cookie else None)


def settle(mesh: Mesh, *expected: str, cookie: str = "") -> None:
    """Wait until all of what is expected is seen, and nothing else: until then proxies may go by what was before."""
    last: set[str] = set()

    def settled() -> bool:
        last.clear()
        last.update(visits(mesh, STEADY, cookie))
        return last == set(expected)

    try:
        eventually(settled, PATIENCE)
    except AssertionError as late:
        raise AssertionError(f"what was seen last is {last}, not {set(expected)}") from late


def sign_in(mesh: Mesh, user: str) -> str:
    """The cookie of whoever has signed in on the page, with any password."""
    host, _, port = mesh.node.address("http").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    form = urlencode({"username": user, "passwd": "any"})
    connection.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    connection.close()
    assert answer.status == 302
    return str(cookie)


@dataclass
class Load:
    """Visitors who come all the time. ``expected``: what any of them may see."""

    expected: Sequence[str]
    failed: list[tuple[float, str]] = field(default_factory=list)
    visited: int = 0

    def healed_after(self, since: float) -> float:
        """Seconds from a moment until the last visitor who saw something else had gone; 0 where there was none."""
        return max((moment - since for moment, _ in self.failed if moment >= since), default=0.0)

    def quiet(self, visitors: int = STEADY) -> None:
        """Wait until so many visitors in a row have seen what is expected."""

        def is_quiet() -> bool:
            failures, visited = len(self.failed), self.visited
            eventually(lambda: self.visited >= visited + visitors, PATIENCE)
            return len(self.failed) == failures

        eventually(is_quiet, PATIENCE)


@contextmanager
def load(mesh: Mesh, *expected: str, visitors: int = 3) -> Iterator[Load]:
    """A constant load of visitors one after the other, until the end of the block."""
    state, over, lock = Load(expected), threading.Event(), threading.Lock()

    def visitor() -> None:
        while not over.is_set():
            what = seen(visit(mesh))
            with lock:
                state.visited += 1
                if what not in state.expected:
                    state.failed.append((time.monotonic(), what))
            over.wait(0.02)

    threads = [threading.Thread(target=visitor) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: state.visited > visitors, PATIENCE)
        yield state
    finally:
        over.set()
        for thread in threads:
            thread.join()


def timed(done: Callable[[], object]) -> float:
    """Seconds until something holds."""
    began = time.monotonic()
    eventually(partial(done), PATIENCE)
    return time.monotonic() - began
