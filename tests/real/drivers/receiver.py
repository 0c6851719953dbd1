"""A receiver of webhooks as an app would write it, with a script of how to misbehave first.

argv: secret, then a JSON list of behaviours for the attempts in order of arrival: a status, or "hang".
After the list every attempt is answered 200. stdout: {"port": N}, then a line for each attempt.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

from waiting import now_ms, say

SECRET, SCRIPT = sys.argv[1], json.loads(sys.argv[2])
LOCK = threading.Lock()
# Far above any timeout of a node under test.
HANG_LIMIT_S = 60


def judge(body, headers):
    try:
        Webhook(SECRET).verify(body, headers)
        return True, None
    except Exception as error:  # noqa: BLE001: the stock library raises several kinds
        return False, f"{type(error).__name__}: {error}"


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        verified, problem = judge(body, dict(self.headers.items()))
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
                "verified": verified, "problem": problem, "status": behaviour, "body": text, "at_ms": now_ms(),
            })
        if behaviour == "hang":
            self.hang()
        else:
            self.answer(behaviour)

    def hang(self):
        """Answers nothing, and waits until the sender has had enough."""
        self.connection.settimeout(HANG_LIMIT_S)
        try:
            while self.connection.recv(1024):
                pass
        except OSError:
            pass
        self.close_connection = True

    def answer(self, status):
        self.send_response(status)
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
