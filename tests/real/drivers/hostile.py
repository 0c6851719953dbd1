"""Hostile signalling: each case on a socket of its own, next to a running session.

argv[1]: JSON {base, outsiders: [token…], guests: [token…]}; guests join the room of the session that
must not notice. stdout: a line for each case, {what, want, got, detail}. `want` is what the socket must do:
`answers` (goes on), `closes`, or `either`.
"""

import asyncio
import json
import random
import sys

from livekit.protocol import models, rtc

from waiting import say
from wire import Wire

ANSWERS, CLOSES, EITHER = "answers", "closes", "either"
SPEC = json.loads(sys.argv[1])
LONGEST = 256 * 1024
# Seeded: what failed once can fail again.
NOISE = random.Random(20261124)


def request(**field):
    return rtc.SignalRequest(**field)


def sdp(kind, text):
    return request(**{kind: rtc.SessionDescription(type=kind, sdp=text)})


def nested(depth):
    """A protobuf group of length-delimited fields in each other, in an unknown field of a request."""
    inner = b""
    for _ in range(depth):
        size, varint = len(inner), b""
        while True:
            varint += bytes([(size & 0x7F) | (0x80 if size > 0x7F else 0)])
            size >>= 7
            if not size:
                break
        inner = b"\x0a" + varint + inner
    return inner


HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
MEDIA = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
)


def candidates(count, first=0):
    """Lines of a description, each another candidate."""
    return "".join(f"a=candidate:{n} 1 udp {1_000_000 + n} 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255} 9 typ host\r\n"
                   for n in range(first, first + count))


def frames():
    """(what, want, frames)"""
    return [
        ("one byte of garbage", EITHER, [b"\xff"]),
        ("an empty frame", EITHER, [b""]),
        ("4 KiB of noise", EITHER, [NOISE.randbytes(4096)]),
        ("100 frames of noise", EITHER, [NOISE.randbytes(NOISE.randrange(1, 300)) for _ in range(100)]),
        ("a truncated protobuf", EITHER, [sdp("offer", HEAD + MEDIA).SerializeToString()[:40]]),
        ("a length beyond the frame", EITHER, [b"\x0a\xff\xff\xff\xff\x7f"]),
        ("a varint without end", EITHER, [b"\x80" * 64]),
        ("an unknown field", ANSWERS, [b"\xfa\x7f\x03abc"]),
        ("100 deep of nothing", EITHER, [nested(100)]),
        ("10,000 deep of nothing", EITHER, [nested(10_000)]),
        ("256 KiB and one byte", CLOSES, [b"\x0a" * (LONGEST + 1)]),
        ("256 KiB and one byte of text", CLOSES, ["x" * (LONGEST + 1)]),
        ("text that is no JSON", EITHER, ["{not json"]),
        ("text of 100,000 brackets", EITHER, ["[" * 100_000]),
        ("text that is JSON of nothing", EITHER, ["{}"]),
        ("an offer without sections", EITHER, [sdp("offer", HEAD)]),
        ("an empty offer", EITHER, [sdp("offer", "")]),
        ("an offer that is no SDP", EITHER, [sdp("offer", "hello\r\n" * 10)]),
        ("an offer of 1 MiB", EITHER, [sdp("offer", HEAD + MEDIA + "a=x:" + "y" * 1_000_000 + "\r\n")]),
        ("an offer of 3,000 sections", EITHER, [sdp("offer", HEAD + MEDIA * 3000)]),
        ("an offer of 65 sections", ANSWERS, [sdp("offer", HEAD + MEDIA * 65)]),
        ("an offer of 700 candidates", ANSWERS, [sdp("offer", HEAD + MEDIA + candidates(700))]),
        ("an offer of 30,000 candidates", CLOSES, [sdp("offer", HEAD + MEDIA + candidates(30_000))]),
        ("50 offers of 20 candidates", ANSWERS, [sdp("offer", HEAD + MEDIA + candidates(20, n * 20)) for n in range(50)]),
        ("an offer of 2,500 ssrcs", ANSWERS, [sdp("offer", HEAD + MEDIA + "".join(f"a=ssrc:{n} cname:x\r\n" for n in range(1, 2501)))]),
        ("an offer of 3,000 rids", ANSWERS, [sdp("offer", HEAD + MEDIA + "".join(f"a=rid:r{n} send\r\n" for n in range(3000)))]),
        ("an offer with NULs", EITHER, [sdp("offer", HEAD.replace("-", "\0") + MEDIA)]),
        ("an offer with no fingerprint", EITHER, [sdp("offer", HEAD + MEDIA.replace("a=fingerprint", "a=finger"))]),
        ("an offer of odd numbers", EITHER, [sdp("offer", HEAD + MEDIA.replace(" 96", " 99999999999999999999"))]),
        ("50 offers at once", EITHER, [sdp("offer", HEAD + MEDIA)] * 50),
        ("an answer without an offer's sections", EITHER, [sdp("answer", HEAD)]),
        ("an answer of garbage", EITHER, [sdp("answer", "v=1\r\n\r\n")]),
        ("ten answers to one offer", EITHER, [sdp("answer", HEAD + MEDIA)] * 10),
        ("a trickle that is no JSON", EITHER, [request(trickle=rtc.TrickleRequest(candidateInit="{", target="PUBLISHER"))]),
        ("a trickle of an impossible candidate", EITHER, [request(trickle=rtc.TrickleRequest(
            candidateInit=json.dumps({"candidate": "candidate:1 1 udp 99999999999 999.1.1.1 99999 typ host", "sdpMid": "9", "sdpMLineIndex": -1}),
            target="SUBSCRIBER"))]),
        ("300 trickles", EITHER, [request(trickle=rtc.TrickleRequest(
            candidateInit=json.dumps({"candidate": f"candidate:1 1 udp 1 10.0.{n // 250}.{n % 250} 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}),
            target="PUBLISHER")) for n in range(300)]),
        ("a target that does not exist", EITHER, [b"\x1a\x04\x0a\x00\x10\x63"]),
        ("a track with no cid", EITHER, [request(add_track=rtc.AddTrackRequest(name="x"))]),
        ("a track with odd numbers", EITHER, [request(add_track=rtc.AddTrackRequest(cid="c", name="x" * 10_000, type=1, width=2**32 - 1, height=2**32 - 1))]),
        ("200 tracks", EITHER, [request(add_track=rtc.AddTrackRequest(cid=f"c{n}", type=n % 2)) for n in range(200)]),
        ("a track's sid that is another's", EITHER, [request(add_track=rtc.AddTrackRequest(cid="c", sid="TR_ffffffffffff", type=1))]),
        ("mute of an unknown track", ANSWERS, [request(mute=rtc.MuteTrackRequest(sid="TR_unknown", muted=True))]),
        ("subscription to unknown tracks", ANSWERS, [request(subscription=rtc.UpdateSubscription(track_sids=["TR_x", "", "PA_y"], subscribe=True))]),
        ("subscription to 20,000 unknown tracks", ANSWERS, [request(subscription=rtc.UpdateSubscription(
            track_sids=[f"TR_{n:05}" for n in range(20_000)], subscribe=True))]),
        ("a track with a name of 60 kB", ANSWERS, [request(add_track=rtc.AddTrackRequest(cid="c", name="n" * 60_000, type=0, source=2))]),
        ("settings of unknown tracks", ANSWERS, [request(track_setting=rtc.UpdateTrackSettings(track_sids=["TR_x"], disabled=True))]),
        ("a role by update of attributes", ANSWERS, [request(update_metadata=rtc.UpdateParticipantMetadata(attributes={"role": "expert"}, request_id=9))]),
        ("names of odd letters", ANSWERS, [request(update_metadata=rtc.UpdateParticipantMetadata(name="\u202e\u0000\ud7ff🜏" * 40, request_id=1))]),
        ("1 MiB of metadata", EITHER, [request(update_metadata=rtc.UpdateParticipantMetadata(metadata="m" * 1_000_000))]),
        ("a sync state out of nowhere", ANSWERS, [request(sync_state=rtc.SyncState())]),
        ("a scenario to simulate", EITHER, [request(simulate=rtc.SimulateScenario(node_failure=True))]),
        ("1,000 pings", EITHER, [request(ping_req=rtc.Ping(timestamp=-1, rtt=-1))] * 1000),
        ("a leave and then more", CLOSES, [request(leave=rtc.LeaveRequest()), request(ping=1)]),
    ]


def foreign(others):
    """Cases inside the running session, with the sids of its people."""
    tracks = [track.sid for other in others for track in other.tracks]
    people = [other.sid for other in others]
    by_person = [models.ParticipantTracks(participant_sid=sid, track_sids=tracks) for sid in people]
    return [
        ("mute of another's tracks", ANSWERS, [request(mute=rtc.MuteTrackRequest(sid=sid, muted=True)) for sid in tracks]),
        ("a subscription and its end, crosswise", ANSWERS, [
            request(subscription=rtc.UpdateSubscription(track_sids=tracks, subscribe=flag, participant_tracks=by_person))
            for flag in (True, False) * 5]),
        ("settings of another's tracks", ANSWERS, [request(track_setting=rtc.UpdateTrackSettings(track_sids=tracks, disabled=True))]),
        ("permissions over another's tracks", ANSWERS, [request(subscription_permission=rtc.SubscriptionPermission(
            all_participants=False, track_permissions=[rtc.TrackPermission(participant_sid=sid, track_sids=tracks) for sid in people]))]),
        ("layers of another's tracks", ANSWERS, [request(update_layers=rtc.UpdateVideoLayers(track_sid=sid)) for sid in tracks]),
        ("a new codec for another's track", EITHER, [request(add_track=rtc.AddTrackRequest(cid="c", sid=sid, type=1)) for sid in tracks]),
        ("an offer in the running session", EITHER, [sdp("offer", HEAD)]),
    ]


async def attack(token, what, want, frames_of):
    result = {"what": what, "want": want}
    try:
        async with Wire(SPEC["base"], token, "&auto_subscribe=0") as wire:
            first = await wire.next()
            if first is None or not first.HasField("join"):
                return {**result, "got": "no join", "detail": str(first)[:200]}
            frames = frames_of(first.join)
            try:
                for frame in frames:
                    await wire.send(frame)
            except (ConnectionError, RuntimeError):
                return {**result, "got": CLOSES, "detail": "while sending"}
            return {**result, "got": ANSWERS if await wire.answers() else CLOSES, "detail": f"{len(frames)} frames"}
    except Exception as error:  # noqa: BLE001: a row of the table, whatever it was
        return {**result, "got": "fails", "detail": f"{type(error).__name__}: {error}"}


async def main():
    outsiders, guests = iter(SPEC["outsiders"]), iter(SPEC["guests"])
    for number, (what, want, _) in enumerate(frames()):
        say(await attack(next(outsiders), what, want, lambda _join, n=number: frames()[n][2]))
    for number, (what, want, _) in enumerate(foreign([])):
        pick = lambda join, n=number: foreign(join.other_participants)[n][2]
        say(await attack(next(guests), what, want, pick))
    say({"done": True})


asyncio.run(main())
