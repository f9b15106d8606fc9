"""A real node, with the control plane it belongs to, in namespaces of its own."""
