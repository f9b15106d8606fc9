"""The stack's minikube before Pulumi's engine runs: started where it was stopped."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.commands import UserError
from components.commands.hints import Failure
from components.commands.keeper import heard
from components.commands.minikube import Wanted, refuse_misfit, wake
from components.commands.profiles import QUIET, environment, listed
from components.kube import KUBE_SYSTEM, Kube, KubeError


def wanted(settings: Mapping[str, str]) -> Wanted:
    """The profile that the stack's configuration asks for, by bare key."""
    return Wanted(
        profile=settings["minikubeProfile"],
        memory=int(settings["minikubeMemory"]),
        cpus=int(settings["minikubeCpus"]),
        kubernetes_version=settings["kubernetesVersion"],
        driver=settings["minikubeDriver"],
    )


def ensure_started(settings: Mapping[str, str], *, start: bool = True) -> bool:
    """Start the stack's profile if it was stopped, and have its context in the kubeconfig; whether it exists.

    One that runs with the figures that are asked for is all the same whoever created it. Without ``start`` a stopped
    one is left to the program, which refuses it with the command that starts it.

    Raises:
        UserError: minikube cannot tell, has another profile of that name than is asked for, or could not start it.
    """
    if answers(settings):
        return True
    profile = listed(settings["kubeconfig"]).find(settings["minikubeProfile"])
    if profile and start:
        refuse_misfit(wanted(settings), profile)
        wake(profile, environment(settings["kubeconfig"]))
    return profile is not None


def answers(settings: Mapping[str, str]) -> bool:
    """Whether the stack's context leads to a cluster that answers."""
    try:
        Kube(settings["kubeconfig"], settings["context"]).get(KUBE_SYSTEM)
    except KubeError:
        return False
    return True


def obstacle(settings: Mapping[str, str]) -> str:
    """Why minikube would refuse to start the stack's profile; empty where it would not, or where there is one.

    `minikube start --dry-run` tells, and leaves a folder of the profile's name behind: in a home of its own.
    """
    try:
        if listed(settings["kubeconfig"]).find(settings["minikubeProfile"]):
            return ""
    except UserError as error:
        return str(error)
    asked = wanted(settings)
    with tempfile.TemporaryDirectory() as home:
        env = environment(str(Path(home, "kubeconfig"))) | QUIET | {"MINIKUBE_HOME": home}
        code, said = heard([*asked.start_command(), "--dry-run"], env, aloud=False)
    if code == 0:
        return ""
    failure = Failure(code=code, words=said, driver=asked.driver, memory=asked.memory, cpus=asked.cpus)
    told = failure.told or f"`minikube start --dry-run` exits with {code}"
    return f"{told} {failure.hint}".strip()
