"""``make tunnel``: addresses for the LoadBalancers of the stack's minikube, until Ctrl-C."""

import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from components.commands import UserError
from components.commands.profiles import environment
from components.kube import Kube, KubeError

SERVICES = "/api/v1/services"
LOAD_BALANCER = "LoadBalancer"
POLL_SECONDS = 1.0


def note(settings: Mapping[str, str]) -> str:
    """What to tell after an ``up``; empty where no LoadBalancer waits for an address."""
    if settings["clusterMode"] != "minikube" or settings["ingressServiceType"] != LOAD_BALANCER:
        return ""
    return "`make tunnel` gives the LoadBalancers an address and shows the page's, until Ctrl-C ends it"


def run(settings: Mapping[str, str]) -> None:
    """Run `minikube tunnel` in this terminal, where it may ask for a password, and show each address once it is there.

    Ends with it: when the person presses Ctrl-C, which takes the addresses back, or when it ends by itself.

    Raises:
        UserError: the stack starts no minikube, or the tunnel ended by itself.
    """
    profile = settings["minikubeProfile"]
    if settings["clusterMode"] != "minikube":
        raise UserError(
            f"clusterMode is {settings['clusterMode']}; accepted for a tunnel: minikube. Elsewhere the output "
            "`commands` says how to forward a port"
        )
    kube = Kube(settings["kubeconfig"], settings["context"])
    command = ["minikube", "tunnel", f"--profile={profile}"]
    tunnel = subprocess.Popen(command, env=environment(settings["kubeconfig"]))
    shown: set[str] = set()
    try:
        while tunnel.poll() is None:
            for line in addresses(kube, settings):
                if line not in shown:
                    print(line, flush=True)
                    shown.add(line)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:  # minikube has got it, too
        print("Ending the tunnel ...", flush=True)
        return
    finally:
        _end(tunnel)
    raise UserError(f"`{' '.join(command)}` ended by itself (exit code {tunnel.returncode}); its own words are above")


def _end(tunnel: subprocess.Popen[bytes]) -> None:
    """Have minikube take its routes back, which it does for SIGINT alone."""
    if tunnel.poll() is None:
        tunnel.send_signal(signal.SIGINT)
    tunnel.wait()


def addresses(kube: Kube, settings: Mapping[str, str]) -> list[str]:
    """A line for each LoadBalancer that has an address; none while the API server does not answer."""
    try:
        services = kube.objects(SERVICES)
    except KubeError:
        return []
    return [
        line
        for service in services
        if service["spec"].get("type") == LOAD_BALANCER
        for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        for line in _lines(service, ingress.get("ip") or ingress.get("hostname") or "", settings)
    ]


def _lines(service: Mapping[str, Any], address: str, settings: Mapping[str, str]) -> list[str]:
    # Slow to import, and not needed by who only asks for a note.
    from components.workloads.bookinfo import GATEWAY, PAGE_PATHS
    from components.workloads.exposure import GATEWAY_CLASS, HTTPS_PORT

    metadata, spec = service["metadata"], service["spec"]
    ports = [port["port"] for port in spec["ports"]]
    lines = [f"{metadata['namespace']}/{metadata['name']}: {address}, ports {', '.join(map(str, ports))}"]
    if (metadata["namespace"], metadata["name"]) == (settings["namespace"], f"{GATEWAY}-{GATEWAY_CLASS}"):
        scheme = "https" if HTTPS_PORT in ports else "http"
        lines.append(f"The page: {scheme}://{address}{PAGE_PATHS[0][1]}")
    return lines
