"""What a bare client is told at the doors. argv[1]: JSON {base, token, again}. stdout: one JSON object."""

import asyncio
import json
import sys

from livekit.protocol import models, rtc

from doors import ask, with_token
from waiting import say
from wire import Wire

SPEC = json.loads(sys.argv[1])


def door(path, **options):
    status, headers, body = ask(SPEC["base"], path, **options)
    return {
        "status": status, "cors": headers.get("access-control-allow-origin"), "body": body[:300],
        "type": headers.get("content-type"),
    }


def plain_doors():
    token = SPEC["token"]
    return {
        "v1": door(with_token("/rtc/v1", token)),
        "v1_upgrade": door(with_token("/rtc/v1", token), upgrade=True),
        "v1_validate": door(with_token("/rtc/v1/validate", token)),
        "rtc_without_upgrade": door(with_token("/rtc", token)),
        "validate": door(with_token("/rtc/validate", token)),
        "validate_double_slash": door("/" + with_token("/rtc/validate", token)),
        "regions": door("/settings/regions"),
        "head": door("/", method="HEAD"),
        "get": door("/"),
        "preflight": door("/rtc/validate", method="OPTIONS", headers=["Access-Control-Request-Method: GET"]),
    }


def leave_of(message):
    if message is None or not message.HasField("leave"):
        return None
    leave = message.leave
    return {"action": rtc.LeaveRequest.Action.Name(leave.action), "reason": models.DisconnectReason.Name(leave.reason)}


async def resume():
    """The first message on a resume, of a session that lives and of one that never was."""
    found = {}
    async with Wire(SPEC["base"], SPEC["token"]) as living:
        join = await living.next()
        sid = join.join.participant.sid
        for name, query in [("unknown", "&reconnect=1&sid=PA_unknown"), ("living", f"&reconnect=1&sid={sid}"), ("no_sid", "&reconnect=1")]:
            async with Wire(SPEC["base"], SPEC["token"], query) as wire:
                first = await wire.next()
                found[name] = {"leave": leave_of(first), "first": first.WhichOneof("message") if first else None}
    return found


async def duplicate():
    """The newest wins; the older one is told why."""
    async with Wire(SPEC["base"], SPEC["again"]) as older:
        first = (await older.next()).join.participant.sid
        async with Wire(SPEC["base"], SPEC["again"]) as newer:
            second = (await newer.next()).join.participant.sid
            told = None
            try:
                while told is None and (message := await older.next()) is not None:
                    told = leave_of(message)
            except TimeoutError:
                told = "nothing"
            return {"told": told, "other_sid": first != second, "newer_answers": await newer.answers()}


async def main():
    say({"doors": plain_doors(), "resume": await resume(), "duplicate": await duplicate()})


asyncio.run(main())
