"""The embedded cluster: a Kubernetes of the project's own, built from Go modules; knows no component and no stack."""
