"""A token that expires soon, and a signalling connection that breaks long after that: the stock wheel comes back by itself.

argv[1]: JSON {http, key, secret, expert}: a node's address, what signs the customer's token, and the expert's token.
stdout: {"back": bool, "gone": why not, or null}.
"""

import asyncio
import datetime
import json
import os
import sys

from livekit import api

from doors import ask, with_token
from people import Person
from waiting import now_ms, say, until

SPEC = json.loads(sys.argv[1])
# A node grants clocks a minute of difference: this one is refused in five seconds.
TTL = datetime.timedelta(seconds=-55)
# Each look is a knock at the door, of which a node takes so many.
LOOK_S = 2.0


def short_token():
    grants = api.VideoGrants(room_join=True, room="short")
    builder = api.AccessToken(SPEC["key"], SPEC["secret"]).with_identity("karl").with_grants(grants)
    return builder.with_attributes({"role": "customer"}).with_ttl(TTL).to_jwt()


class Relay:
    """A way to the node's signalling that can be cut."""

    def __init__(self):
        self.ends = set()

    async def start(self):
        server = await asyncio.start_server(self._on, "127.0.0.1", 0)
        return "ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1]

    async def _on(self, reader, writer):
        host, port = SPEC["http"].rsplit(":", 1)
        node_reader, node_writer = await asyncio.open_connection(host, int(port))
        self.ends |= {writer, node_writer}
        await asyncio.gather(self._pipe(reader, node_writer), self._pipe(node_reader, writer))

    @staticmethod
    async def _pipe(source, sink):
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        sink.close()

    def cut(self):
        for end in self.ends:
            end.transport.abort()
        self.ends = set()


async def main():
    relay, token = Relay(), short_token()
    url = await relay.start()
    expert, customer, back = Person("erika"), Person("karl"), []
    customer.room.on("reconnected", lambda: back.append(now_ms()))
    await customer.join(url, token)
    await expert.join("ws://" + SPEC["http"], SPEC["expert"])
    status = lambda: ask("http://" + SPEC["http"], with_token("/rtc/validate", token))[0]
    await until("the customer's token expires", lambda: status() == 401, interval_s=LOOK_S)
    relay.cut()
    await until("the customer is back", lambda: back or customer.gone)
    await until("the expert sees the customer", lambda: customer.gone or "karl" in expert.room.remote_participants)
    say({"back": bool(back), "gone": customer.gone})


if __name__ == "__main__":
    asyncio.run(main())
    # libwebrtc's threads do not always let the interpreter end.
    sys.stdout.flush()
    os._exit(0)
