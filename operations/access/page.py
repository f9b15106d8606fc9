"""The page of a stack whose embedded cluster has a real node: where the host reaches it, and whether it answers."""

import http
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.commands import UserError
from embedded import kinds
from embedded.node.cluster import RealCluster
from embedded.toolchain.progress import duration, telling, to_stderr
from operations.manifests.evaluate import PROJECT

SECONDS = 120.0
"""How long the first answer may take: a gateway that is ready still has to be known to kube-proxy."""

SETTLED_SECONDS = 15.0
"""How long an answer of UNSETTLED is taken for that of a gateway which does not know its route or pods yet."""

UNSETTLED = (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.SERVICE_UNAVAILABLE)
REQUEST_SECONDS = 20.0
POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request was answered with.

    Attributes:
        status: the HTTP status; 0 where nothing answered.
        body: the page of an answer that is no error.
        wrong: why nothing answered.
    """

    status: int
    body: str = ""
    wrong: str = ""


def address(settings: Mapping[str, str], outputs: Mapping[str, Any]) -> str | None:
    """Where the host reaches the page; None where there is no page, or the cluster is not the stack's own.

    Args:
        settings: the stack's configuration by bare key.
        outputs: what the stack's last ``up`` put out: ``productPage`` has the page's scheme.
    """
    if settings["clusterMode"] != "embedded" or "productPage" not in outputs:
        return None
    cluster = kinds.cluster((PROJECT / settings["kubeconfig"]).parent)
    if not isinstance(cluster, RealCluster):
        return None
    scheme, _, rest = str(outputs["productPage"]).partition("://")
    return f"{scheme}://{cluster.address(scheme)}/{rest.partition('/')[2]}"


def await_answer(url: str, seconds: float = SECONDS, settled: float = SETTLED_SECONDS) -> int:
    """The HTTP status of the page's answer, once there is one; it may be a refusal, as where a token is asked for.

    Args:
        url: the page's address on the host's loopback.
        seconds: how long to wait for any answer.
        settled: how long to wait for another answer than one of UNSETTLED.

    Raises:
        UserError: nothing answers in time; says what came in its place.
    """
    began = time.monotonic()
    with telling(to_stderr, lambda so_far: f"Waiting for {url}: {duration(so_far)} so far"):
        while True:
            answer = asked(url)
            waited = time.monotonic() - began
            if answer.status and (answer.status not in UNSETTLED or waited > settled):
                return answer.status
            if waited > seconds:
                raise UserError(
                    f"{url} does not answer: {answer.wrong}. `make shell -- kubectl get gateway,httproute,pods` shows "
                    "what the page goes through"
                )
            time.sleep(POLL_SECONDS)


def asked(url: str) -> Answer:
    """What a request is answered with, whoever has signed a certificate."""
    # A stack's own certificate is signed by nobody else: whether to trust it is the browser's to ask.
    unverified = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323
    # What is on loopback is not for the proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), unverified)
    try:
        with opener.open(url, timeout=REQUEST_SECONDS) as answer:
            return Answer(status=int(answer.status), body=answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(status=error.code)
    except (OSError, http.client.HTTPException) as error:
        return Answer(status=0, wrong=str(error) or type(error).__name__)
