"""``make open``: the page in the browser, with what leads to it kept open until Ctrl-C."""

import http
import os
import shutil
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from components.commands import UserError
from components.kube import Kube
from components.workloads.bookinfo import GATEWAY
from components.workloads.exposure import (
    GATEWAY_CLASS,
    HTTP_LOCAL_PORT,
    HTTP_PORT,
    HTTPS,
    HTTPS_LOCAL_PORT,
    HTTPS_PORT,
)
from operations.access import page, shell
from operations.access.forward import HOST, POLL_SECONDS, Forward, free_port

Say = Callable[[str], None]
GRAPHICAL = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables that say that there is more than a terminal, or which browser the person wants."""


def run(stack: str, settings: Mapping[str, str], outputs: Mapping[str, Any], say: Say = print) -> None:
    """Open the page, and keep open what leads to it until Ctrl-C.

    Args:
        stack: the stack's name.
        settings: its configuration by bare key.
        outputs: what its last ``up`` put out.
        say: receives the address, and what happens to the way there.

    Raises:
        UserError: the stack has no page, nothing can lead to it, or it does not answer.
        KubeError: the cluster does not answer.
    """
    ended = threading.Event()
    try:
        if address := page.address(settings, outputs):
            _show(address, say)
            _watch(address, ended, say)
        else:
            forward, address = forwarded(stack, settings, outputs, say)
            forward.keep(lambda: _show(address, say), ended)
    except KeyboardInterrupt:
        say("Ended")


@contextmanager
def reached(stack: str, settings: Mapping[str, str], outputs: Mapping[str, Any], say: Say) -> Iterator[str]:
    """The page's address on this machine, with what leads to it kept open meanwhile; as for ``run``."""
    if address := page.address(settings, outputs):
        yield address
        return
    forward, address = forwarded(stack, settings, outputs, say)
    opened, ended, failed = threading.Event(), threading.Event(), []

    def keep() -> None:
        try:
            forward.keep(opened.set, ended)
        except Exception as error:  # raised again by the thread that waits
            failed.append(error)
            opened.set()

    thread = threading.Thread(target=keep, name="forward", daemon=True)
    thread.start()
    try:
        opened.wait()
        if failed:
            raise failed[0]
        yield address
    finally:
        ended.set()
        thread.join()


def forwarded(stack: str, settings: Mapping[str, str], outputs: Mapping[str, Any], say: Say) -> tuple[Forward, str]:
    """What forwards a port to the gateway, and the page's address there.

    Raises:
        UserError: the stack has no page, or its pods are simulated; or kubectl is not there.
    """
    if "productPage" not in outputs:
        raise UserError(
            f"stack {stack} has no page: it was not brought up yet (`make up`), or has bookinfo: false; the outputs "
            "`exposed` and `services` say where services of your own are"
        )
    if settings["clusterMode"] == "embedded":
        raise UserError(
            f"pods of stack {stack} are simulated, so that no page answers; `python -m embedded probe` says what a "
            "real node lacks on this machine"
        )
    environment = shell.cluster_variables(stack, settings)
    kubectl = shutil.which("kubectl", path=environment["PATH"])
    if not kubectl:
        raise UserError(
            "kubectl, which forwards the page's port, is not on PATH: https://kubernetes.io/docs/tasks/tools"
        )
    scheme, _, rest = str(outputs["productPage"]).partition("://")
    port, local = (HTTPS_PORT, HTTPS_LOCAL_PORT) if scheme == HTTPS else (HTTP_PORT, HTTP_LOCAL_PORT)
    forward = Forward(
        kubectl=kubectl,
        environment=environment,
        kube=Kube(settings["kubeconfig"], settings["context"]),
        namespace=settings["namespace"],
        service=f"{GATEWAY}-{GATEWAY_CLASS}",
        port=port,
        local=free_port(local),
        say=say,
    )
    return forward, f"{scheme}://{HOST}:{forward.local}/{rest.partition('/')[2]}"


def has_browser() -> bool:
    """Whether a person at this terminal has a browser beside it; one that would take the terminal over is none."""
    shown = sys.platform == "darwin" or any(os.environ.get(name) for name in GRAPHICAL)
    if not (sys.stdout.isatty() and shown):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _show(address: str, say: Say) -> None:
    status = page.await_answer(address)
    answered = "" if status == http.HTTPStatus.OK else f" (HTTP {status})"
    opened = has_browser() and webbrowser.open(address)
    say(f"{'Opened' if opened else 'Open in a browser:'} {address}{answered}. Ctrl-C ends this")


def _watch(address: str, ended: threading.Event, say: Say) -> None:
    """Tell when a page stops answering, and when it answers again: its way there is the cluster's own."""
    answers = True
    while not ended.wait(POLL_SECONDS):
        answer = page.asked(address)
        if bool(answer.status) is not answers:
            answers = bool(answer.status)
            say(f"{address} answers again" if answers else f"{address} does not answer: {answer.wrong}")
