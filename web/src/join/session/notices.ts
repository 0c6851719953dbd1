// Notices over the stage: each stands until its cause is gone, its time is up, or somebody puts it away.
import { make, need } from '../../dom';

/** The oldest gives way: more than a few would hide the picture. */
const MOST = 2;

interface Shown {
  root: HTMLElement;
  timer: ReturnType<typeof setTimeout>;
}

export class Notices {
  private readonly list = need('notices', HTMLElement);
  private readonly shown = new Map<string, Shown>();

  /** A notice of the same key is replaced. */
  show(key: string, text: string, forMs: number): void {
    this.drop(key);
    const oldest = [...this.shown.keys()][0];
    if (this.shown.size >= MOST && oldest !== undefined) this.drop(oldest);
    const root = make('div', 'notice with-button');
    const away = make('button', 'away');
    away.type = 'button';
    away.setAttribute('aria-label', `Dismiss: ${text}`);
    away.append(make('span', '', '×'));
    away.addEventListener('click', () => this.putAway(key));
    root.append(make('p', '', text), away);
    root.dataset['testid'] = 'notice';
    this.list.append(root);
    this.shown.set(key, { root, timer: setTimeout(() => this.drop(key), forMs) });
  }

  drop(key: string): void {
    const notice = this.shown.get(key);
    clearTimeout(notice?.timer);
    notice?.root.remove();
    this.shown.delete(key);
  }

  clear(): void {
    for (const key of [...this.shown.keys()]) this.drop(key);
  }

  /** The button takes the focus away with it: the first control of the session gets it. */
  private putAway(key: string): void {
    this.drop(key);
    need('mic', HTMLButtonElement).focus({ preventScroll: true });
  }
}
