"""The namespaces that the whole cluster lives in."""

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "--kill-child=KILL")
"""Runs what follows as the first process of namespaces of its own. When it ends, or this is killed, the kernel ends
everything else in them and forgets their mounts and interfaces.
"""
