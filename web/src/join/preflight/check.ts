// The check of the connection in the pre-join panel: it runs by itself, and may be skipped or repeated.
import { need, note, say } from '../../dom';
import type { Progress, Verdict } from './preflight';
import { verdictInWords } from './verdict';

/** Measures the connection: tells how long it still sends, and rejects with words for people. */
export type Measure = (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<Verdict>;

export class ConnectionCheck {
  private readonly root = need('check', HTMLElement);
  private readonly button = need('check-button', HTMLButtonElement);
  private readonly progress = need('check-progress', HTMLProgressElement);
  /** Counts the runs, so that a skipped one changes nothing when it ends. */
  private run = 0;
  private running: AbortController | null = null;

  constructor(
    private readonly measure: Measure,
    /** Called when a run begins and ends: whether one is under way, and what the last one found. */
    private readonly onChange: (running: boolean, verdict: Verdict | null) => void,
  ) {
    this.button.addEventListener('click', () => (this.running ? this.skip() : void this.start()));
  }

  async start(): Promise<void> {
    this.close();
    const mine = ++this.run;
    const running = new AbortController();
    this.running = running;
    this.root.hidden = false;
    this.progress.removeAttribute('value');
    this.draw('running', 'Checking your connection: this takes about five seconds.', null);
    this.onChange(true, null);
    let whole = 0;
    try {
      const verdict = await this.measure(({ phase, left_ms }) => {
        if (mine !== this.run || phase === 'connecting') return;
        whole = Math.max(whole, left_ms);
        this.progress.value = phase === 'judging' || whole === 0 ? 1 : 1 - left_ms / whole;
      }, running.signal);
      if (mine === this.run) this.show(verdict);
    } catch (error) {
      if (mine === this.run) this.unknown('Your connection could not be checked.', `${sentence(error)}You can try to join all the same.`);
    }
  }

  show(verdict: Verdict): void {
    this.close();
    const { title, hint } = verdictInWords(verdict);
    this.root.hidden = false;
    this.draw(verdict.state === 'done' && verdict.passed !== false ? 'good' : 'bad', title, hint);
    this.onChange(false, verdict);
  }

  /** Ends what still runs: it would take from the session what it measures. */
  close(): void {
    this.run += 1;
    this.running?.abort();
    this.running = null;
  }

  private skip(): void {
    this.close();
    this.unknown('Your connection was not checked.', 'A session that insists on the check does not let you in without it.');
  }

  private unknown(title: string, hint: string): void {
    this.close();
    this.draw('unknown', title, hint);
    this.onChange(false, null);
  }

  private draw(state: 'running' | 'good' | 'bad' | 'unknown', title: string, hint: string | null): void {
    this.root.dataset['state'] = state;
    say(need('check-title', HTMLElement), title);
    note(need('check-hint', HTMLElement), hint);
    this.progress.hidden = state !== 'running';
    say(this.button, state === 'running' ? 'Skip the check' : 'Check again');
  }
}

function sentence(error: unknown): string {
  const words = error instanceof Error ? error.message.slice(0, 300) : '';
  return words ? `${words} ` : '';
}
