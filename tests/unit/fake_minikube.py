"""Stands in for minikube: answers as minikube 1.38.1 (and master of August 2026, built and asked) really answers.

Every text below was printed by it, with the driver docker on a stand-in for Docker; only lists of images, versions and
paths are shortened.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# How a start was refused before minikube made anything: its exit code, and its words on stderr. It leaves a folder with
# events.json and nothing else.
REFUSALS: dict[str, tuple[int, str]] = {
    "over the system's memory": (
        10,
        "X Exiting due to RSRC_OVER_ALLOC_MEM: Requested memory allocation 30000MB is more than your system limit "
        "24105MB.\n* Suggestion: Start minikube with less memory allocated: 'minikube start --memory=3865mb'\n",
    ),
    "over Docker's memory": (
        14,
        '! Starting v1.39.0, minikube will default to "containerd" container runtime. See #21973 for more info.\n'
        "X Exiting due to MK_USAGE: Docker has only 3913MB memory but you specified 5500MB\n",
    ),
    "a node's name": (
        14,
        "! Profile name 'multi-m02' is duplicated with machine name 'multi-m02' in profile 'multi'\n"
        "X Exiting due to MK_USAGE: Profile name should be unique\n",
    ),
    "too little memory": (
        23,
        "X Exiting due to RSRC_INSUFFICIENT_REQ_MEMORY: Requested memory allocation 1500MiB is less than the usable "
        "minimum of 1800MB\n",
    ),
    "too few processors": (
        29,
        "X Exiting due to RSRC_INSUFFICIENT_CORES: Requested cpu count 1 is less than the minimum allowed of 2\n",
    ),
    "too many processors": (
        29,
        "X Exiting due to RSRC_INSUFFICIENT_CORES: Requested cpu count 4 is greater than the available cpus of 2\n",
    ),
    "no network": (
        48,
        'X Exiting due to INET_LOOKUP_HOST: Get "https://api.github.com/repos/kubernetes/kubernetes/releases/tags/'
        'v1.99.0": dial tcp: lookup api.github.com: no such host\n'
        "* Suggestion: Verify that your HTTP_PROXY and HTTPS_PROXY environment variables are set correctly.\n",
    ),
    "no driver": (
        55,
        "X Exiting due to DRV_DOCKER_NOT_RUNNING: Found docker, but the docker service isn't running. Try restarting "
        "the docker service.\n",
    ),
    "another system's driver": (
        56,
        "X Exiting due to DRV_UNSUPPORTED_OS: The driver 'hyperkit' is not supported on linux/amd64\n",
    ),
    "root": (
        57,
        '* The "docker" driver should not be used with root privileges. If you wish to continue as root, use --force.\n'
        'X Exiting due to DRV_AS_ROOT: The "docker" driver should not be used with root privileges.\n',
    ),
    "docker": (
        63,
        'X Exiting due to PROVIDER_DOCKER_NOT_RUNNING: "docker version --format <no value>-<no value>:<no value>" exit '
        "status 1: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
        "* Suggestion: Start the Docker service\n",
    ),
    "podman": (
        65,
        "* Exiting due to PROVIDER_PODMAN_NOT_FOUND: The 'podman' provider was not found: exec: \"podman\": executable "
        "file not found in $PATH\n* Suggestion: Install Podman\n",
    ),
    "kvm2": (
        67,
        "X Exiting due to PR_KVM_USER_PERMISSION: libvirt group membership check failed:\n"
        "user is not a member of the appropriate libvirt group\n"
        "* Related issues:\n  - https://github.com/kubernetes/minikube/issues/5617\n",
    ),
    "an old Kubernetes": (
        106,
        "! You can force an unsupported Kubernetes version via the --force flag\n"
        "X Exiting due to K8S_OLD_UNSUPPORTED: Kubernetes 1.20.0 is not supported by this release of minikube\n",
    ),
    "its own configuration": (
        38,
        "X Exiting due to HOST_CONFIG_LOAD: Unable to load config: unmarshal: unexpected end of JSON input\n",
    ),
}
# How a start failed half-way: the profile is then listed as valid, with status "" and complaints on stderr.
HALF_WAY = (
    80,
    "X Exiting due to GUEST_PROVISION_EXIT_UNEXPECTED: Failed to start host: recreate: creating host: create: "
    'creating: create kic node: container name "fail": log: : container exited unexpectedly\n',
)

SCRIPT = """#!{python}
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
state, verb = json.loads((here / "state.json").read_text()), sys.argv[1]
given = dict(each.removeprefix("--").partition("=")[::2] for each in sys.argv[2:] if each.startswith("--"))
name, file = given.get("profile", "minikube"), os.environ.get("KUBECONFIG", "")
home = os.environ.get("MINIKUBE_HOME", "")
with (here / "log").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + f" | {{file}}\\n")
kubeconfig = pathlib.Path(file) if file else pathlib.Path(os.environ["HOME"], ".kube/config")

def entry(name, profile):
    nodes = [{{"Name": node, "KubernetesVersion": profile["version"], "ControlPlane": not node}}
             for node in profile["nodes"]]
    config = {{"Name": name, "Memory": profile["memory"], "CPUs": profile["cpus"], "Driver": profile["driver"],
               "KubernetesConfig": {{"KubernetesVersion": profile["version"], "ClusterName": name}}, "Nodes": nodes}}
    return {{"Name": name, "Status": profile["status"], "Config": config, "Active": False, "ActiveKubeContext": False}}

def invalid(name, config):
    return {{"Name": name, "Status": "", "Config": config, "Active": False, "ActiveKubeContext": False}}

def read():
    text = kubeconfig.read_text() if kubeconfig.exists() else ""
    try:
        return json.loads(text) if text else {{}}
    except ValueError:
        import yaml  # slow, and rarely needed
        return yaml.safe_load(text) or {{}}

def context(add):
    document = read()
    for kind in ("clusters", "contexts", "users"):
        document[kind] = [each for each in document.get(kind) or [] if each["name"] != name]
    if add and state["server"]:
        document["clusters"].append({{"name": name, "cluster": state["server"]["cluster"]}})
        document["users"].append({{"name": name, "user": state["server"]["user"]}})
        document["contexts"].append({{"name": name, "context": {{"cluster": name, "user": name}}}})
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.write_text(json.dumps(document))

def cluster(verb):
    # A real Kubernetes in the place of the node's; a folder that is deleted comes back as another cluster.
    if state["embedded"]:
        import yaml
        sys.path.insert(0, state["embedded"]["project"])
        from embedded.cluster import Cluster
        real = Cluster(pathlib.Path(state["embedded"]["root"]), tools=pathlib.Path(state["embedded"]["tools"]))
        getattr(real, verb)()
        if verb == "start":
            written = yaml.safe_load(real.kubeconfig.read_text())
            state["server"] = {{"cluster": written["clusters"][0]["cluster"], "user": written["users"][0]["user"]}}

def end(code, words):
    (here / "written").write_text(json.dumps(state))
    (here / "written").replace(here / "state.json")
    print(words, file=sys.stderr, end="", flush=True)
    sys.exit(code)

if verb == "profile":
    try:
        read()
    except Exception:
        print('{{"error":{{}}}}', end="")
        sys.exit(80)
    for each, profile in state["profiles"].items():
        if not profile["status"]:
            print(f'E1126 06:20:24.750771    9288 status.go:183] the "{{each}}" host does not exist', file=sys.stderr)
    nodes = {{f"{{each}}-{{node}}" for each, profile in state["profiles"].items() for node in profile["nodes"] if node}}
    print(json.dumps({{
        "valid": [entry(*each) for each in state["profiles"].items()],
        "invalid": [invalid(each, None) for each in state["refused"] if each not in nodes]
        + [invalid(each, {{"Name": each, "Driver": "", "Nodes": []}}) for each in state["broken"]],
    }}), end="")
    sys.exit()
if verb == "tunnel":
    (here / "tunnelling").touch()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    while not state["fails"].get("tunnel"):
        time.sleep(0.02)
    end(*state["fails"]["tunnel"])
print(f"* [{{name}}] minikube says {{verb}}", flush=True)
profile = state["profiles"].get(name)
code, words = state["fails"].get(verb, (0, ""))
if verb == "start" and given.get("dry-run") is not None:
    (pathlib.Path(home, ".minikube/profiles", name)).mkdir(parents=True)
    (pathlib.Path(home, ".minikube/profiles", name, "events.json")).touch()
    end(code, words)
if verb == "start" and profile is None and code and not state["half_way"]:
    state["refused"] = sorted({{*state["refused"], name}})
    end(code, words)
if verb == "start":
    state["refused"] = [each for each in state["refused"] if each != name]
    profile = state["profiles"].setdefault(name, {{
        "memory": int(given.get("memory", 3000)), "cpus": int(given.get("cpus", 2)), "nodes": [""],
        "driver": given.get("driver", "docker"), "version": given.get("kubernetes-version", "v1.36.2"), "status": ""}})
    (here / "written").write_text(json.dumps(state))
    (here / "written").replace(here / "state.json")
def stopped(*_):
    (here / "stopped").touch()
    sys.exit(1)
if state["hangs"] == verb:
    signal.signal(signal.SIGTERM, stopped)
    (here / "hanging").touch()
    while not (here / "victim").exists():
        time.sleep(0.02)
    os.kill(int((here / "victim").read_text()), signal.SIGKILL)
if code:
    end(code, words)
if verb in ("start", "update-context", "stop", "delete") and verb != "delete" and profile is None:
    print(f'* Profile "{{name}}" not found. Run "minikube profile list" to view all profiles.')
    sys.exit(85)
if verb == "start":
    profile.update(status="OK", version=given.get("kubernetes-version", profile["version"]))
    cluster("start")
    context(add=True)
elif verb == "update-context":
    context(add=True)
elif verb == "stop":
    profile["status"] = "Stopped"
    cluster("stop")
    context(add=False)
elif verb == "delete":
    if profile is None:
        print(f'! "{{name}}" profile does not exist, trying anyways.', file=sys.stderr)
    if state["profiles"].pop(name, None):
        cluster("delete")
    # Another profile's node of that name goes with it: its container is deleted by its name.
    for each, other in state["profiles"].items():
        other["nodes"] = [node for node in other["nodes"] if not node or f"{{each}}-{{node}}" != name]
    state["refused"] = [each for each in state["refused"] if each != name]
    context(add=False)
    print(f'* Removed all traces of the "{{name}}" cluster.')
end(0, "")
"""


def profile(**changed: Any) -> dict[str, Any]:
    """A profile of the tutorial's figures."""
    figures = {"memory": 5500, "cpus": 4, "driver": "docker", "version": "v1.30.0", "status": "OK", "nodes": [""]}
    return {**figures, **changed}


@dataclass(frozen=True)
class FakeMinikube:
    """A folder with the stand-in, to be put on PATH."""

    folder: Path

    @classmethod
    def install(cls, folder: Path) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "minikube"
        script.write_text(SCRIPT.format(python=sys.executable))
        script.chmod(0o755)
        made = cls(folder)
        made.set()
        return made

    def set(self, **changed: Any) -> None:
        """Set what there is and how it answers; what is not given is as on a new machine.

        profiles: by name, see ``profile``; refused, broken: names; fails: exit code and words by verb; half_way:
        whether a start that fails has made the profile; hangs: a verb; server: cluster and user of the kubeconfig
        entries that a start writes; embedded: project, root and tools of an embedded cluster to be that server.
        """
        plain = {"profiles": {}, "refused": [], "broken": [], "fails": {}, "half_way": False, "hangs": ""}
        kept = {"server": None, "embedded": None}
        if (self.folder / "state.json").exists():
            kept = {key: self.state[key] for key in kept}
        (self.folder / "state.json").write_text(json.dumps({**plain, **kept, **changed}))

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return content

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.state["profiles"]
        return found

    @property
    def calls(self) -> list[str]:
        """The arguments of each call, and after a bar its KUBECONFIG."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def words(self) -> list[str]:
        """The arguments of each call."""
        return [call.partition(" | ")[0] for call in self.calls]
