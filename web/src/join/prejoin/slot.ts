// One local device before joining: a camera or a microphone that is on, off, or in trouble.
import type { LocalAudioTrack, LocalVideoTrack } from 'livekit-client';
import { failureOf, type Failure } from '../words';

/** A device as chosen: wanted or not, and which one. Kept in memory only, for the join and for a rejoin. */
export interface Choice {
  on: boolean;
  deviceId: string | undefined;
}

export class Slot<T extends LocalVideoTrack | LocalAudioTrack> {
  track: T | null = null;
  failure: Failure | null = null;
  readonly choice: Choice = { on: true, deviceId: undefined };
  /** Changes run one after the other: two open cameras at once are an error on many devices. */
  private queue: Promise<void> = Promise.resolve();
  private taken = false;

  constructor(
    private readonly open: (deviceId: string | undefined) => Promise<T>,
    private readonly onChange: () => void,
  ) {}

  /** Takes a track that was opened elsewhere (one permission prompt for both devices). */
  adopt(track: T): void {
    if (this.taken) return track.stop();
    this.track = track;
    this.failure = null;
    this.onChange();
  }

  set(on: boolean): Promise<void> {
    return this.change(() => {
      this.choice.on = on;
    });
  }

  choose(deviceId: string): Promise<void> {
    return this.change(() => {
      this.choice.deviceId = deviceId || undefined;
      this.choice.on = true;
    });
  }

  /** Hands the open track over to the session. An unanswered permission prompt holds nobody up: what opens later is closed. */
  take(): T | null {
    this.taken = true;
    const track = this.track;
    this.track = null;
    return track;
  }

  private change(wish: () => void): Promise<void> {
    wish();
    this.queue = this.queue.then(async () => {
      this.track?.stop();
      this.track = null;
      this.failure = null;
      if (this.choice.on && !this.taken) {
        try {
          this.adopt(await this.open(this.choice.deviceId));
        } catch (error) {
          if (this.taken) return;
          this.choice.on = false;
          this.failure = failureOf(error);
        }
      }
      this.onChange();
    });
    return this.queue;
  }
}
