// The test and support hook: what a test or a support engineer may look at from the console.
import type { Room } from 'livekit-client';
import type { ClockMessage } from './messages/clock';
import type { FloorMessage } from './messages/floor';
import type { PresenceMessage } from './messages/presence';
import type { Verdict } from './preflight/preflight';
import type { ProbeSent } from './messages/probe';
import type { RecordingMessage } from './messages/recording';
import type { RefusedMessage } from './messages/refused';
import { received, type Received } from './session/stats';
import type { WarningMessage } from './messages/warning';

declare global {
  interface Window {
    beistand: {
      /** The LiveKit room, from its creation on; a rejoin makes a new one. */
      room: Room | null;
      /** The last message of the server of each kind; of warnings the last few, the newest last. */
      clock: ClockMessage | null;
      floor: FloorMessage | null;
      presence: PresenceMessage | null;
      recording: RecordingMessage | null;
      refused: RefusedMessage | null;
      warnings: WarningMessage[];
      /** What the last preflight found. */
      verdict: Verdict | null;
      /** How much filler was sent for probes. */
      probe: ProbeSent | null;
      /** What arrives of another participant. */
      received(identity: string): Promise<Received>;
      /** Shows a message as if the server had sent it; false: it is none that the page understands. */
      receive(topic: string, message: unknown): boolean;
      /** Shows a verdict in the pre-join panel as if a preflight had found it. */
      judge(verdict: Verdict): void;
    };
  }
}

/** Warnings are few; this bounds what a node that repeats them makes us keep. */
const MOST_WARNINGS = 50;

window.beistand = {
  room: null,
  clock: null,
  floor: null,
  presence: null,
  recording: null,
  refused: null,
  warnings: [],
  verdict: null,
  probe: null,
  received: (identity) => received(window.beistand.room, identity),
  receive: () => false,
  judge: () => undefined,
};

export const hook = window.beistand;

export function noteWarning(warning: WarningMessage): void {
  hook.warnings = [...hook.warnings, warning].slice(-MOST_WARNINGS);
}
