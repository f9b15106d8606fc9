"""Where the mesh runs: minikube, and the guard of a cluster that is not ours."""
