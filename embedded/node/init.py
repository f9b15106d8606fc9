"""``python -m embedded.node.init SETTINGS``: what runs as the first process of the node's PID namespace.

It forks at once. The first process then only collects the dead, as nobody else can, and ends when its child does, and
with it the kernel ends everything else; the child brings the node up and keeps its programs running.
"""

import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import yaml

from embedded.loopback import Api
from embedded.node import dns, mounts, network, programs
from embedded.node.addresses import API_PORT, DNS_SERVICE, DOMAIN, NODE
from embedded.node.settings import Settings
from embedded.node.supervisor import Supervisor

ROLES = Path(__file__).with_name("manifests") / "roles.yaml"
DNS = ROLES.with_name("coredns.yaml")
PLURALS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
}
NOT_YET = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""Taints that a node that is Ready loses; others are the user's, such as those of kubectl cordon."""

POLL = 0.05
"""Seconds."""


class NodeFailed(Exception):  # noqa: N818 - a state, for the starter to tell
    """The node cannot come up."""


class Node:
    """Brings the node up, step by step, and tells the starter of each."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.began = time.monotonic()
        self.supervisor = Supervisor(logs=settings.logs, say=self.say)
        token = settings.tokens.read_text().partition(",")[0]
        self.api = Api(port=API_PORT, certificate=settings.certificates / "ca.crt", token=token)

    def run(self) -> NoReturn:
        """Bring the node up and never return; what goes wrong before it is up is told to the starter."""
        try:
            self.come_up()
        except Exception as error:  # told to the starter, whatever it is
            traceback.print_exc()
            self.tell(failed=f"{type(error).__name__}: {error}" if not isinstance(error, NodeFailed) else str(error))
            os._exit(1)
        while True:
            time.sleep(3600)

    def come_up(self) -> None:
        """All steps, up to a node that is Ready."""
        socket.sethostname(NODE)
        network.set_up()
        mounts.make_private(self.settings.root)
        programs.write_configuration(self.settings)
        self.say("network, mounts")
        for program in programs.first(self.settings):
            self.supervisor.start(program)
        self.wait("the API server is ready", lambda: self.api.request("GET", "/readyz")[0] == 200)
        # What an earlier run said of itself is not to be taken for this one's word, by us or by anyone.
        self.wait(None, self.withdraw_readiness)
        self.apply_manifests(ROLES)
        for program in programs.clients(self.settings):
            self.supervisor.start(program)
        self.apply_manifests(DNS)
        self.wait("the node is Ready", self.is_ready)
        self.wait("DNS answers", lambda: dns.answers(DNS_SERVICE, f"kubernetes.default.svc.{DOMAIN}"))
        self.tell(ready=True)

    def withdraw_readiness(self) -> bool:
        """Mark the node's Ready condition as unknown until this kubelet says otherwise; whether that is done."""
        condition = {"type": "Ready", "status": "Unknown", "reason": "NodeRestarts", "message": "kubelet is starting"}
        path = f"/api/v1/nodes/{NODE}/status?fieldManager=embedded&force=true"
        manifest = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE},
            "status": {"conditions": [condition]},
        }
        found = self.api.request("GET", f"/api/v1/nodes/{NODE}")[0]
        return found == 404 or (found == 200 and self.api.request("PATCH", path, manifest)[0] == 200)

    def apply_manifests(self, file: Path) -> None:
        """Apply what belongs to the cluster itself, again until it is accepted."""
        for manifest in yaml.safe_load_all(file.read_text()):
            self.wait(None, partial(self.apply, manifest))

    def apply(self, manifest: dict[str, Any]) -> bool:
        """Server-side apply of one object; whether it was accepted."""
        metadata = manifest["metadata"]
        path = PLURALS[manifest["kind"]].format(namespace=metadata.get("namespace"))
        query = "?fieldManager=embedded&force=true"
        return self.api.request("PATCH", f"{path}/{metadata['name']}{query}", manifest)[0] in (200, 201)

    def is_ready(self) -> bool:
        """Whether kubelet says that the node is Ready, and namespace default has its ServiceAccount."""
        status, node = self.api.request("GET", f"/api/v1/nodes/{NODE}")
        if status != 200 or any(taint["key"] in NOT_YET for taint in node["spec"].get("taints", [])):
            return False
        conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
        account = self.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0]
        return conditions.get("Ready") == "True" and account == 200

    def wait(self, what: str | None, done: Callable[[], bool]) -> None:
        """Poll until it is done; the starter knows when that takes too long."""
        if what:
            self.tell(step=what)
        while not done():
            if self.supervisor.failure:
                raise NodeFailed(self.supervisor.failure)
            time.sleep(POLL)
        if what:
            self.say(what)

    def tell(self, **status: object) -> None:
        """Tell the starter, in a file that is whole whenever it is read."""
        draft = self.settings.status.with_suffix(".new")
        draft.write_text(json.dumps({"seconds": round(time.monotonic() - self.began, 1), **status}))
        draft.replace(self.settings.status)

    def say(self, what: str) -> None:
        """A line for the log."""
        print(f"{time.monotonic() - self.began:7.1f} s  {what}", flush=True)


def collect(child: int) -> int:
    """Collect every process that ends, as the first process of a namespace must; the child's exit code once it has."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def main() -> int:
    """Run the node that the settings file describes."""
    settings = Settings.read(Path(sys.argv[1]))
    child = os.fork()
    if child == 0:
        Node(settings).run()
    return abs(collect(child))


if __name__ == "__main__":
    raise SystemExit(main())
