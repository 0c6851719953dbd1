"""A track is unsubscribed from and wanted again, by the stock wheel: the subscriber has it again, and hears it.

argv[1]: JSON {url, expert, customer}, the latter two tokens. stdout: {"rounds": [had it again, …]}.
Exit code 1 if one of them is false.
"""

import asyncio
import json
import os
import sys

from people import Person
from waiting import say, until

ROUNDS = 3
# An offer and its answer take less on loopback.
SETTLED_S = 1.0
HAD_AGAIN_S = 5


async def again(customer, sid):
    publication = customer.room.remote_participants["erika"].track_publications[sid]
    publication.set_subscribed(False)
    await asyncio.sleep(SETTLED_S)
    publication.set_subscribed(True)
    try:
        await until("the track is there again", lambda: publication.track is not None, HAD_AGAIN_S)
    except Exception:  # noqa: BLE001: the table says it
        return False
    return True


async def main(spec):
    expert, customer = Person("erika"), Person("karl")
    await customer.join(spec["url"], spec["customer"])
    await expert.join(spec["url"], spec["expert"])
    await expert.publish(["audio"])
    await until("karl hears erika", lambda: customer.receives("erika", "audio"), 20)
    rounds = [await again(customer, expert.sids["audio"]) for _ in range(ROUNDS)]
    say({"rounds": rounds})
    return 0 if all(rounds) else 1


if __name__ == "__main__":
    code = asyncio.run(main(json.loads(sys.argv[1])))
    # libwebrtc's threads do not always let the interpreter end.
    sys.stdout.flush()
    os._exit(code)
