"""Istio itself: control planes, gateway, injected namespaces, and the check of it all."""
