"""One stock client at the door: argv[1] is JSON {url, token}. stdout: {joined, error}."""

import asyncio
import json
import sys

from livekit import rtc

from waiting import say

SPEC = json.loads(sys.argv[1])


async def main():
    room = rtc.Room()
    try:
        await room.connect(SPEC["url"], SPEC["token"])
    except rtc.ConnectError as error:
        return say({"joined": False, "error": str(error)})
    await room.disconnect()
    return say({"joined": True})


asyncio.run(main())
