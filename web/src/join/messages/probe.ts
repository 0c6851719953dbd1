// The uplink probe: the server asks for filler, to tell an uplink that cannot from one that does not want to.
import { decodeFields, isCount } from './fields';

/** The request from the server, on the reliable channel; the filler to the server, on the lossy one. */
export const PROBE_TOPIC = 'beistand.probe';

/** What we send at most, whoever asks: three times the default floor, for as long as a preflight. */
const MOST_BPS = 3_000_000;
const MOST_MS = 5_000;
/** With its headers a packet of this size fits every path. */
const PACKET_BYTES = 1_000;
const EVERY_MS = 20;
/** A tick that comes late, as in a background tab, makes up for so much and no more: no bursts. */
const MOST_LATE_MS = 100;

export interface ProbeMessage {
  bps: number;
  ms: number;
}

/** Null for anything that is not a request for a probe. */
export function decodeProbe(payload: Uint8Array): ProbeMessage | null {
  const { bps, ms } = decodeFields(payload) ?? {};
  return isCount(bps) && isCount(ms) && bps > 0 && ms > 0 ? { bps, ms } : null;
}

/** How much went out, for tests and support. */
export interface ProbeSent {
  probes: number;
  packets: number;
  bytes: number;
}

export class Prober {
  readonly sent: ProbeSent = { probes: 0, packets: 0, bytes: 0 };
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly send: (filler: Uint8Array<ArrayBuffer>) => Promise<void>) {}

  /** One at a time: a request during a probe is ignored. */
  start({ bps, ms }: ProbeMessage): void {
    if (this.timer !== undefined) return;
    this.sent.probes += 1;
    const bytesPerMs = Math.min(bps, MOST_BPS) / 8 / 1000;
    const filler = new Uint8Array(PACKET_BYTES);
    const end = performance.now() + Math.min(ms, MOST_MS);
    let last = performance.now();
    let due = 0;
    this.timer = setInterval(() => {
      const now = performance.now();
      due += Math.min(now - last, MOST_LATE_MS) * bytesPerMs;
      last = now;
      for (; due >= PACKET_BYTES; due -= PACKET_BYTES) this.put(filler);
      if (now >= end) this.stop();
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private put(filler: Uint8Array<ArrayBuffer>): void {
    this.sent.packets += 1;
    this.sent.bytes += filler.length;
    // A channel that is closed or full is what the probe is to find out, not a failure of the session.
    this.send(filler).catch(() => undefined);
  }
}
