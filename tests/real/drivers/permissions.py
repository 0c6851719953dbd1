"""A publisher says who may have its tracks, by the stock wheel: the others lose them, and who comes later gets none.

argv[1]: JSON {url, tokens: {identity: token}} of karl, who publishes, and erika, gustav and lena.
stdout: one JSON object: what each had after each word.
"""

import asyncio
import json
import os
import sys

from livekit import rtc

from people import Person
from waiting import now_ms, say, until

SPEC = json.loads(sys.argv[1])
# Long enough for 15 pictures and 100 pieces of sound.
WATCHED_MS = 1_000


def permit(karl, everyone, **named):
    """Each of `named` may have all tracks (True), or those of these kinds."""
    permissions = [
        rtc.ParticipantTrackPermission(
            participant_identity=identity,
            allow_all=what is True,
            allowed_track_sids=[] if what is True else [karl.sids[kind] for kind in what],
        )
        for identity, what in named.items()
    ]
    karl.room.local_participant.set_track_subscription_permissions(
        allow_all_participants=everyone, participant_permissions=permissions
    )


async def gets(person):
    """The kinds of which something new is decoded within the time."""
    frames = lambda: {kind: person.seen.get(("karl", kind), {}).get("frames", 0) for kind in ("audio", "video")}
    before, end = frames(), now_ms() + WATCHED_MS
    await until("the time goes by", lambda: now_ms() >= end)
    return sorted(kind for kind, count in frames().items() if count > before[kind])


async def settled(found, what, people, wanted):
    """Waits until each gets what it should, and keeps what they get then."""
    for person, kinds in zip(people, wanted):

        async def fits(person=person, kinds=kinds):
            return await gets(person) == kinds

        await until(f"{what}: {person.identity} gets {kinds} of karl", fits)
    found[what] = {person.identity: await gets(person) for person in people}


async def main():
    karl, erika, gustav, lena = (Person(name) for name in ("karl", "erika", "gustav", "lena"))
    found, both = {}, ["audio", "video"]
    for person in (karl, erika, gustav):
        await person.join(SPEC["url"], SPEC["tokens"][person.identity])
    await karl.publish(["video", "audio"])
    await settled(found, "everyone", (erika, gustav), (both, both))
    permit(karl, False, gustav=True)
    await settled(found, "gustav alone", (erika, gustav), ([], both))
    await lena.join(SPEC["url"], SPEC["tokens"]["lena"])
    await settled(found, "who comes later", (lena, gustav), ([], both))
    permit(karl, False, erika=["audio"], lena=True)
    await settled(found, "sound for erika", (erika, gustav, lena), (["audio"], [], both))
    permit(karl, True)
    await settled(found, "everyone again", (erika, gustav, lena), (both, both, both))
    say(found)


if __name__ == "__main__":
    asyncio.run(main())
    # libwebrtc's threads do not always let the interpreter end.
    sys.stdout.flush()
    os._exit(0)
