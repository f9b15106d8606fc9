"""Waits until cert-manager has issued a Certificate.

    python -m commands.certificate --kubeconfig K --context C --namespace N --name NAME [--timeout SECONDS]

Where it is not ready in time, or never can be, it says what is missing: of the Certificate, its issuer, and the orders
and challenges of ACME.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

from ..kube import Kube
from . import UserError, run, say

API = "/apis/cert-manager.io/v1"
ACME = "/apis/acme.cert-manager.io/v1"
TIMEOUT_SECONDS = 300
POLL_SECONDS = 1.0
TELL_SECONDS = 15
Manifest = Mapping[str, Any]


def is_ready(item: Manifest) -> bool:
    """Whether an object of cert-manager's says that it is ready, as it is now."""
    generation = item["metadata"].get("generation", 0)
    return any(
        each["type"] == "Ready"
        and each["status"] == "True"
        and each.get("observedGeneration", generation) == generation
        for each in item.get("status", {}).get("conditions") or ()
    )


def said(item: Manifest) -> str:
    """What an object's own conditions say against it."""
    conditions = item.get("status", {}).get("conditions") or ()
    found = [each.get("message") or each.get("reason", "") for each in conditions if each["status"] != "True"]
    return "; ".join(filter(None, found)) or "it says nothing yet: does cert-manager run?"


def missing(kube: Kube, namespace: str, certificate: Manifest) -> list[str]:
    """What keeps a Certificate from being issued, the nearest first."""
    name = certificate["metadata"]["name"]
    found = [f"Certificate {namespace}/{name}: {said(certificate)}"]
    issuer = certificate["spec"]["issuerRef"]
    kind = issuer.get("kind", "Issuer")
    place = "" if kind == "ClusterIssuer" else f"/namespaces/{namespace}"
    live = kube.find(f"{API}{place}/{kind.lower()}s/{issuer['name']}")
    if live is None:
        found.append(f"{kind} {issuer['name']} does not exist: create it, or set security.tls.certManager.issuer")
    elif not is_ready(live):
        found.append(f"{kind} {issuer['name']}: {said(live)}")
    for path, what in ((f"{ACME}/namespaces/{namespace}/orders", "Order"), (_challenges(namespace), "Challenge")):
        for item in (kube.find(path) or {"items": []})["items"]:
            status = item.get("status", {})
            if status.get("state") not in ("valid", None):
                reason = status.get("reason") or "no reason is given"
                found.append(f"{what} {item['metadata']['name']} is {status['state']}: {reason}")
    if any(line.startswith("Challenge") for line in found):
        hosts = ", ".join(certificate["spec"].get("dnsNames") or ())
        found.append(
            f"for HTTP-01, {hosts} must lead from outside to the Gateway's port 80, and the issuer's solver must name "
            "the Gateway in gatewayHTTPRoute.parentRefs"
        )
    return found


def _challenges(namespace: str) -> str:
    return f"{ACME}/namespaces/{namespace}/challenges"


def wait(kube: Kube, namespace: str, name: str, timeout: float) -> None:
    """Wait until the Certificate is ready.

    Raises:
        UserError: it is not; says what is missing.
    """
    path = f"{API}/namespaces/{namespace}/certificates/{name}"
    began = told = time.monotonic()
    while not is_ready(certificate := kube.get(path)):
        now = time.monotonic()
        if now - began > timeout:
            lines = "\n".join(missing(kube, namespace, certificate))
            raise UserError(f"the certificate is not issued after {timeout:.0f} s:\n{lines}")
        if now - told > TELL_SECONDS:
            told = now
            say(f"{now - began:.0f} s of {timeout:.0f} s: {missing(kube, namespace, certificate)[-1]}")
        time.sleep(POLL_SECONDS)
    print(certificate["spec"]["secretName"])


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.certificate", description=__doc__.split("\n")[0])
    for name in ("kubeconfig", "context", "namespace", "name"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds (default: %(default)s)")
    given = parser.parse_args(arguments)

    return run(lambda: wait(Kube(given.kubeconfig, given.context), given.namespace, given.name, given.timeout))


if __name__ == "__main__":
    sys.exit(main())
