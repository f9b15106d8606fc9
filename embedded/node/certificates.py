"""The cluster's own authority: who is who, and how the node's programs log in."""

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.node.addresses import API_SERVER, API_SERVER_HOSTS, NODE, NODE_ADDRESS

AUTHORITY = "ca"
KUBELET_CLIENT = "embedded:kubelet-client"
LOAD_BALANCERS = "embedded:load-balancers"
NETWORK_POLICIES = "embedded:network-policies"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One certificate.

    Attributes:
        name: of its files, NAME.crt and NAME.key.
        commonName: as whom a client logs in.
        organizations: the client's groups.
        hosts: names and addresses of a server; a pure client has none.
    """

    name: str
    commonName: str  # noqa: N815 as nodekit reads it
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


# The users and groups are those to which Kubernetes's own roles are bound.
# https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
IDENTITIES = (
    Identity(name="etcd", commonName="etcd", hosts=("127.0.0.1", "localhost")),
    Identity(name="etcd-client", commonName="kube-apiserver"),
    Identity(name="apiserver", commonName="kube-apiserver", hosts=API_SERVER_HOSTS),
    Identity(name="kubelet-client", commonName=KUBELET_CLIENT),
    Identity(name="kubelet-server", commonName=NODE, hosts=(NODE, NODE_ADDRESS)),
    Identity(name="kubelet", commonName=f"system:node:{NODE}", organizations=("system:nodes",)),
    Identity(name="controller-manager", commonName="system:kube-controller-manager"),
    Identity(name="scheduler", commonName="system:kube-scheduler"),
    Identity(name="proxy", commonName="system:kube-proxy"),
    Identity(name="load-balancers", commonName=LOAD_BALANCERS),
    Identity(name="network-policies", commonName=NETWORK_POLICIES),
)


def ensure(folder: Path, nodekit: Path) -> None:
    """Make the authority and all certificates, once for each cluster: a folder that is there is whole.

    Raises:
        EmbeddedError: They cannot be created.
    """
    if folder.exists():
        return
    draft = folder.with_name(f"{folder.name}.new")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    requests = json.dumps([asdict(identity) for identity in IDENTITIES])
    made = subprocess.run([nodekit, "certificates", draft], input=requests, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        message = f"The embedded cluster's certificates cannot be created in {draft}: {made.stderr.strip()}."
        raise EmbeddedError(message)
    draft.rename(folder)


def kubeconfig(certificates: Path, identity: str) -> str:
    """A kubeconfig for a program on the node, which logs in with its certificate."""
    cluster = {"server": API_SERVER, "certificate-authority": str(certificates / f"{AUTHORITY}.crt")}
    user = {
        "client-certificate": str(certificates / f"{identity}.crt"),
        "client-key": str(certificates / f"{identity}.key"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": identity, "cluster": cluster}],
        "users": [{"name": identity, "user": user}],
        "contexts": [{"name": identity, "context": {"cluster": identity, "user": identity}}],
        "current-context": identity,
    }
    return json.dumps(content)
