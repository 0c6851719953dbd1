// The check of the connection in the pre-join panel: it runs by itself, and may be skipped or repeated.
import { need, note, say } from '../dom';
import { verdictInWords, type Verdict } from './verdict';

/** Measures the connection; tells how far it has come, 0 to 1. */
export type Measure = (onProgress: (share: number) => void) => Promise<Verdict>;

export class ConnectionCheck {
  private readonly root = need('check', HTMLElement);
  private readonly button = need('check-button', HTMLButtonElement);
  private readonly progress = need('check-progress', HTMLProgressElement);
  /** Counts the runs, so that a skipped one changes nothing when it ends. */
  private run = 0;
  private running = false;

  constructor(
    private readonly measure: Measure,
    /** Called when a run begins and ends: whether one is under way, and what the last one found. */
    private readonly onChange: (running: boolean, verdict: Verdict | null) => void,
  ) {
    this.button.addEventListener('click', () => (this.running ? this.skip() : void this.start()));
  }

  async start(): Promise<void> {
    const mine = ++this.run;
    this.root.hidden = false;
    this.draw('running', 'Checking your connection: this takes about five seconds.', null);
    this.progress.removeAttribute('value');
    this.onChange(true, null);
    try {
      const verdict = await this.measure((share) => {
        if (mine === this.run) this.progress.value = share;
      });
      if (mine === this.run) this.show(verdict);
    } catch {
      if (mine === this.run) this.unknown('Your connection could not be checked.', 'You can try to join all the same.');
    }
  }

  show(verdict: Verdict): void {
    this.run += 1;
    const { title, hint } = verdictInWords(verdict);
    this.root.hidden = false;
    this.draw(verdict.state === 'done' && verdict.passed ? 'good' : 'bad', title, hint);
    this.onChange(false, verdict);
  }

  /** What still runs goes on unheard. */
  close(): void {
    this.run += 1;
  }

  private skip(): void {
    this.run += 1;
    this.unknown('Your connection was not checked.', 'A session that insists on the check does not let you in without it.');
  }

  private unknown(title: string, hint: string): void {
    this.draw('unknown', title, hint);
    this.onChange(false, null);
  }

  private draw(state: 'running' | 'good' | 'bad' | 'unknown', title: string, hint: string | null): void {
    this.running = state === 'running';
    this.root.dataset['state'] = state;
    say(need('check-title', HTMLElement), title);
    note(need('check-hint', HTMLElement), hint);
    this.progress.hidden = !this.running;
    say(this.button, this.running ? 'Skip the check' : 'Check again');
  }
}
