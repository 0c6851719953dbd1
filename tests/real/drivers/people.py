"""Participants by the stock `livekit` wheel: a JSON command a line on stdin, a JSON answer on stdout.

Ends, with all its people, when stdin ends.
"""

import asyncio
import json
import math
import os
import struct
import sys
import traceback

from livekit import rtc

from pattern import Picture, Sound
from waiting import PATIENCE_S, now_ms, say, until

WIDTH, HEIGHT, FRAMES_PER_S = 320, 180, 15
RATE, SAMPLES = 48_000, 480
# Whole periods fit a frame, so that one frame can be repeated.
TONE_HZ, TONE_LEVEL = 400, 8_000
# libwebrtc may repeat a report of statistics for so long.
STATS_AGE_MS = 50
# Mean square of a silent stream stays far below this.
HEARD_ENERGY = 100_000.0


async def stats_of(track):
    """Its statistics; none as long as it has no place in a connection, which the SDK calls an error."""
    try:
        return await track.get_stats()
    except Exception:  # noqa: BLE001: the SDK raises nothing more exact
        return []


class Person:
    def __init__(self, identity, pattern=None):
        self.identity = identity
        # What others are to know it by: {"colour": [r, g, b], "hz": N}; a bar and a tone without it.
        self.pattern = pattern
        self.rotation = rtc.VideoRotation.VIDEO_ROTATION_0
        self.room = rtc.Room()
        self.sources, self.tracks, self.remote, self.tasks = {}, {}, {}, []
        self.sids = {}
        self.seen, self.data = {}, []
        self.gone = None
        self.reconnecting = 0
        self.marks = {"identity": identity, "here": None, "media": None, "gone": None}
        self._listen()

    def _listen(self):
        room = self.room
        room.on("track_subscribed", self._on_track)
        room.on("track_unsubscribed", lambda track, pub, _p: self.remote.pop(pub.sid, None))
        room.on("data_received", self._on_data)
        room.on("disconnected", self._on_gone)
        room.on("reconnecting", self._on_reconnecting)

    def _on_reconnecting(self):
        self.reconnecting += 1

    def _on_gone(self, reason):
        self.gone = {"reason": rtc.DisconnectReason.Name(reason), "at_ms": now_ms()}

    def _on_data(self, packet):
        sender = packet.participant.identity if packet.participant else None
        kind = "reliable" if packet.kind == rtc.DataPacketKind.KIND_RELIABLE else "lossy"
        text = packet.data.decode("utf-8", "replace")
        self.data.append({"from": sender, "kind": kind, "topic": packet.topic, "text": text})

    def _on_track(self, track, publication, participant):
        self.remote[publication.sid] = track
        look = self._watch if track.kind == rtc.TrackKind.KIND_VIDEO else self._listen_to
        self.tasks.append(asyncio.create_task(look(track, participant.identity)))

    async def _watch(self, track, sender):
        fresh = {"frames": 0, "changes": 0, "last": None, "shows_ms": None, "gap_ms": 0.0, "sizes": []}
        seen = self.seen.setdefault((sender, "video"), fresh)
        # As the decoder gives it: nothing is converted, and little is copied.
        stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
        async for event in stream:
            frame = event.frame
            picture = bytes(memoryview(frame.data)[::997])
            seen["frames"] += 1
            seen["changes"] += seen["last"] is not None and seen["last"] != picture
            seen["last"] = picture
            self._note_picture(seen, frame.width, frame.height, event.timestamp_us / 1000)
        await stream.aclose()

    @staticmethod
    def _note_picture(seen, width, height, shows_ms):
        """When which size began, and the longest time that no picture shows, by the pictures' own times."""
        if seen["shows_ms"] is not None:
            seen["gap_ms"] = max(seen["gap_ms"], shows_ms - seen["shows_ms"])
        if (seen.get("width"), seen.get("height")) != (width, height):
            seen["sizes"].append({"at_ms": now_ms(), "width": width, "height": height})
        seen["shows_ms"], seen["width"], seen["height"] = shows_ms, width, height

    async def _listen_to(self, track, sender):
        heard = self.seen.setdefault((sender, "audio"), {"frames": 0, "loud": 0})
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        async for event in stream:
            samples = memoryview(event.frame.data).cast("B").cast("h")
            energy = sum(s * s for s in samples[::8]) / max(1, len(samples[::8]))
            heard["frames"] += 1
            heard["loud"] += energy > HEARD_ENERGY
        await stream.aclose()

    async def join(self, url, token, receive=True):
        start = now_ms()
        await self.room.connect(url, token, rtc.RoomOptions(auto_subscribe=receive))
        self.marks["here"] = [start, now_ms()]

    async def publish(self, kinds):
        """Publishes, and notes between which two looks the first packet went out."""
        earliest = now_ms()

        async def sent():
            nonlocal earliest
            asked = now_ms()
            for track in list(self.tracks.values()):
                if any(s.outbound_rtp.sent.packets_sent > 0 for s in await stats_of(track)):
                    return now_ms()
            earliest = max(earliest, asked - STATS_AGE_MS)
            return None

        async def publish_all():
            for kind in kinds:
                await self._publish_one(kind)

        publishing = asyncio.create_task(publish_all())
        if kinds:
            latest = await until(f"{self.identity} sends media", sent, interval_s=0.005)
            self.marks["media"] = self.marks["media"] or [earliest, latest]
        await publishing

    async def _publish_one(self, kind):
        if kind == "video":
            picture = Picture(self.pattern["colour"]) if self.pattern else None
            source = rtc.VideoSource(*(picture.size if picture else (WIDTH, HEIGHT)))
            track = rtc.LocalVideoTrack.create_video_track("camera", source)
            place = rtc.TrackSource.SOURCE_CAMERA
            feed = picture.feed(source, lambda: self.rotation) if picture else self._feed_video(source)
        else:
            source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
            place = rtc.TrackSource.SOURCE_MICROPHONE
            feed = Sound(self.pattern["hz"]).feed(source) if self.pattern else self._feed_audio(source)
        self.sources[kind], self.tracks[kind] = source, track
        self.tasks.append(asyncio.create_task(feed))
        options = rtc.TrackPublishOptions(source=place, simulcast=False)
        if kind == "video":
            options.video_codec = rtc.VideoCodec.VP8
        published = await self.room.local_participant.publish_track(track, options)
        self.sids[kind] = published.sid

    async def _feed_video(self, source):
        """A bright bar that wanders over a grey ground, at the pace of a camera."""
        number = 0
        while True:
            left = (number * 8) % (WIDTH - 32)
            row = bytearray(b"\x60\x60\x60\xff" * WIDTH)
            row[left * 4 : (left + 32) * 4] = b"\xf0\x20\x20\xff" * 32
            frame = rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, bytes(row) * HEIGHT)
            source.capture_frame(frame)
            number += 1
            await asyncio.sleep(1 / FRAMES_PER_S)

    async def _feed_audio(self, source):
        """A tone; the source itself keeps the pace."""
        wave = (TONE_LEVEL * math.sin(2 * math.pi * TONE_HZ * i / RATE) for i in range(SAMPLES))
        data = struct.pack(f"<{SAMPLES}h", *(int(value) for value in wave))
        while True:
            await source.capture_frame(rtc.AudioFrame(data, RATE, 1, SAMPLES))

    async def stats(self):
        total = {"received": 0, "lost": 0, "samples": 0, "concealed": 0, "tracks": len(self.remote), "muted": 0}
        total["interrupted"] = self.reconnecting + (self.gone is not None)
        for other in self.room.remote_participants.values():
            total["muted"] += sum(track.muted for track in other.track_publications.values())
        for track in list(self.remote.values()):
            for stat in await stats_of(track):
                if stat.HasField("inbound_rtp"):
                    total["received"] += stat.inbound_rtp.received.packets_received
                    total["lost"] += stat.inbound_rtp.received.packets_lost
                    # Of audio alone: video has none of either.
                    total["samples"] += stat.inbound_rtp.inbound.total_samples_received
                    total["concealed"] += stat.inbound_rtp.inbound.concealed_samples
        return total

    def receives(self, sender, kind):
        seen = self.seen.get((sender, kind))
        if not seen:
            return False
        return seen["changes"] >= 10 if kind == "video" else seen["loud"] >= 20

    def counts(self):
        return {f"{s}/{k}": {n: v for n, v in c.items() if n != "last"} for (s, k), c in self.seen.items()}


PEOPLE = {}


async def on_join(command):
    person = Person(command["identity"], command.get("pattern"))
    PEOPLE[command.get("as", command["identity"])] = person
    await person.join(command["url"], command["token"], command.get("receive", True))
    await person.publish(command.get("publish", []))
    sid = person.room.local_participant.sid
    return {"sid": sid, "room_sid": await person.room.sid, "marks": person.marks, "sids": person.sids}


async def on_receive(command):
    """Everyone named receives picture and sound of every other one named."""
    who, kinds = command["who"], command.get("kinds", ["video", "audio"])
    pairs = [(a, b, k) for a in command.get("by", who) for b in who for k in kinds if a != b]
    left = lambda: [p for p in pairs if not PEOPLE[p[0]].receives(p[1], p[2])]
    await until(lambda: f"still missing (receiver, sender, kind): {left()}", lambda: not left())
    return {"counts": {name: PEOPLE[name].counts() for name in command.get("by", who)}}


async def on_send(command):
    person = PEOPLE[command["who"]]
    # A loss of a lossy packet is legal: the sender says it until it was heard.
    await person.room.local_participant.publish_data(
        command["text"], reliable=command["reliable"], topic=command.get("topic", "")
    )
    return {}


async def on_hear(command):
    person, wanted = PEOPLE[command["who"]], command["packet"]
    await until(lambda: f"{command['who']} hears {wanted}; it heard {person.data[-5:]}", lambda: wanted in person.data)
    return {"times": person.data.count(wanted)}


async def on_told(command):
    """What the node said under a topic with these fields: the `times`th such message."""
    person, times, wanted = PEOPLE[command["who"]], command.get("times", 1), command["wanted"].items()

    def said():
        return [json.loads(p["text"]) for p in person.data if p["topic"] == command["topic"] and p["from"] is None]

    def fitting():
        return [message for message in said() if all(message.get(name) == value for name, value in wanted)]

    what = lambda: f"{command['who']} is told {command['topic']} {dict(wanted)}; it was told {said()[-3:]}"
    await until(what, lambda: len(fitting()) >= times)
    return {"told": fitting()[times - 1]}


async def on_recorded(command):
    """Knows that exactly these purposes are recorded of it, and whether anyone is recorded."""
    person, wanted = PEOPLE[command["who"]], sorted(command["purposes"])
    recorded = lambda: sorted(filter(None, person.room.local_participant.attributes.get("recording", "").split(",")))
    what = lambda: f"{command['who']} is recorded for {wanted}, and not for {recorded()}"
    await until(what, lambda: recorded() == wanted)
    return {"at_ms": now_ms()}


async def on_pass(command):
    """Time goes by."""
    end = now_ms() + command["ms"]
    await until("the time goes by", lambda: now_ms() >= end, command["ms"] / 1000 + PATIENCE_S)
    return {"at_ms": now_ms()}


async def on_people(command):
    person = PEOPLE[command["who"]]
    others = person.room.remote_participants
    wanted = set(command["wanted"])
    await until(lambda: f"{command['who']} knows {wanted}, it knows {set(others)}", lambda: set(others) == wanted)
    return {"roles": {name: dict(other.attributes).get("role") for name, other in others.items()}}


async def on_stats(command):
    return {"stats": {name: await PEOPLE[name].stats() for name in command["who"]}}


async def on_more_packets(command):
    """Waits until each has received so many packets more than now."""
    start = {name: (await PEOPLE[name].stats())["received"] for name in command["who"]}

    async def grown():
        now = {name: (await PEOPLE[name].stats())["received"] for name in command["who"]}
        return all(now[name] >= start[name] + command["packets"] for name in start) and now

    return {"received": await until("more packets arrive", grown, interval_s=0.2)}


async def on_watch(command):
    """Looks for so long at what each gets of a sender: sizes since the join, the rest since now."""
    who, sender, start = command["who"], command["sender"], now_ms()
    pictures = {name: PEOPLE[name].seen.get((sender, "video"), {}) for name in who}
    for picture in pictures.values():
        picture["gap_ms"] = 0.0
    before = {name: dict(PEOPLE[name].seen.get((sender, "audio"), {})) for name in who}
    before_stats = {name: await PEOPLE[name].stats() for name in who}
    await until("the time goes by", lambda: now_ms() >= start + command["ms"], command["ms"] / 1000 + PATIENCE_S, 0.05)
    watched = {}
    for name in who:
        person, heard = PEOPLE[name], PEOPLE[name].seen.get((sender, "audio"), {})
        stats = await person.stats()
        picture = pictures[name] or person.seen.get((sender, "video"), {})
        watched[name] = {
            "from_ms": start, "sizes": picture.get("sizes", []), "gap_ms": picture.get("gap_ms"),
            "heard": {key: heard.get(key, 0) - before[name].get(key, 0) for key in ("frames", "loud")},
            "stats": {key: stats[key] - before_stats[name][key] for key in stats},
        }
    return {"from_ms": start, "to_ms": now_ms(), "watched": watched}


async def on_shows(command):
    """Waits until a picture of this width is seen of a sender."""
    who, sender, width = command["who"], command["sender"], command["width"]
    seen = lambda: PEOPLE[who].seen.get((sender, "video"), {})
    what = lambda: f"{who} sees {sender} {width} wide, it saw {seen().get('sizes')}"
    await until(what, lambda: seen().get("width") == width)
    return {"at_ms": now_ms()}


async def on_turn(command):
    """Holds the camera otherwise: its pictures are marked with another turn."""
    PEOPLE[command["who"]].rotation = rtc.VideoRotation.Value(f"VIDEO_ROTATION_{command['degrees']}")
    return {}


async def on_live_for(command):
    """Waits until both sides have been together for so long, by our own marks."""
    start = max(mark for p in PEOPLE.values() for mark in (p.marks["here"] or [0])[1:] + (p.marks["media"] or [0])[1:])
    await until("the time goes by", lambda: now_ms() >= start + command["ms"], command["ms"] / 1000 + PATIENCE_S, 0.05)
    return {}


async def on_mute(command):
    for track in PEOPLE[command["who"]].tracks.values():
        track.mute()
    return {}


async def on_leave(command):
    person = PEOPLE[command["who"]]
    start = now_ms()
    await person.room.disconnect()
    person.marks["gone"] = [start, now_ms()]
    return {"marks": person.marks}


async def on_gone(command):
    person = PEOPLE[command["who"]]
    await until(f"{command['who']} is told to leave", lambda: person.gone or person.reconnecting)
    return {"gone": person.gone, "reconnecting": person.reconnecting}


async def on_marks(_command):
    return {"people": {name: person.marks for name, person in PEOPLE.items()}}


COMMANDS = {
    "join": on_join, "receive": on_receive, "send": on_send, "hear": on_hear, "told": on_told, "people": on_people, "recorded": on_recorded, "pass": on_pass,
    "stats": on_stats, "more_packets": on_more_packets, "watch": on_watch, "shows": on_shows, "live_for": on_live_for, "mute": on_mute,
    "turn": on_turn,
    "leave": on_leave, "gone": on_gone, "marks": on_marks,
}


async def main():
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say({"ok": True, "ready": True})
    while line := await lines.readline():
        command = json.loads(line)
        try:
            say({"ok": True, **await COMMANDS[command["do"]](command)})
        except Exception as error:  # noqa: BLE001: whatever it was, the test shall read it
            traceback.print_exc()
            say({"ok": False, "error": f"{command['do']}: {type(error).__name__}: {error}"})


if __name__ == "__main__":
    asyncio.run(main())
    # libwebrtc's threads do not always let the interpreter end.
    sys.stdout.flush()
    os._exit(0)
