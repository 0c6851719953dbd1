// The prompt "still there?" as seen: a dialog with a countdown, and a line with a button once that is put away.
import { need, note, say } from '../../dom';
import { duration } from '../../duration';
import type { ClockMessage } from '../messages/clock';
import type { PresenceMessage } from '../messages/presence';

/** Often enough that no second of the countdown is skipped. */
const TICK_MS = 250;
/** An answer that the server did not take note of by then can be given again. */
const ANSWER_MS = 5_000;

export interface PromptContext {
  /** Whether our answer counts: who is no party to the session is told, and not asked. */
  mayAnswer(): boolean;
  /** Our own identity; null before we are connected. */
  me(): string | null;
  nameOf(identity: string): string;
  confirm(): Promise<void>;
  leave(): void;
}

export class Prompt {
  private readonly dialog = need('presence', HTMLDialogElement);
  private readonly yes = need('presence-yes', HTMLButtonElement);
  private readonly line = need('presence-line', HTMLElement);
  private readonly lineYes = need('presence-line-yes', HTMLButtonElement);
  private message: PresenceMessage | null = null;
  private paused = false;
  /** The time to answer, as far as it was left when it last began or ceased to run. */
  private left: number | null = null;
  private runningSince: number | null = null;
  private putAway = false;
  private sending = false;
  private failed = false;
  private answerTimer: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private title: string | null = null;

  constructor(private readonly context: PromptContext) {
    this.yes.addEventListener('click', () => this.answer());
    this.lineYes.addEventListener('click', () => this.answer());
    need('presence-leave', HTMLButtonElement).addEventListener('click', () => {
      this.dialog.close();
      this.context.leave();
    });
    // Escape puts the dialog away; the prompt stays, as a line that can be answered.
    this.dialog.addEventListener('close', () => {
      this.putAway = true;
      this.draw();
    });
    this.dialog.addEventListener('keydown', (event) => {
      if (event.key.toLowerCase() !== 'y' || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.answer();
    });
  }

  /** The dialog is open: it is modal, so whoever reads it reads nothing else. */
  get isOpen(): boolean {
    return this.dialog.open;
  }

  update(message: PresenceMessage): void {
    const before = this.message;
    this.message = message;
    this.left = message.left_ms;
    if (this.runningSince !== null) this.runningSince = performance.now();
    if (message.open && !before?.open) this.putAway = false;
    this.settle();
    this.draw();
  }

  clock(clock: ClockMessage): void {
    const paused = clock.state === 'paused' && clock.reason === 'presence_unconfirmed';
    this.run(paused || clock.state === 'live');
    if (paused === this.paused) return;
    this.paused = paused;
    this.putAway = false;
    this.settle();
    this.draw();
  }

  /** Also after a loss: whether it is still asked is not known then, and no answer would get through. */
  close(): void {
    this.message = null;
    this.paused = false;
    this.left = null;
    this.run(false);
    this.settle();
    this.draw();
  }

  /** While the session is paused for another reason the time to answer stands still. */
  private run(runs: boolean): void {
    if (runs === (this.runningSince !== null)) return;
    this.left = this.remaining();
    this.runningSince = runs ? performance.now() : null;
  }

  private remaining(): number | null {
    if (this.left === null) return null;
    const gone = this.runningSince === null ? 0 : performance.now() - this.runningSince;
    return Math.max(0, this.left - gone);
  }

  private answer(): void {
    if (this.sending) return;
    this.sending = true;
    this.failed = false;
    this.answerTimer = setTimeout(() => this.fail(), ANSWER_MS);
    this.context.confirm().catch(() => this.fail());
    this.draw();
  }

  private fail(): void {
    if (!this.sending) return;
    this.settle();
    this.failed = true;
    this.draw();
  }

  /** Whatever the server says next about the prompt answers our answer. */
  private settle(): void {
    clearTimeout(this.answerTimer);
    this.sending = false;
    this.failed = false;
  }

  private isMineIn(message: PresenceMessage): boolean {
    return message.confirmed.includes(this.context.me() ?? '');
  }

  private draw(): void {
    const { message } = this;
    const asked = message?.open === true || this.paused;
    const mine = message?.open === true && this.isMineIn(message);
    const wanted = asked && !mine && this.context.mayAnswer();
    this.drawWords(mine);
    this.mark(wanted);
    if (wanted && !this.putAway) this.open();
    else if (this.dialog.open) this.dialog.close();
    this.line.hidden = !asked || this.dialog.open;
    this.lineYes.hidden = !wanted;
    clearInterval(this.ticker);
    if (asked) this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  private open(): void {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.yes.focus();
  }

  private drawWords(mine: boolean): void {
    const names = this.message?.open ? this.message.confirmed.map((identity) => this.context.nameOf(identity)) : [];
    note(need('presence-confirmed', HTMLElement), names.length > 0 ? `Confirmed by: ${names.join(', ')}` : null);
    note(need('presence-failed', HTMLElement), this.failed ? 'Your answer did not get through. Please try again.' : null);
    say(need('presence-text', HTMLElement), this.text());
    say(need('presence-line-text', HTMLElement), mine ? 'You confirmed. The other side is still to confirm.' : this.shortText());
    this.dialog.dataset['state'] = this.paused ? 'paused' : 'asked';
    for (const button of [this.yes, this.lineYes]) {
      say(button, this.sending ? 'Confirming…' : 'Yes, I am here');
      button.setAttribute('aria-disabled', String(this.sending));
    }
    this.tick();
  }

  private text(): string {
    if (this.paused) return 'The billed time is paused because nobody confirmed. Confirm, and it goes on; otherwise the session ends.';
    const who = this.message?.who === 'each' ? 'Both sides have to confirm' : 'One of you has to confirm';
    return `${who}. Otherwise the billed time is paused.`;
  }

  private shortText(): string {
    if (!this.context.mayAnswer()) return 'The session waits for somebody to confirm that they are still there.';
    return this.paused ? 'The billed time is paused until somebody confirms.' : 'Are you still there?';
  }

  /** The server says once how long is left; between its words the page counts by itself. */
  private tick(): void {
    const remaining = this.remaining();
    // Once it is used up, only the server knows what comes next.
    const left = remaining === 0 ? null : remaining;
    const text = left === null ? '' : duration(left + 999);
    for (const id of ['presence-left', 'presence-line-left']) {
      const element = need(id, HTMLElement);
      element.hidden = left === null;
      say(element, text);
    }
    need('presence-countdown', HTMLElement).hidden = left === null;
    say(need('presence-left-label', HTMLElement), this.paused ? 'Session ends in' : 'Paused in');
  }

  /** In another tab only the title is seen. */
  private mark(asked: boolean): void {
    if (asked === (this.title !== null)) return;
    if (asked) {
      this.title = document.title;
      document.title = `Still there? – ${this.title}`;
    } else {
      document.title = this.title ?? document.title;
      this.title = null;
    }
  }
}
