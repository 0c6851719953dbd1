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
    # Data goes once the node has finished the handshake: a visit that leaves before is in no record.
    await room.local_participant.publish_data(b"here")
    await room.disconnect()
    return say({"joined": True})


asyncio.run(main())
