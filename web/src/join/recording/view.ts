// Recording as seen in the session: the bar that says who is recorded, the marks, the control, and when the dialog opens.
import { need, note, say } from '../../dom';
import { ConsentDialog, notRecorded, type ConsentContext, type Subject } from './consent';
import type { Purpose, RecordedOf, RecordingMessage } from '../messages/recording';
import { FOR, list, recordedInWords } from './words';

export interface RecordingContext extends Omit<ConsentContext, 'onPutAway'> {
  /** Our own identity; null before we are connected. */
  me(): string | null;
  /** Whether we may send anything at all. */
  publishes(): boolean;
  /** Another dialog is open, which comes first. */
  isBusy(): boolean;
  /** Everyone here, and for what they are recorded by their attribute. */
  marked(): { identity: string; recorded: Purpose[] }[];
  /** The room says that somebody is recorded. */
  isActive(): boolean;
}

export class RecordingView {
  private readonly bar = need('recording-bar', HTMLElement);
  private readonly control = need('record', HTMLButtonElement);
  private readonly dialog: ConsentDialog;
  private message: RecordingMessage | null = null;
  /** Asked for, and put off by the participant: not asked again by itself while it lasts. */
  private putAway = new Set<Purpose>();

  constructor(private readonly context: RecordingContext) {
    this.dialog = new ConsentDialog({
      ...context,
      onPutAway: (purposes) => {
        this.putAway = new Set(purposes);
        this.sync();
        // The button that opened it may be gone, and the focus with it.
        if (!this.dialog.isOpen && document.activeElement === document.body) this.control.focus({ preventScroll: true });
      },
    });
    need('recording-answer', HTMLButtonElement).addEventListener('click', () => this.open());
  }

  get isOpen(): boolean {
    return this.dialog.isOpen;
  }

  update(message: RecordingMessage): void {
    this.message = message;
    this.dialog.update(this.subject(message));
    this.sync();
  }

  /** A refusal is told where it was asked for; false: it was not here. */
  refuse(text: string): boolean {
    if (this.dialog.isOpen) this.dialog.refuse(text);
    return this.dialog.isOpen;
  }

  open(): void {
    if (this.message && !this.control.hidden) this.dialog.open('panel', this.subject(this.message));
  }

  close(): void {
    this.message = null;
    this.putAway.clear();
    this.dialog.close();
    this.sync();
  }

  /** Identities of who is recorded now. By either word: nobody is recorded without seeing it. */
  recorded(): Map<string, Purpose[]> {
    const all = new Map<string, Purpose[]>();
    for (const { identity, recorded } of [...(this.message?.participants ?? []), ...this.context.marked()]) {
      if (recorded.length > 0) all.set(identity, [...new Set([...(all.get(identity) ?? []), ...recorded])]);
    }
    return all;
  }

  sync(): void {
    this.drawBar();
    const { message } = this;
    this.control.hidden = message === null || message.mode === 'off' || !(this.context.publishes() || this.context.steers);
    if (!message) return;
    this.drawControl();
    const subject = this.subject(message);
    const asked = subject.asked;
    // What is no longer asked for may be asked for anew.
    this.putAway = new Set([...this.putAway].filter((purpose) => asked.includes(purpose)));
    const isNew = asked.some((purpose) => !this.putAway.has(purpose));
    if (isNew && !this.context.isBusy()) this.dialog.open('ask', subject);
  }

  private subject({ purposes, participants }: RecordingMessage): Subject {
    const mine = this.mine();
    const publishes = this.context.publishes();
    const mayBe = publishes && mine !== null && !mine.minor && !mine.encrypted;
    const open = purposes.filter(({ purpose, requested }) => mayBe && requested && mine.consent[purpose] === null);
    return { purposes, people: participants, mine, asked: open.map(({ purpose }) => purpose), publishes };
  }

  private mine(): RecordedOf | null {
    const me = this.context.me();
    return this.message?.participants.find(({ identity }) => identity === me) ?? null;
  }

  private drawBar(): void {
    const recorded = this.recorded();
    const people = [...recorded].map(([identity, purposes]) => ({ name: this.context.nameOf(identity), recorded: purposes }));
    const now = recordedInWords(people) ?? (this.context.isActive() ? 'This session is being recorded.' : null);
    note(need('recording-now', HTMLElement), now);
    const asks = this.message !== null && this.subject(this.message).asked.length > 0;
    const own = this.ownInWords(now !== null, asks);
    note(need('recording-own', HTMLElement), own);
    const trouble = this.troubleInWords();
    note(need('recording-trouble', HTMLElement), trouble);
    need('recording-answer', HTMLElement).hidden = !asks;
    this.bar.dataset['active'] = String(now !== null);
    this.bar.dataset['empty'] = String(now === null && own === null && trouble === null);
    note(need('self-recorded', HTMLElement), recorded.has(this.context.me() ?? '') ? 'recorded' : null);
  }

  private ownInWords(active: boolean, asks: boolean): string | null {
    if (asks) return 'May you be recorded? Until you agree, you are not.';
    const requested = active || this.message?.purposes.some((one) => one.requested) === true;
    if (!requested || this.recorded().has(this.context.me() ?? '')) return null;
    const mine = this.mine();
    if (mine?.minor || mine?.encrypted) return notRecorded(mine, true);
    return active && this.context.publishes() ? 'You are not recorded.' : null;
  }

  /** What failed concerns everyone: they may rely on it. That nobody agreed yet concerns who steers it. */
  private troubleInWords(): string | null {
    const purposes = this.message?.purposes ?? [];
    const failed = purposes.filter((one) => one.failed !== null).map(({ purpose, failed }) => `The recording ${FOR[purpose]} failed: ${failed}`);
    const waiting = purposes.filter(({ requested, active, failed }) => requested && !active && failed === null);
    if (this.context.steers && waiting.length > 0) {
      failed.push(`The recording ${list(waiting.map(({ purpose }) => FOR[purpose]))} begins when somebody agrees.`);
    }
    return failed.length > 0 ? failed.join(' ') : null;
  }

  private drawControl(): void {
    const consents = this.message?.purposes.map(({ purpose }) => this.mine()?.consent[purpose] ?? null) ?? [];
    const given = consents.filter((state) => state === 'given').length;
    const word = given === 0 ? 'no' : given === consents.length ? 'yes' : 'in part';
    say(need('record-label', HTMLElement), this.context.publishes() ? `Recording: ${word}` : 'Recording');
    this.control.dataset['recorded'] = String(this.recorded().has(this.context.me() ?? ''));
  }
}
