// After the session: its recordings, as they are finished, to be watched and kept.
import { make, need, note, say } from '../../dom';
import { Reel } from './reel';
import type { ListError, RecordingOf } from './recordings';

/** While files are being made. */
const POLL_MS = 2_000;
/** What failed during the session may still become files after it: looked at so many times, and no more. */
const FAILED_LOOKS = 150;
/** After a failure that may pass. */
const AGAIN_MS = 5_000;
/** Links are good for an hour: fresh ones come well before. */
const FRESH_MS = 20 * 60_000;

/** Rejects with a `ListError`. */
export type List = (signal: AbortSignal) => Promise<RecordingOf[]>;

export class Playback {
  private readonly root = need('recordings', HTMLElement);
  private readonly list = need('recordings-list', HTMLElement);
  private readonly again = need('recordings-again', HTMLButtonElement);
  private readonly reels = new Map<string, Reel>();
  private ask: List | null = null;
  private asking: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looks = 0;

  constructor() {
    this.again.addEventListener('click', () => void this.look());
  }

  open(ask: List): void {
    this.close();
    this.ask = ask;
    this.looks = 0;
    this.root.hidden = false;
    say(need('recordings-message', HTMLElement), 'Looking for recordings…');
    void this.look();
  }

  /** Ends what plays and what is asked. */
  close(): void {
    this.ask = null;
    this.asking?.abort();
    clearTimeout(this.timer);
    for (const reel of this.reels.values()) reel.remove();
    this.reels.clear();
    this.root.hidden = true;
  }

  private async look(): Promise<void> {
    const { ask } = this;
    if (!ask) return;
    this.asking?.abort();
    clearTimeout(this.timer);
    const asking = new AbortController();
    this.asking = asking;
    this.again.hidden = true;
    this.looks += 1;
    try {
      const recordings = await ask(asking.signal);
      if (!asking.signal.aborted) this.show(recordings);
    } catch (error) {
      if (!asking.signal.aborted) this.fail(error as ListError);
    }
  }

  private show(recordings: RecordingOf[]): void {
    note(need('recordings-message', HTMLElement), recordings.length === 0 ? 'Nothing of this session has been recorded.' : null);
    for (const [id, reel] of this.reels) {
      if (recordings.some((one) => one.id === id)) continue;
      reel.remove();
      this.reels.delete(id);
    }
    for (const recording of recordings) this.reel(recording.id).show(recording);
    this.again.hidden = recordings.length > 0;
    const is = (...states: RecordingOf['state'][]) => recordings.some(({ state }) => states.includes(state));
    const isMaking = is('recording', 'stopped', 'finishing') || (is('failed') && this.looks < FAILED_LOOKS);
    const isThere = is('ready');
    if (isMaking || isThere) this.timer = setTimeout(() => void this.look(), isMaking ? POLL_MS : FRESH_MS);
  }

  private fail({ message, passes }: ListError): void {
    note(need('recordings-message', HTMLElement), passes ? `${message} Trying again…` : message);
    this.again.hidden = false;
    if (passes) this.timer = setTimeout(() => void this.look(), AGAIN_MS);
  }

  private reel(id: string): Reel {
    let reel = this.reels.get(id);
    if (!reel) {
      reel = new Reel(() => void this.look());
      this.reels.set(id, reel);
      const item = make('li');
      item.append(reel.root);
      this.list.append(item);
    }
    return reel;
  }
}
