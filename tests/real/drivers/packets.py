"""What Python's protobuf (upb) reads of packets that the node passes on; packets.mjs has the format."""

import json
import struct
import sys

from livekit.protocol.models import DataPacket

NONE = 2**32 - 1
SPEC = json.loads(sys.argv[1])
TRUE = (SPEC["identity"], SPEC["sid"])


def parts(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if length == NONE:
            yield None
        else:
            yield data[at : at + length]
            at += length


def read(packet):
    """All senders that are named, and the topic."""
    message = DataPacket.FromString(packet)
    senders = {(message.participant_identity, message.participant_sid)}
    kind = message.WhichOneof("value")
    if kind == "user":
        senders.add((message.user.participant_identity, message.user.participant_sid))
        return senders, message.user.topic if message.user.HasField("topic") else None
    return senders, message.stream_header.topic if kind == "stream_header" else None


def main():
    with open(SPEC["file"], "rb") as file:
        pieces = parts(file.read())
    count, wrong = 0, []
    for packet, raw in zip(pieces, pieces):
        count += 1
        topic = None if raw is None else raw.decode()
        try:
            got = read(packet)
        except Exception as error:  # whatever it is, a client would not get the packet
            got = repr(error)
        if got != ({TRUE}, topic):
            wrong.append({"packet": packet.hex(), "topic": topic, "got": str(got)})
    print(json.dumps({"packets": count, "disagreements": len(wrong), "first": wrong[:3]}))


main()
