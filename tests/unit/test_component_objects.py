import pytest

from components.kubeconfig import kubectl


@pytest.mark.parametrize(
    ("kubeconfig", "context", "called"),
    [
        ("~/.kube/config", "minikube", "kubectl --context minikube"),
        (".embedded/kubeconfig", "embedded", "kubectl --kubeconfig .embedded/kubeconfig --context embedded"),
        ("/my files/k", "a b", "kubectl --kubeconfig '/my files/k' --context 'a b'"),
    ],
)
def test_kubectl_is_called_on_the_right_file_and_context(kubeconfig: str, context: str, called: str) -> None:
    assert kubectl(kubeconfig, context) == called
