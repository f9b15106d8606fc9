"""The labels by which a later run knows an object that it may meet in a cluster as this stack's own."""

MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
MANAGER = "istio-minikube"


def owner_labels(stack: str) -> dict[str, str]:
    """Labels of objects of which a cluster has only one, namespaces and CRDs, made by the stack named ``stack``.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
    """
    return {MANAGED_BY: MANAGER, INSTANCE: stack}
