"""A bare signalling client: a WebSocket and LiveKit's own protobuf, no WebRTC behind it."""

import asyncio
import itertools
from urllib.parse import quote

import aiohttp
from livekit.protocol import rtc

from waiting import PATIENCE_S

_STAMPS = itertools.count(1)


class Wire:
    """One socket. `async with Wire(base, token) as wire`."""

    def __init__(self, base, token, query=""):
        self.url = f"{base}/rtc?access_token={quote(token)}&protocol=16&sdk=js&version=2.0.0{query}"

    async def __aenter__(self):
        self.client = aiohttp.ClientSession()
        self.socket = await self.client.ws_connect(self.url, max_msg_size=0, autoping=True, autoclose=True)
        return self

    async def __aexit__(self, *_):
        await self.client.close()

    async def next(self, timeout_s=PATIENCE_S):
        """The next message, or None once the socket is closed."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), timeout_s)
            if message.type == aiohttp.WSMsgType.BINARY:
                return rtc.SignalResponse.FromString(message.data)
            if message.type == aiohttp.WSMsgType.TEXT:
                continue
            return None

    async def send(self, frame):
        if isinstance(frame, str):
            await self.socket.send_str(frame)
        elif isinstance(frame, bytes):
            await self.socket.send_bytes(frame)
        else:
            await self.socket.send_bytes(frame.SerializeToString())

    async def answers(self):
        """Is a ping still answered? False once the socket is closed. Raises if there is silence."""
        stamp = next(_STAMPS)
        try:
            await self.send(rtc.SignalRequest(ping_req=rtc.Ping(timestamp=stamp, rtt=1)))
            while (message := await self.next()) is not None:
                if message.HasField("pong_resp") and message.pong_resp.last_ping_timestamp == stamp:
                    return True
        except (ConnectionError, aiohttp.ClientError):
            pass
        return False
