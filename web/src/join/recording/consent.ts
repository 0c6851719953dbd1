// The dialog about recording: the question with its answers, and for an expert the buttons that start and stop.
import { make, need, note, say } from '../../dom';
import type { ConsentState, Purpose, PurposeState, RecordedOf } from '../messages/recording';
import { capital, consentInWords, FOR, list, promiseInWords, stepInWords, TITLE } from './words';

/** What the server did not take note of by then can be said again. */
const ANSWER_MS = 5_000;

export interface ConsentContext {
  steers: boolean;
  nameOf(identity: string): string;
  consent(purpose: Purpose, given: boolean): Promise<void>;
  request(purpose: Purpose, action: 'start' | 'stop'): Promise<void>;
  /** Closed without an answer to these: they are asked again by other means. */
  onPutAway(purposes: Purpose[]): void;
}

/** What the dialog is about, as the server told last. */
export interface Subject {
  purposes: PurposeState[];
  people: RecordedOf[];
  /** Our own state; null: we are not among them yet. */
  mine: RecordedOf | null;
  /** Recordings that wait for our answer. */
  asked: Purpose[];
  /** Whether there is anything of us to be recorded. */
  publishes: boolean;
}

/** `ask`: it opened by itself, with what is not answered yet. `panel`: somebody opened it, with everything. */
type Mode = 'ask' | 'panel';

export class ConsentDialog {
  private readonly dialog = need('recording', HTMLDialogElement);
  private readonly form = need('consent-form', HTMLFormElement);
  private readonly none = need('consent-none', HTMLButtonElement);
  private readonly send = need('consent-send', HTMLButtonElement);
  private readonly questions = new Map<Purpose, Question>();
  private readonly steers = new Map<Purpose, Steer>();
  private readonly deeds: Deeds;
  private subject: Subject | null = null;
  private mode: Mode = 'panel';

  constructor(private readonly context: ConsentContext) {
    this.deeds = new Deeds(() => this.draw());
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.answer();
    });
    this.none.addEventListener('click', () => this.decline());
    need('recording-close', HTMLButtonElement).addEventListener('click', () => {
      this.putAway();
      this.dialog.close();
    });
    // Escape decides nothing: the call goes on without us being recorded, and the bar asks again. Said before it closes,
    // since the event of the closing comes later than whatever would open it anew.
    this.dialog.addEventListener('cancel', () => this.putAway());
    this.dialog.addEventListener('close', () => {
      if (this.dialog.open) return;
      this.deeds.forget();
      this.putAway();
    });
  }

  get isOpen(): boolean {
    return this.dialog.open;
  }

  open(mode: Mode, subject: Subject): void {
    if (this.dialog.open) return;
    this.mode = mode;
    this.subject = subject;
    this.deeds.forget();
    this.show(mode === 'ask' ? subject.asked : subject.purposes.map(({ purpose }) => purpose));
    this.draw();
    this.dialog.showModal();
    // Not a control: whoever is typing when it opens answers nothing by it.
    need('recording-title', HTMLElement).focus();
  }

  /** The server told something new; what is open agrees with it, and closes when it is answered. */
  update(subject: Subject): void {
    this.subject = subject;
    if (!this.dialog.open) return;
    const owed = this.deeds.owes('consent');
    this.deeds.settle(subject);
    const answered = owed && !this.deeds.owes('consent');
    const isOver = this.mode === 'ask' && subject.asked.every((purpose) => !this.questions.has(purpose));
    if (answered || isOver) return this.dialog.close();
    this.draw();
  }

  /** It was not done, for this reason. */
  refuse(text: string): void {
    this.deeds.fail(text);
    this.draw();
  }

  close(): void {
    this.subject = null;
    this.deeds.forget();
    if (this.dialog.open) this.dialog.close();
  }

  private putAway(): void {
    this.context.onPutAway(this.subject?.asked ?? []);
  }

  private show(purposes: Purpose[]): void {
    this.questions.clear();
    this.steers.clear();
    for (const purpose of purposes) {
      this.questions.set(purpose, new Question(purpose, () => this.onChoice()));
      this.steers.set(purpose, new Steer((action) => this.request(purpose, action)));
    }
    need('consent-purposes', HTMLElement).replaceChildren(...[...this.questions.values()].map(({ root }) => root));
    need('recording-steer', HTMLElement).replaceChildren(...[...this.steers.values()].map(({ root }) => root));
  }

  private onChoice(): void {
    this.deeds.failure = null;
    this.draw();
  }

  private answer(): void {
    const answers = [...this.questions].map(([purpose, { answer }]) => [purpose, answer] as const);
    if (this.deeds.isSending('consent')) return;
    if (answers.some(([, answer]) => answer === null)) return this.refuse('Please choose yes or no for each, or continue without being recorded.');
    this.tell(answers.map(([purpose, answer]) => [purpose, answer === true]));
  }

  /** Not to be recorded, for none of what is shown. */
  private decline(): void {
    if (!this.deeds.isSending('consent')) this.tell([...this.questions.keys()].map((purpose) => [purpose, false]));
  }

  private tell(answers: (readonly [Purpose, boolean])[]): void {
    const news = answers.filter(([purpose, given]) => !isSaid(this.subject?.mine?.consent[purpose] ?? null, given));
    if (news.length === 0) return this.dialog.close();
    for (const [purpose, given] of news) {
      this.deeds.begin('consent', purpose, given, this.context.consent(purpose, given));
    }
    this.draw();
  }

  private request(purpose: Purpose, action: 'start' | 'stop'): void {
    if (this.deeds.isSending('request')) return;
    this.deeds.begin('request', purpose, action === 'start', this.context.request(purpose, action));
    this.draw();
  }

  private draw(): void {
    const { subject } = this;
    if (!subject) return;
    const mayAnswer = subject.publishes && subject.mine !== null && !subject.mine.minor && !subject.mine.encrypted;
    this.drawWords(subject, mayAnswer);
    this.drawSteers(subject);
    const sending = this.deeds.isSending('consent');
    for (const [purpose, question] of this.questions) {
      const state = subject.purposes.find((one) => one.purpose === purpose);
      // What is asked for the first time has no answer before there is one; what was answered shows it.
      question.draw(state ?? null, this.mode === 'panel' ? (subject.mine?.consent[purpose] ?? null) : null, sending);
    }
    this.form.hidden = !mayAnswer;
    const incomplete = [...this.questions.values()].some(({ answer }) => answer === null);
    this.send.setAttribute('aria-disabled', String(sending || incomplete));
    this.none.setAttribute('aria-disabled', String(sending));
    say(this.send, sending ? 'Sending…' : this.questions.size > 1 ? 'Send my answers' : 'Send my answer');
    say(need('recording-close', HTMLElement), this.mode === 'ask' ? 'Decide later' : 'Close');
    note(need('recording-failed', HTMLElement), this.deeds.failure);
  }

  private drawWords({ mine, publishes }: Subject, mayAnswer: boolean): void {
    say(need('recording-title', HTMLElement), this.mode === 'ask' ? 'May you be recorded?' : 'Recording');
    say(need('recording-text', HTMLElement), mayAnswer ? ASKED : notRecorded(mine, publishes));
  }

  private drawSteers({ purposes, people }: Subject): void {
    need('recording-steer', HTMLElement).hidden = !this.context.steers || this.mode === 'ask';
    for (const state of purposes) {
      const names = people.map((one) => consentInWords(this.context.nameOf(one.identity), one, state.purpose));
      this.steers.get(state.purpose)?.draw(state, names, this.deeds.isSending('request'));
    }
  }
}

const ASKED =
  'Your picture and sound are recorded only if you agree. Either way you stay in the session, and you can change your mind at any time.';

/** Why somebody is not asked, and so not recorded. */
export function notRecorded(mine: RecordedOf | null, publishes: boolean): string {
  if (mine?.minor) return 'You are marked as a minor: you are never recorded, and so you are not asked.';
  if (mine?.encrypted) return 'What you send is encrypted end to end: it cannot be recorded.';
  return publishes ? 'You are not recorded.' : 'You send neither picture nor sound: nothing of you is recorded.';
}

/** What failed is asked for no longer: whoever starts it again waits for its new beginning. */
function isAsked(state: PurposeState | undefined, yes: boolean): boolean {
  return (state?.requested && state.failed === null) === yes;
}

function isSaid(state: ConsentState, given: boolean): boolean {
  return given ? state === 'given' : state === 'refused' || state === 'withdrawn';
}

/** One purpose with its yes and no. Neither is ticked before the participant does so. */
class Question {
  readonly root = make('fieldset', 'consent-purpose');
  private readonly promise = make('p', 'muted');
  private readonly yes: HTMLInputElement;
  private readonly no: HTMLInputElement;
  private touched = false;

  constructor(purpose: Purpose, onChange: () => void) {
    this.root.dataset['purpose'] = purpose;
    this.promise.id = `consent-promise-${purpose}`;
    this.root.setAttribute('aria-describedby', this.promise.id);
    const choices = make('div', 'consent-choices');
    [this.yes, this.no] = [choice(purpose, 'yes', 'Yes, record me', choices), choice(purpose, 'no', 'No', choices)];
    this.root.append(make('legend', '', TITLE[purpose]), this.promise, choices);
    this.root.addEventListener('change', () => {
      this.touched = true;
      onChange();
    });
  }

  /** Null: neither. */
  get answer(): boolean | null {
    if (this.yes.checked) return true;
    return this.no.checked ? false : null;
  }

  draw(state: PurposeState | null, said: ConsentState, sending: boolean): void {
    if (state) say(this.promise, promiseInWords(state));
    this.root.disabled = sending;
    if (this.touched) return;
    this.yes.checked = said === 'given';
    this.no.checked = said === 'refused' || said === 'withdrawn';
  }
}

function choice(purpose: Purpose, value: 'yes' | 'no', text: string, into: HTMLElement): HTMLInputElement {
  const label = make('label', 'choice');
  const input = make('input');
  input.type = 'radio';
  input.name = `consent-${purpose}`;
  input.value = value;
  input.dataset['testid'] = `consent-${purpose}-${value}`;
  label.append(input, make('span', '', text));
  into.append(label);
  return input;
}

/** One recording as an expert steers it: how it stands, who agreed, and the button. */
class Steer {
  readonly root = make('div', 'steer');
  private readonly title = make('p', 'steer-title');
  private readonly state = make('p', 'steer-state');
  private readonly people = make('p', 'muted');
  private readonly button = make('button', 'button');
  private action: 'start' | 'stop' = 'start';

  constructor(onPress: (action: 'start' | 'stop') => void) {
    this.button.type = 'button';
    this.state.setAttribute('role', 'status');
    this.button.addEventListener('click', () => onPress(this.action));
    const words = make('div', 'steer-words');
    words.append(this.title, this.state, this.people);
    this.root.append(words, this.button);
  }

  draw(state: PurposeState, people: string[], sending: boolean): void {
    const { purpose, requested, failed } = state;
    this.action = requested && failed === null ? 'stop' : 'start';
    this.root.dataset['state'] = failed !== null ? 'failed' : state.active ? 'active' : requested ? 'requested' : 'off';
    this.state.dataset['testid'] = `recording-state-${purpose}`;
    this.button.dataset['testid'] = `recording-request-${purpose}`;
    say(this.title, TITLE[purpose]);
    say(this.state, stepInWords(state));
    say(this.people, people.length > 0 ? `${capital(list(people))}.` : '');
    say(this.button, this.action === 'stop' ? 'Stop recording' : 'Start recording');
    this.button.setAttribute('aria-label', `${this.button.textContent} ${FOR[purpose]}`);
    this.button.setAttribute('aria-disabled', String(sending));
  }
}

type Kind = 'consent' | 'request';

interface Deed {
  kind: Kind;
  purpose: Purpose;
  yes: boolean;
}

/** What was said to the server and is not yet taken note of. */
class Deeds {
  failure: string | null = null;
  private readonly open = new Map<string, Deed>();
  /** Failed, or thought so: what was lost may have got through after all. */
  private readonly lost = new Map<string, Deed>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly onChange: () => void) {}

  isSending(kind: Kind): boolean {
    return [...this.open.values()].some((deed) => deed.kind === kind);
  }

  /** Whether anything of it is not taken note of, sent or lost. */
  owes(kind: Kind): boolean {
    return this.isSending(kind) || [...this.lost.values()].some((deed) => deed.kind === kind);
  }

  begin(kind: Kind, purpose: Purpose, yes: boolean, sent: Promise<void>): void {
    this.failure = null;
    this.lost.delete(`${kind} ${purpose}`);
    this.open.set(`${kind} ${purpose}`, { kind, purpose, yes });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lose(), ANSWER_MS);
    sent.catch(() => this.lose());
  }

  /** What the server now says so is done. */
  settle({ purposes, mine }: Subject): void {
    const hadLost = this.lost.size > 0;
    for (const deeds of [this.open, this.lost]) {
      for (const [key, { kind, purpose, yes }] of deeds) {
        const state = purposes.find((one) => one.purpose === purpose);
        const isDone = kind === 'consent' ? isSaid(mine?.consent[purpose] ?? null, yes) : isAsked(state, yes);
        if (isDone) deeds.delete(key);
      }
    }
    if (this.open.size === 0) clearTimeout(this.timer);
    if (hadLost && this.lost.size === 0) this.failure = null;
  }

  fail(text: string): void {
    clearTimeout(this.timer);
    for (const [key, deed] of this.open) this.lost.set(key, deed);
    this.open.clear();
    this.failure = text;
  }

  forget(): void {
    clearTimeout(this.timer);
    this.open.clear();
    this.lost.clear();
    this.failure = null;
  }

  private lose(): void {
    if (this.open.size === 0) return;
    const kind: Kind = this.isSending('consent') ? 'consent' : 'request';
    this.fail(kind === 'consent' ? 'Your answer did not get through. Please try again.' : 'The recording could not be reached. Please try again.');
    this.onChange();
  }
}
