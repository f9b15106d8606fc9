"""The offline rehearsal: an embedded Kubernetes and an engine that runs the program on it unmodified."""
