// Notices over the stage: what is to be noticed now stands here, and nothing else. A notice goes with its cause.
import { make, need, say } from '../../dom';
import type { Notice } from './causes';

/** More than a few would hide the picture: what matters less waits. */
const MOST = 2;

interface Shown {
  root: HTMLElement;
  text: HTMLElement;
  away: HTMLButtonElement;
  timer: ReturnType<typeof setTimeout>;
}

export class Notices {
  private readonly list = need('notices', HTMLElement);
  /** Of what holds now. Null: it was read, or put away, and is not shown again while its cause lasts. */
  private readonly known = new Map<string, Shown | null>();
  private wanted: Notice[] = [];

  /** Makes the notices agree with these, of which the first matter most. */
  show(wanted: Notice[]): void {
    this.wanted = wanted;
    const keys = new Set(wanted.map(({ key }) => key));
    for (const key of [...this.known.keys()]) {
      if (keys.has(key)) continue;
      this.take(key);
      this.known.delete(key);
    }
    for (const notice of wanted) {
      const shown = this.known.get(notice.key);
      if (shown) tell(shown, notice.text);
      else if (shown === undefined && this.shownNow() < MOST) this.known.set(notice.key, this.make(notice));
    }
  }

  private shownNow(): number {
    return [...this.known.values()].filter((shown) => shown !== null).length;
  }

  private make({ key, text, forMs }: Notice): Shown {
    const root = make('div', 'notice with-button');
    root.dataset['testid'] = 'notice';
    const away = make('button', 'away');
    away.type = 'button';
    away.append(make('span', '', '×'));
    away.addEventListener('click', () => {
      this.rest(key);
      // The button takes the focus away with it: the first control of the session gets it.
      need('mic', HTMLButtonElement).focus({ preventScroll: true });
    });
    const shown = { root, text: make('p'), away, timer: setTimeout(() => this.rest(key), forMs) };
    tell(shown, text);
    root.append(shown.text, away);
    this.list.append(root);
    return shown;
  }

  /** It was seen for long enough. What still holds is told by the clock and the badges for as long as it does. */
  private rest(key: string): void {
    this.take(key);
    this.known.set(key, null);
    this.show(this.wanted);
  }

  private take(key: string): void {
    const shown = this.known.get(key);
    clearTimeout(shown?.timer);
    shown?.root.remove();
  }
}

function tell({ text, away }: Shown, words: string): void {
  say(text, words);
  away.setAttribute('aria-label', `Dismiss: ${words}`);
}
