"""A fake API server's side of one forwarded port: https://kubernetes.io/docs/reference/using-api/ and RFC 6455."""

import base64
import hashlib
from http.server import BaseHTTPRequestHandler


def forward(to: BaseHTTPRequestHandler, port: int, status: int, body: str, heard: list[bytes]) -> None:
    """Answer the one request that comes through the port; it is in ``heard`` before it is answered."""
    key = to.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    to.send_response(101)
    to.send_header("Upgrade", "websocket")
    to.send_header("Connection", "Upgrade")
    to.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())  # noqa: S324 RFC 6455
    to.send_header("Sec-WebSocket-Protocol", to.headers["Sec-WebSocket-Protocol"].partition(",")[0])
    to.end_headers()
    for channel in (0, 1):
        _frame(to, bytes([channel]) + port.to_bytes(2, "little"))
    heard.append(_heard(to))
    _frame(to, b"\0" + f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    to.close_connection = True
    to.rfile.read(1)  # until the client has gone


def _frame(to: BaseHTTPRequestHandler, data: bytes) -> None:
    to.wfile.write(b"\x82\x7e" + len(data).to_bytes(2, "big") + data)
    to.wfile.flush()


def _heard(to: BaseHTTPRequestHandler) -> bytes:
    length = to.rfile.read(2)[1] & 0x7F
    length = int.from_bytes(to.rfile.read(2), "big") if length == 126 else length
    mask, data = to.rfile.read(4), to.rfile.read(length)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
