// What protobuf-es reads of packets that the node passes on. argv[2] is JSON {file, identity, sid}; the file has, for each
// packet, its length (32 bits, little endian) and bytes, and likewise the topic that the node read (2^32 - 1: none).
import { readFileSync } from 'node:fs';
import { DataPacket } from '@livekit/protocol';

const { file, identity, sid } = JSON.parse(process.argv[2]);
const bytes = readFileSync(file);
const NONE = 0xffff_ffff;
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
let at = 0;

function next() {
  const length = bytes.readUInt32LE(at);
  at += 4;
  if (length === NONE) return undefined;
  at += length;
  return bytes.subarray(at - length, at);
}

/** What a client would take for sender and topic; who is told twice is named twice. */
function read(packet) {
  const { value, participantIdentity, participantSid } = DataPacket.fromBinary(packet);
  const senders = [[participantIdentity, participantSid]];
  if (value.case === 'user') senders.push([value.value.participantIdentity, value.value.participantSid]);
  const hasTopic = value.case === 'user' || value.case === 'streamHeader';
  return { senders, topic: hasTopic ? value.value.topic : undefined };
}

let packets = 0;
const wrong = [];
while (at < bytes.length) {
  packets += 1;
  const packet = next();
  const raw = next();
  const topic = raw && text.decode(raw);
  try {
    const got = read(packet);
    const isTrue = got.senders.every(([who, id]) => who === identity && id === sid);
    if (!isTrue || got.topic !== topic) wrong.push({ packet: packet.toString('hex'), topic, got });
  } catch (error) {
    wrong.push({ packet: packet.toString('hex'), topic, error: String(error) });
  }
}
console.log(JSON.stringify({ packets, disagreements: wrong.length, first: wrong.slice(0, 3) }));
