"""Raw HTTP for the drivers: one request, the status and the headers, nothing clever."""

import socket
from urllib.parse import quote, urlsplit

from waiting import PATIENCE_S

LIMIT = 64 * 1024
UPGRADE = [
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


def ask(base, path, headers=(), method="GET", upgrade=False):
    """(status, {header: value}, body) of one request; the status is 101 for an upgrade that was granted."""
    url = urlsplit(base)
    own = [*(UPGRADE if upgrade else ["Connection: close"]), "Origin: https://app.example", *headers]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}", *own, "", ""]
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE_S) as connection:
        connection.sendall("\r\n".join(lines).encode("utf-8"))
        received = b""
        while b"\r\n\r\n" not in received and len(received) < LIMIT:
            part = connection.recv(4096)
            if not part:
                break
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        answer = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        status = int(first.split(" ")[1]) if first.startswith("HTTP/1.1 ") else 0
        wanted = int(answer.get("content-length", "0")) if status != 101 and method != "HEAD" else 0
        while len(body) < wanted:
            part = connection.recv(4096)
            if not part:
                break
            body += part
    return status, answer, body.decode("utf-8", "replace")


def with_token(path, token):
    return f"{path}?access_token={quote(token, safe='')}&protocol=16&sdk=js&version=2.0.0"
