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


async def again(customer, sid):
    publication = customer.room.remote_participants["erika"].track_publications[sid]
    publication.set_subscribed(False)
    await until("the track is gone", lambda: publication.track is None)
    customer.seen.pop(("erika", "audio"), None)
    publication.set_subscribed(True)
    try:
        await until("karl hears erika again", lambda: customer.receives("erika", "audio"))
    except TimeoutError:
        return False
    return publication.track is not None


async def main(spec):
    expert, customer = Person("erika"), Person("karl")
    await customer.join(spec["url"], spec["customer"])
    await expert.join(spec["url"], spec["expert"])
    await expert.publish(["audio"])
    await until("karl hears erika", lambda: customer.receives("erika", "audio"))
    rounds = [await again(customer, expert.sids["audio"]) for _ in range(ROUNDS)]
    say({"rounds": rounds})
    return 0 if all(rounds) else 1


if __name__ == "__main__":
    code = asyncio.run(main(json.loads(sys.argv[1])))
    # libwebrtc's threads do not always let the interpreter end.
    sys.stdout.flush()
    os._exit(code)
