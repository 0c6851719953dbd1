// The last panel: why we are no longer in the session, what is billed, and a way back where there is something to come back to.
import { need, note, say } from '../../dom';
import { duration } from '../../duration';
import type { Ending } from '../session/session';
import { endInWords } from '../words';
import { follow, type Outcome } from './outcome';

const TITLES: Record<Ending['how'], string> = {
  left: 'Goodbye',
  over: 'The session has ended',
  lost: 'You are no longer connected',
  refused: 'You could not join',
};

/** Where to ask how the session goes on; `accrued_ms`: what we were told last. */
export interface Known {
  serverUrl: string;
  token: string;
  session: string | null;
  accrued_ms: number | null;
}

export class Farewell {
  private readonly panel = need('farewell', HTMLElement);
  private readonly title = need('farewell-title', HTMLElement);
  private readonly back = need('rejoin', HTMLButtonElement);
  private following = new AbortController();

  constructor() {
    this.back.addEventListener('click', () => this.onBack());
  }

  private onBack: () => void = () => undefined;
  private onOver: () => void = () => undefined;

  /** A link that leads nowhere: there is no session to speak of. */
  refuse(title: string, text: string): void {
    this.back.hidden = true;
    need('farewell-clock', HTMLElement).hidden = true;
    this.show(title, text, null);
  }

  /** `onOver`: we were told late that there is nothing to come back to. */
  open(ending: Ending, known: Known, onBack: () => void, onOver: () => void): void {
    this.onBack = onBack;
    this.onOver = onOver;
    say(this.back, ending.how === 'refused' ? 'Try again' : 'Rejoin');
    this.back.hidden = ending.how === 'over';
    this.drawClock(known.accrued_ms, false);
    this.show(TITLES[ending.how], ending.text, ending.detail);
    if (!this.back.hidden) this.back.focus();
    if (known.session === null) return;
    const { signal } = (this.following = new AbortController());
    const { serverUrl, token, session } = known;
    void follow(serverUrl, token, session, (outcome) => this.learn(ending, outcome), signal);
  }

  close(): void {
    this.following.abort();
    this.panel.hidden = true;
  }

  /** What the node has on disk is what holds: also where no word of the end reached us. */
  private learn({ how }: Ending, { state, reason, goes_on, billable_ms }: Outcome): void {
    const isOver = state === 'ended' && !goes_on;
    this.drawClock(billable_ms, isOver);
    if (!isOver) return;
    const why = endInWords(reason ?? '');
    if (how === 'left') {
      say(need('farewell-text', HTMLElement), `You left the session, and it has ended: ${lower(why)}`);
    } else {
      this.show(TITLES.over, why, null);
      this.onOver();
    }
    if (document.activeElement === this.back) this.title.focus();
    this.back.hidden = true;
  }

  private drawClock(ms: number | null, isFinal: boolean): void {
    need('farewell-clock', HTMLElement).hidden = ms === null;
    say(need('farewell-clock-label', HTMLElement), isFinal ? 'Billed' : 'Billed so far');
    if (ms !== null) say(need('final-clock', HTMLElement), duration(ms));
  }

  private show(title: string, text: string, detail: string | null): void {
    say(this.title, title);
    say(need('farewell-text', HTMLElement), text);
    note(need('farewell-detail', HTMLElement), detail);
    // The bar's clock would say "Live" of a session that we no longer see.
    need('clock', HTMLElement).hidden = true;
    if (!this.panel.hidden) return;
    this.panel.hidden = false;
    this.title.focus();
  }
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
