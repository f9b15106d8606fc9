"""Starts, adopts, upgrades and deletes the stack's minikube cluster, for a pulumi-command `local.Command`.

    python -m commands.minikube start --profile P --memory MIB --cpus N --kubernetes-version vX.Y.Z
                                      [--driver D] --kubeconfig PATH
    python -m commands.minikube delete --profile P [--kubeconfig PATH]

`start` prints `{"profile": P, "created": BOOL, "cluster": UID}`; the next `start` and `delete` read it back from
PULUMI_COMMAND_STDOUT, where pulumi-command puts the previous run's stdout. `delete` deletes only what this stack
created. https://www.pulumi.com/registry/packages/command/api-docs/local/command/
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..kubernetes_upgrades import problems
from ..versions import Version
from . import UserError, run, say
from .hints import Failure
from .keeper import Outcome, create, heard
from .profiles import Profile, environment, listed

# pkg/minikube/driver/driver.go: what --driver also takes, and the name that the profile then has
DRIVER_ALIASES = {"kvm": "kvm2", "generic": "ssh", "native": "none", "qemu": "qemu2"}


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

    def failure(self, code: int, words: str) -> Failure:
        """A start with these figures that failed."""
        return Failure(code=code, words=words, driver=self.driver, memory=self.memory, cpus=self.cpus)


class Difference(NamedTuple):
    """A figure of the profile that is not the configured one, under the config key that sets it."""

    key: str
    have: str
    want: str


def recorded(stdout: str | None, profile: str) -> Mapping[str, Any]:
    """What a previous `start` said of `profile`; nothing where it is missing, garbled or of another."""
    try:
        previous = json.loads(stdout or "")
    except ValueError:
        return {}
    return previous if isinstance(previous, dict) and previous.get("profile") == profile else {}


def created_here(previous: Mapping[str, Any], cluster: str) -> bool:
    """Whether a previous `start` created this cluster, and not one of the same name that somebody replaced since."""
    return previous.get("created") is True and previous.get("cluster", cluster) == cluster


def differences(wanted: Wanted, profile: Profile) -> list[Difference]:
    """The figures that minikube cannot change of a profile; the driver only when one is configured.

    Source: "You cannot change the memory size for an existing minikube cluster", and so on, in
    https://github.com/kubernetes/minikube/blob/v1.38.1/cmd/minikube/cmd/start_flags.go
    """
    memory = f"{profile.memory} MiB" if profile.memory else "no limit"  # 0 is `--memory=no-limit`
    driver, wanted_driver = (DRIVER_ALIASES.get(name, name) for name in (profile.driver, wanted.driver))
    found = [
        Difference("minikubeMemory", memory, f"{wanted.memory} MiB"),
        Difference("minikubeCpus", str(profile.cpus or "no limit"), str(wanted.cpus)),
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


def refuse_misfit(wanted: Wanted, profile: Profile) -> None:
    """Do nothing where minikube can turn the profile into what is configured.

    Raises:
        UserError: it cannot; says what to change.
    """
    if figures := differences(wanted, profile):
        raise UserError(conflict(wanted.profile, figures))
    running, version = Version.parse(profile.kubernetes_version), Version.parse(wanted.kubernetes_version)
    if found := problems(running=running, wanted=version):
        raise UserError(f"minikube profile {wanted.profile!r}: {'; '.join(found)}.")


def gone(profile: str) -> str:
    """Word the refusal to create a profile that was there when the stack was last brought up."""
    return (
        f"minikube profile {profile!r} is gone, and with it all that this stack had in it: nothing was touched. `make "
        "recover` forgets what is gone (so does `pulumi state delete --all`), and `make up` then brings the whole mesh "
        "back."
    )


def remedy(profile: Profile) -> list[str]:
    """The command after which a profile that exists can be used: it runs, and its context leads to it.

    Without sizes `start` keeps the profile's own: updateExistingConfigFromFlags in minikube's start_flags.go.
    """
    return ["minikube", "update-context" if profile.runs else "start", f"--profile={profile.name}"]


def wake(profile: Profile, env: Mapping[str, str], *, kubernetes_version: str = "") -> None:
    """Start a profile that exists, or upgrade its Kubernetes, or write its context, whichever it needs.

    Raises:
        UserError: minikube failed; with what to do.
    """
    words = remedy(profile)
    if kubernetes_version not in ("", profile.kubernetes_version):
        words = ["minikube", "start", f"--profile={profile.name}", f"--kubernetes-version={kubernetes_version}"]
    say(f"The profile exists, {profile.described}: running {' '.join(words)}")
    code, said = heard(words, env)
    if code:
        failure = Failure(code=code, words=said, driver=profile.driver, memory=profile.memory, cpus=profile.cpus)
        raise UserError(f"`{' '.join(words)}` failed (exit code {code}). {failure.hint}")


def start(wanted: Wanted, kubeconfig: str) -> None:
    """Make sure that the configured cluster runs and is in the kubeconfig; print who created it as JSON.

    Raises:
        UserError: no minikube, a profile with other figures or that is gone, or a minikube command that failed.
    """
    env = environment(kubeconfig)
    for number in (signal.SIGINT, signal.SIGTERM):  # one way out for both, also when started with them ignored
        signal.signal(number, signal.default_int_handler)
    previous = recorded(os.environ.get("PULUMI_COMMAND_STDOUT"), wanted.profile)
    say(f"Looking for minikube profile {wanted.profile!r} ...")
    profile = listed(kubeconfig).find(wanted.profile)
    if profile is None:
        if previous:
            raise UserError(gone(wanted.profile))
        say(f"No such profile: running {' '.join(wanted.start_command())}")
        refuse_failure(wanted, create(wanted.start_command(), wanted.profile, kubeconfig, env))
    else:
        refuse_misfit(wanted, profile)
        wake(profile, env, kubernetes_version=wanted.kubernetes_version)
    cluster = identity(kubeconfig, wanted.profile)
    created = profile is None or created_here(previous, cluster)
    print(json.dumps({"profile": wanted.profile, "created": created, "cluster": cluster}), flush=True)


def refuse_failure(wanted: Wanted, outcome: Outcome) -> None:
    """Do nothing after a start that went well.

    Raises:
        UserError: it did not; says what is left, and what to do.
    """
    if outcome.code == 0:
        return  # also after an interrupt that came when all was done: the cluster is there, and must be reported
    left = {
        "nothing": "it had created nothing yet, and nothing was deleted",
        "deleted": f"the profile {wanted.profile!r} it was creating was deleted again, so the next run starts clean",
        "undeleted": f"the profile {wanted.profile!r} it was creating could not be deleted either: run `minikube "
        f"delete -p {wanted.profile}` before the next run",
        "unknown": f"`minikube profile list` tells whether it has left anything of the profile {wanted.profile!r}, "
        f"which `minikube delete -p {wanted.profile}` then deletes",
    }[outcome.left]
    if outcome.interrupted:
        raise UserError(f"`minikube start` was interrupted; {left}.", 130)
    advice = wanted.failure(outcome.code, outcome.words).hint
    raise UserError(f"`minikube start` failed (exit code {outcome.code}); {left}. {advice}")


def identity(kubeconfig: str, context: str) -> str:
    """The cluster's identity: the UID of its namespace kube-system.

    Raises:
        UserError: the cluster does not answer.
    """
    from ..kube import KUBE_SYSTEM, Kube, KubeError  # slow to import

    try:
        return str(Kube(kubeconfig, context).get(KUBE_SYSTEM)["metadata"]["uid"])
    except KubeError as error:
        raise UserError(f"{error}, though minikube says that it runs.") from error


def delete(profile: str, kubeconfig: str) -> None:
    """Delete the cluster if the previous run's stdout says that this stack created it; else leave it alone."""
    previous = recorded(os.environ.get("PULUMI_COMMAND_STDOUT"), profile)
    if previous.get("created") is not True:
        say(f"minikube profile {profile!r} was adopted, not created by this stack: it is left alone.")
        return
    found = listed(kubeconfig)
    if profile not in found:
        say(f"minikube profile {profile!r} is gone already.")
        return
    runs = profile in found.profiles and found.profiles[profile].runs
    if runs and not created_here(previous, identity(kubeconfig, profile)):
        say(f"minikube profile {profile!r} was created again since, and not by this stack: it is left alone.")
        return
    code, _ = heard(["minikube", "delete", f"--profile={profile}"], environment(kubeconfig))
    if code:
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
