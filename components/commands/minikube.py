"""Starts, adopts and deletes the stack's minikube cluster, for a pulumi-command `local.Command`.

    python -m commands.minikube start --profile P --memory MIB --cpus N --kubernetes-version vX.Y.Z
                                      [--driver D] --kubeconfig PATH
    python -m commands.minikube delete --profile P [--kubeconfig PATH]

`start` prints `{"profile": P, "created": BOOL}`; `delete` reads it back from PULUMI_COMMAND_STDOUT, where
pulumi-command puts the previous run's stdout, and deletes only what this stack created.
https://www.pulumi.com/registry/packages/command/api-docs/local/command/
"""

import argparse
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from . import UserError, run, say

# "Running" up to minikube 1.34, then "OK" and the other names of pkg/minikube/cluster/status.go. Any other state is for
# `minikube start` to put right: https://minikube.sigs.k8s.io/docs/commands/start/
RUNNING = frozenset({"Running", "OK", "HAppy", "Degraded", "Warning"})
# pkg/minikube/driver/driver.go: what --driver also takes, and the name that the profile then has
DRIVER_ALIASES = {"kvm": "kvm2", "generic": "ssh", "native": "none", "qemu": "qemu2"}
_LEFT_BEHIND = 125  # the keeper's exit code when `minikube delete` failed too; minikube's own end at 119


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The cluster asked for. memory: MiB. kubernetes_version: "v1.30.0". driver: "" leaves it to minikube."""

    profile: str
    memory: int
    cpus: int
    kubernetes_version: str
    driver: str = ""

    def start_command(self) -> list[str]:
        """Return the tutorial's `minikube start` for these figures."""
        driver = [f"--driver={self.driver}"] if self.driver else []
        sizes = [f"--memory={self.memory}", f"--cpus={self.cpus}"]
        version = f"--kubernetes-version={self.kubernetes_version}"
        return ["minikube", "start", f"--profile={self.profile}", *sizes, version, *driver]


class Difference(NamedTuple):
    """A figure of the profile that is not the wanted one, under the config key that sets it."""

    key: str
    have: str
    want: str


def was_created(stdout: str | None, profile: str) -> bool:
    """Tell whether a previous `start` said that it created `profile`; missing or garbled text counts as no."""
    try:
        previous = json.loads(stdout or "")
    except ValueError:
        return False
    return isinstance(previous, dict) and previous.get("profile") == profile and previous.get("created") is True


def find_profile(listing: str, profile: str) -> dict[str, Any] | None:
    """Pick `profile` out of what `minikube profile list -o json` printed; None when it does not exist.

    Shape: {"valid": [{"Name", "Status", "Config": {"Memory", "CPUs", "Driver", "KubernetesConfig": {...}}}],
    "invalid": [...]}; both lists are empty, with exit code 0, when there are no profiles at all.
    https://github.com/kubernetes/minikube/blob/v1.33.1/cmd/minikube/cmd/config/profile_list.go

    Raises:
        UserError: the text has another shape, or the profile is one that minikube itself calls invalid.
    """
    try:
        document = json.loads(listing)
        valid, invalid = document["valid"], document["invalid"]
    except (ValueError, KeyError, TypeError):
        answer = listing.strip()[:300] or "nothing"
        raise UserError(f"`minikube profile list -o json` did not list the profiles; it printed: {answer}") from None
    if any(entry["Name"] == profile for entry in invalid):
        raise UserError(
            f"minikube profile {profile!r} exists but is broken (minikube lists it as invalid). Delete it with "
            f"`minikube delete -p {profile}`, or choose another name with `pulumi config set minikubeProfile NAME`."
        )
    return next((entry for entry in valid if entry["Name"] == profile), None)


def differences(wanted: Wanted, config: dict[str, Any]) -> list[Difference]:
    """Compare a profile's Config with the wanted figures; the driver only when one is wanted."""
    version = str(config["KubernetesConfig"]["KubernetesVersion"])
    memory = f"{config['Memory']} MiB" if config["Memory"] else "no limit"  # 0 is `--memory=no-limit`
    cpus = str(config["CPUs"] or "no limit")
    driver, wanted_driver = (DRIVER_ALIASES.get(name, name) for name in (config["Driver"], wanted.driver))
    found = [
        Difference("minikubeMemory", memory, f"{wanted.memory} MiB"),
        Difference("minikubeCpus", cpus, str(wanted.cpus)),
        Difference("kubernetesVersion", version, wanted.kubernetes_version),
        Difference("minikubeDriver", driver, wanted_driver or driver),
    ]
    return [difference for difference in found if difference.have != difference.want]


def conflict(profile: str, found: list[Difference]) -> str:
    """Word the refusal of a profile with other figures, with the two ways out."""
    figures = "; ".join(f"{key}: the profile has {have}, the stack wants {want}" for key, have, want in found)
    keys = ", ".join(difference.key for difference in found)
    return (
        f"minikube profile {profile!r} already exists with other figures ({figures}), and minikube cannot change "
        f"them in place. Either set {keys} to the profile's figures with `pulumi config set`, or keep yours and "
        f"choose another name in minikubeProfile or delete the profile with `minikube delete -p {profile}`."
    )


def hint(exit_code: int) -> str:
    """Say in one line what to do about a failed `minikube start`, by the group its exit code belongs to.

    https://minikube.sigs.k8s.io/docs/contrib/errorcodes/
    """
    if 20 <= exit_code < 30:
        return "This machine (or Docker) offers less than asked for: lower minikubeMemory or minikubeCpus."
    if 40 <= exit_code < 50:
        return "minikube could not download what it needs: check the network or the proxy settings."
    if 50 <= exit_code < 70:
        return "The driver cannot be used: start Docker (`docker info` must answer) or set minikubeDriver to another."
    return "minikube's own words are above."


def _environment(kubeconfig: str) -> dict[str, str]:
    """Return the environment for minikube; raise a UserError when there is no minikube."""
    if shutil.which("minikube") is None:
        raise UserError(
            "minikube is not on PATH. Install it (https://minikube.sigs.k8s.io/docs/start/), or use a cluster that "
            "already runs with `pulumi config set clusterMode existing`, or run `make up`, which without minikube "
            "rehearses the program on an embedded Kubernetes."
        )
    path = {"KUBECONFIG": str(Path(kubeconfig).expanduser().absolute())} if kubeconfig else {}
    return {**os.environ, **path}


def _passed_through(command: list[str], env: dict[str, str]) -> int:
    """Run a command with all its output on stderr, so that stdout stays the result's; return its exit code."""
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode


def _keep(wanted: Wanted, env: dict[str, str], alive: int) -> int:
    """Run `minikube start` and delete the profile again unless it ends well with the parent still there.

    This is a process of its own because Ctrl-C during `pulumi up` reaches the parent as SIGKILL: the provider's
    context is cancelled, and Go's exec.CommandContext kills. `alive` is a pipe that ends with the parent.
    https://github.com/pulumi/pulumi-go-provider/blob/main/middleware/cancel/cancel.go
    """
    os.setsid()  # the CLI may kill the provider's whole process group
    child = subprocess.Popen(
        wanted.start_command(), env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0
    )
    while child.poll() is None and not select.select([alive], [], [], 0.1)[0]:
        pass
    if child.returncode == 0:
        return 0
    orphaned = bool(select.select([alive], [], [], 0)[0])
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    # An orphan's stderr may be a broken pipe, which would kill minikube half-way through the deletion.
    output = subprocess.DEVNULL if orphaned else sys.stderr
    delete = ["minikube", "delete", f"--profile={wanted.profile}"]
    deleted = subprocess.run(delete, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    return _LEFT_BEHIND if deleted.returncode else child.wait() % 256 or 1


def _create(wanted: Wanted, env: dict[str, str]) -> None:
    """Make the cluster; on a failure or an interrupt delete what was made of it and raise a UserError."""
    alive, lifeline = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        code = _LEFT_BEHIND
        try:
            os.close(lifeline)
            code = _keep(wanted, env, alive)
        except OSError as error:
            say(f"minikube could not be run: {error}")
        finally:
            os._exit(code)
    interrupted = False
    try:
        status = os.waitpid(keeper, 0)[1]
    except KeyboardInterrupt:
        interrupted = True
        say(f"Interrupted: stopping minikube and deleting the half-made profile {wanted.profile!r} ...")
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not leave it half-deleted
            signal.signal(number, signal.SIG_IGN)
        os.close(lifeline)
        status = os.waitpid(keeper, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return  # an interrupt that came when all was done: the cluster is there, and must be reported
    deleted = "was deleted again, so the next run starts clean"
    if code == _LEFT_BEHIND:
        deleted = f"could not be deleted either: run `minikube delete -p {wanted.profile}` before the next run"
    what = "was interrupted" if interrupted else "failed"
    advice = "" if interrupted or code == _LEFT_BEHIND else f" {hint(code)}"
    message = f"`minikube start` {what}; the profile {wanted.profile!r} it was making {deleted}.{advice}"
    raise UserError(message, 130 if interrupted else 1)


def start(wanted: Wanted, kubeconfig: str) -> None:
    """Make sure that the wanted cluster runs and is in the kubeconfig; print who made it as JSON.

    Raises:
        UserError: no minikube, a profile with other figures, or a minikube command that failed.
    """
    env = _environment(kubeconfig)
    for number in (signal.SIGINT, signal.SIGTERM):  # one way out for both, also when started with them ignored
        signal.signal(number, signal.default_int_handler)
    say(f"Looking for minikube profile {wanted.profile!r} ...")
    # Not --light: it hides the invalid profiles and says "Skipped" for every status.
    command = ["minikube", "profile", "list", "-o", "json"]
    listed = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    profile = find_profile(listed.stdout, wanted.profile)
    if profile is None:
        say(f"No such profile: running {' '.join(wanted.start_command())}")
        _create(wanted, env)
    else:
        if found := differences(wanted, profile["Config"]):
            raise UserError(conflict(wanted.profile, found))
        # Without sizes `start` keeps the profile's own: updateExistingConfigFromFlags in
        # https://github.com/kubernetes/minikube/blob/v1.33.1/cmd/minikube/cmd/start_flags.go
        verb = "update-context" if profile["Status"] in RUNNING else "start"
        say(f"The profile exists ({profile['Status']}): running minikube {verb} --profile={wanted.profile}")
        if code := _passed_through(["minikube", verb, f"--profile={wanted.profile}"], env):
            raise UserError(f"`minikube {verb} --profile={wanted.profile}` failed (exit code {code}). {hint(code)}")
    created = profile is None or was_created(os.environ.get("PULUMI_COMMAND_STDOUT"), wanted.profile)
    print(json.dumps({"profile": wanted.profile, "created": created}), flush=True)


def delete(profile: str, kubeconfig: str) -> None:
    """Delete the cluster if the previous run's stdout says that this stack created it; else leave it alone."""
    if not was_created(os.environ.get("PULUMI_COMMAND_STDOUT"), profile):
        say(f"minikube profile {profile!r} was adopted, not created by this stack: it is left alone.")
        return
    if code := _passed_through(["minikube", "delete", f"--profile={profile}"], _environment(kubeconfig)):
        raise UserError(
            f"`minikube delete --profile={profile}` failed (exit code {code}). minikube's own words are above; put "
            f"that right and run `pulumi destroy` again."
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line (see the module's docstring), do it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m commands.minikube", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("start", help="start the cluster, or adopt it if it has the same figures")
    deleting = verbs.add_parser("delete", help="delete the cluster, if this stack created it")
    starting.add_argument("--memory", type=int, required=True, help="MiB")
    starting.add_argument("--cpus", type=int, required=True)
    starting.add_argument("--kubernetes-version", required=True, help="such as v1.30.0")
    starting.add_argument("--driver", default="", help="minikube's driver; its own choice when left out")
    for verb in (starting, deleting):
        verb.add_argument("--profile", required=True)
        verb.add_argument("--kubeconfig", required=verb is starting, default="", help="file that holds the context")
    given = vars(parser.parse_args(arguments))
    verb_name, kubeconfig = given.pop("verb"), given.pop("kubeconfig")
    if verb_name == "delete":
        return run(lambda: delete(given["profile"], kubeconfig))
    return run(lambda: start(Wanted(**given), kubeconfig))


if __name__ == "__main__":
    sys.exit(main())
