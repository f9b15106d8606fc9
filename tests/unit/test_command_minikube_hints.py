import pytest

from components.commands.hints import OWN_WORDS, Failure
from tests.unit.fake_minikube import HALF_WAY, REFUSALS

NAMED = {
    "over the system's memory": "minikubeMemory (30000 MiB) is more than there is: lower it (`pulumi config set "
    "minikubeMemory N`, 24105 at most)",
    "over Docker's memory": "minikubeMemory (30000 MiB) is more than there is: lower it (`pulumi config set "
    "minikubeMemory N`, 3913 at most)",
    "a node's name": OWN_WORDS,
    "too many processors": "minikubeCpus (4) is more than there is: lower it to 2",
    "no network": "check the network or the proxy settings",
    "no driver": "The driver docker cannot be used: start or install what it needs (`docker info` must answer)",
    "root": "minikube does not use the driver docker as root: run this as an ordinary user",
    "docker": "The driver docker cannot be used",
    "podman": "The driver podman cannot be used",
    "kvm2": "The driver kvm cannot be used",
    "another system's driver": "No driver can be used",
    "an old Kubernetes": "This minikube does not go with kubernetesVersion",
    "its own configuration": "minikube's own configuration, the profile's or the kubeconfig cannot be read",
}


def failure(refusal: str, *, driver: str = "", memory: int = 30000, cpus: int = 4) -> Failure:
    code, words = REFUSALS[refusal]
    return Failure(code=code, words=words, driver=driver, memory=memory, cpus=cpus)


@pytest.mark.parametrize("refusal", NAMED)
def test_the_hint_is_about_the_reason_that_minikube_gives(refusal: str) -> None:
    assert NAMED[refusal] in failure(refusal).hint


def test_below_minikubes_floor_the_figure_is_to_be_raised() -> None:
    assert failure("too little memory", memory=1500).hint == "minikubeMemory is 1500 MiB: raise it to 1800 or more."
    assert failure("too few processors", cpus=1).hint == "minikubeCpus is 1: raise it to 2 or more."


def test_a_docker_below_minikubes_floor_is_to_be_given_more() -> None:
    words = "X Exiting due to RSRC_INSUFFICIENT_CONTAINER_MEMORY: docker only has 1024MiB available, less than ...\n"
    assert Failure(code=23, words=words, memory=5500).hint == (
        "minikube needs 1800 MiB at least: give Docker, or this machine, more memory."
    )


@pytest.mark.parametrize("code", [50, 58, 59, 60, 69])
def test_a_driver_that_was_asked_for_is_named_whatever_is_the_matter_with_it(code: int) -> None:
    assert Failure(code=code, words="something else", driver="qemu2").hint.startswith("The driver qemu2 cannot be used")


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        (26, "X Exiting due to RSRC_DOCKER_STORAGE: Docker is out of disk space!", "is full: free some"),
        (37, "X Exiting due to HOST_HOME_PERMISSION: open /root/.minikube/x: permission denied", "belong to somebody"),
        (
            57,
            "X Exiting due to DRV_NEEDS_ROOT: sudo requires a password",
            "without a password",
        ),
        (10, "X Exiting due to MK_NEW_APICLIENT: something", OWN_WORDS),
        (*HALF_WAY, OWN_WORDS),
    ],
)
def test_each_other_group_of_exit_codes_has_its_own(code: int, words: str, hint: str) -> None:
    assert hint in Failure(code=code, words=words).hint


def test_the_reason_is_read_in_any_language() -> None:
    words = "X Wird beendet aufgrund von RSRC_OVER_ALLOC_MEM: angeforderte Speicherzuordnung\n"
    assert Failure(code=10, words=words, memory=5500).hint.startswith("minikubeMemory (5500 MiB) is more than there is")


def test_minikubes_own_sentence_is_the_one_after_the_reason() -> None:
    assert failure("no driver").told == (
        "Found docker, but the docker service isn't running. Try restarting the docker service."
    )
    assert Failure(code=1).told == ""
