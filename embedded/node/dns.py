"""Asks the cluster's DNS, as a pod would: whether it answers is the proof that it, the node and kube-proxy work."""

import secrets
import socket
import struct

TIMEOUT = 1.0
PORT = 53
_ADDRESS, _INTERNET = 1, 1
_RECURSE = 0x0100
_CODE = 0x000F


def answers(server: str, name: str) -> bool:
    """Whether a DNS server has an address for a name (RFC 1035)."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = (
        struct.pack(">6H", number, _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", _ADDRESS, _INTERNET)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        query.settimeout(TIMEOUT)
        try:
            query.connect((server, PORT))
            query.send(question)
            reply = query.recv(512)
        except OSError:
            return False
    if len(reply) < struct.calcsize(">6H"):
        return False
    echoed, flags, _, found, _, _ = struct.unpack_from(">6H", reply)
    return bool(echoed == number and flags & _CODE == 0 and found > 0)
