// The data messages of the server, by topic. Whatever is not one, or is a wrong one, is ignored.
import { CLOCK_TOPIC, decodeClock, type ClockMessage } from './clock';
import { decodeFloor, FLOOR_TOPIC, type FloorMessage } from './floor';
import { decodePresence, PRESENCE_TOPIC, type PresenceMessage } from './presence';
import { decodeProbe, PROBE_TOPIC, type ProbeMessage } from './probe';
import { decodeRecording, RECORDING_TOPIC, type RecordingMessage } from './recording';
import { decodeRefused, REFUSED_TOPIC, type RefusedMessage } from './refused';
import { decodeWarning, WARNING_TOPIC, type WarningMessage } from './warning';

export interface Inbox {
  onClock(clock: ClockMessage): void;
  onFloor(floor: FloorMessage): void;
  onPresence(presence: PresenceMessage): void;
  onWarning(warning: WarningMessage): void;
  onRecording(recording: RecordingMessage): void;
  onRefused(refused: RefusedMessage): void;
  onProbe(probe: ProbeMessage): void;
}

/** Hands a message over; false when it is none that we understand. */
export function receive(topic: string | undefined, payload: Uint8Array, inbox: Inbox): boolean {
  switch (topic) {
    case CLOCK_TOPIC:
      return hand(decodeClock(payload), (clock) => inbox.onClock(clock));
    case FLOOR_TOPIC:
      return hand(decodeFloor(payload), (floor) => inbox.onFloor(floor));
    case PRESENCE_TOPIC:
      return hand(decodePresence(payload), (presence) => inbox.onPresence(presence));
    case WARNING_TOPIC:
      return hand(decodeWarning(payload), (warning) => inbox.onWarning(warning));
    case RECORDING_TOPIC:
      return hand(decodeRecording(payload), (recording) => inbox.onRecording(recording));
    case REFUSED_TOPIC:
      return hand(decodeRefused(payload), (refused) => inbox.onRefused(refused));
    case PROBE_TOPIC:
      return hand(decodeProbe(payload), (probe) => inbox.onProbe(probe));
    default:
      return false;
  }
}

function hand<T>(message: T | null, to: (message: T) => void): boolean {
  if (message !== null) to(message);
  return message !== null;
}
