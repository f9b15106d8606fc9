"""Where credentials come from: a kubeconfig file, the files that KUBECONFIG lists, or a pod's own account."""

import os
import shlex
from pathlib import Path
from typing import Any

import yaml

# Literal, so that it is the same in the state and in commands on every machine.
FROM_ENVIRONMENT = "$KUBECONFIG"
IN_CLUSTER = "in-cluster"
DEFAULT = "~/.kube/config"
# Where a pod finds them: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API_SERVER = "https://kubernetes.default.svc"


def in_cluster_document() -> dict[str, Any]:
    """A kubeconfig of a pod's own account. It names files and holds no credentials itself."""
    cluster = {"server": API_SERVER, "certificate-authority": str(ACCOUNT / "ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": IN_CLUSTER, "cluster": cluster}],
        "users": [{"name": IN_CLUSTER, "user": {"tokenFile": str(ACCOUNT / "token")}}],
        "contexts": [{"name": IN_CLUSTER, "context": {"cluster": IN_CLUSTER, "user": IN_CLUSTER}}],
        "current-context": IN_CLUSTER,
    }


def files(kubeconfig: str) -> list[Path]:
    """The files that ``kubeconfig`` stands for, whether they exist or not; for kubectl, the first has precedence.

    A pod's own account is in none.
    """
    if kubeconfig == IN_CLUSTER:
        return []
    listed = kubeconfig
    if kubeconfig == FROM_ENVIRONMENT:
        listed = os.environ.get("KUBECONFIG") or DEFAULT
    paths = listed.split(os.pathsep) if kubeconfig == FROM_ENVIRONMENT else [listed]
    return [Path(path).expanduser() for path in paths if path]


def provider_arguments(kubeconfig: str, context: str) -> dict[str, Any]:
    """How the Kubernetes provider is told; without a kubeconfig it reads the files of KUBECONFIG itself."""
    if kubeconfig == FROM_ENVIRONMENT:
        return {"context": context}
    text = yaml.safe_dump(in_cluster_document()) if kubeconfig == IN_CLUSTER else kubeconfig
    return {"kubeconfig": text, "context": context}


def shell_path(path: str) -> str:
    """A path as a shell word, in which a leading ``~`` is still the home folder."""
    home, slash, rest = path.partition("/")
    return f"{home}{slash}{shlex.quote(rest)}" if home == "~" and rest else shlex.quote(path)


def kubectl(kubeconfig: str, context: str) -> str:
    """How a person calls kubectl on one context of a kubeconfig; what kubectl finds by itself need not be said."""
    if kubeconfig == IN_CLUSTER:
        return "kubectl"
    file = "" if kubeconfig in (DEFAULT, FROM_ENVIRONMENT) else f" --kubeconfig {shell_path(kubeconfig)}"
    return f"kubectl{file} --context {shlex.quote(context)}"


def helm_words(kubeconfig: str, context: str, folder: Path) -> list[str]:
    """How helm is told; ``folder`` gets a kubeconfig of its own where there is no file."""
    place = ["--kube-context", context]
    if kubeconfig == FROM_ENVIRONMENT:
        return place
    file = Path(kubeconfig).expanduser()
    if kubeconfig == IN_CLUSTER:
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(in_cluster_document()))
    return ["--kubeconfig", str(file), *place]
