"""A receiver of webhooks as an app would write it, with a script of how to misbehave first.

argv: secrets with commas between, then a JSON list of behaviours for the attempts in order of arrival: a
status, "hang", or [status, what `Retry-After` says]. After the list every attempt is answered 200.
stdout: {"port": N}, then a line for each attempt; `secret` is the place of the one that verified it.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

from waiting import now_ms, say

SECRETS, SCRIPT = sys.argv[1].split(","), json.loads(sys.argv[2])
LOCK = threading.Lock()
# Far above any timeout of a node under test.
HANG_LIMIT_S = 60


def judge(body, headers):
    for place, secret in enumerate(SECRETS):
        try:
            Webhook(secret).verify(body, headers)
            return place, None
        except Exception as error:  # noqa: BLE001: the stock library raises several kinds
            problem = f"{type(error).__name__}: {error}"
    return None, problem


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        secret, problem = judge(body, dict(self.headers.items()))
        text = body.decode("utf-8", "replace")
        try:
            event = json.loads(text)
        except ValueError:
            event = {}
        with LOCK:
            behaviour = SCRIPT.pop(0) if SCRIPT else 200
            data = event.get("data") or {}
            say({
                "id": self.headers.get("webhook-id"), "body_id": event.get("id"), "type": event.get("type"),
                "event_seq": data.get("event_seq"), "sequence": event.get("sequence"),
                "session": data.get("session_id"), "content_type": self.headers.get("content-type"),
                "verified": secret is not None, "secret": secret, "problem": problem, "status": behaviour, "body": text, "at_ms": now_ms(),
            })
        if behaviour == "hang":
            self.hang()
        else:
            self.answer(*(behaviour if isinstance(behaviour, list) else [behaviour]))

    def hang(self):
        """Answers nothing, and waits until the sender has had enough."""
        self.connection.settimeout(HANG_LIMIT_S)
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        self.close_connection = True

    def answer(self, status, retry_after=None):
        self.send_response(status)
        if retry_after is not None:
            self.send_header("retry-after", retry_after)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    say({"port": server.server_address[1]})
    # Ends with its parent: stdin then ends.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
