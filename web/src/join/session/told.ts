// What the server said last, for as long as it would tell us of a change: a loss of the connection ends all of it.
import type { ClockMessage } from '../messages/clock';
import type { FloorMessage, FloorOf } from '../messages/floor';
import { PRESENCE_TOPIC, type PresenceMessage } from '../messages/presence';
import { CONSENT_TOPIC, RECORDING_TOPIC, type RecordingMessage } from '../messages/recording';
import type { RefusedMessage } from '../messages/refused';
import type { WarningMessage } from '../messages/warning';

export class Told {
  connected = false;
  clock: ClockMessage | null = null;
  readonly floors = new Map<string, FloorOf>();
  warnings: WarningMessage[] = [];
  /** Who closed the prompt with their answers, if it was not us. */
  confirmedBy: string[] = [];
  refused: (RefusedMessage & { number: number })[] = [];
  private presence: PresenceMessage | null = null;
  private recording = '';
  private refusals = 0;

  handleConnection(connected: boolean): void {
    this.connected = connected;
    if (connected) return;
    this.clock = null;
    this.floors.clear();
    this.warnings = [];
    this.confirmedBy = [];
    this.refused = [];
    this.presence = null;
  }

  handleClock(clock: ClockMessage): void {
    this.clock = clock;
  }

  handleFloor({ participants }: FloorMessage): void {
    this.floors.clear();
    for (const floor of participants) this.floors.set(floor.identity, floor);
  }

  handlePresence(presence: PresenceMessage, me: string | null): void {
    const closed = this.presence?.open === true && !presence.open;
    const isOurs = presence.confirmed.includes(me ?? '');
    if (closed && !isOurs) this.confirmedBy = presence.confirmed;
    if (presence.open) this.confirmedBy = [];
    // It is told again each second while it is open: what was refused stands until something changes.
    if (JSON.stringify(this.presence?.confirmed) !== JSON.stringify(presence.confirmed) || closed) this.grant([PRESENCE_TOPIC]);
    this.presence = presence;
  }

  handleRecording(recording: RecordingMessage): void {
    const news = JSON.stringify(recording);
    if (news !== this.recording) this.grant([RECORDING_TOPIC, CONSENT_TOPIC]);
    this.recording = news;
  }

  /** The newest of each kind, person and mark. */
  handleWarning(warning: WarningMessage): void {
    const isSame = ({ kind, identity, left_s }: WarningMessage) =>
      kind === warning.kind && identity === warning.identity && left_s === warning.left_s;
    this.warnings = [...this.warnings.filter((one) => !isSame(one)), warning].slice(-MOST_WARNINGS);
  }

  handleRefused(refused: RefusedMessage): void {
    this.refusals += 1;
    this.grant([refused.topic]);
    this.refused.push({ ...refused, number: this.refusals });
  }

  /** What was refused of these is no news any more. */
  private grant(topics: string[]): void {
    this.refused = this.refused.filter(({ topic }) => !topics.includes(topic));
  }
}

/** A warning for each of the most people that a session may have, and of time. */
const MOST_WARNINGS = 60;
