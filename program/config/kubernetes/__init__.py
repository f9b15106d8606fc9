"""Configuration in the spelling of Kubernetes itself: shapes of objects, pods and ports."""
