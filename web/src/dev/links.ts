// The two join links of a room, as a dev node hands them out.
import { make, need, note } from '../dom';

const SIDES = [
  ['expert', 'Expert'],
  ['customer', 'Customer'],
] as const;

const NOT_DEV =
  'This node is not in dev mode, so it hands out no links. To join a session, open the link that the app gave you.';

/** Counts the requests, so that a slow answer for an earlier room never replaces a later one. */
let latest = 0;

/** Whether the node is a dev node; `unknown` when it did not say so. */
export type Mode = 'dev' | 'not_dev' | 'unknown';

/** Fetches and shows the links of a room. */
export async function showLinks(room: string): Promise<Mode> {
  const list = need('links', HTMLUListElement);
  const message = need('links-message', HTMLElement);
  const mine = ++latest;
  const answer = await fetchLinks(room);
  if (mine !== latest) return 'unknown';
  if (typeof answer === 'string') {
    list.replaceChildren();
    note(message, answer);
    return answer === NOT_DEV ? 'not_dev' : 'unknown';
  }
  note(message, null);
  list.replaceChildren(...SIDES.map(([side, title]) => item(title, side, answer[side])));
  return 'dev';
}

type Links = Record<'expert' | 'customer', string>;

async function fetchLinks(room: string): Promise<Links | string> {
  try {
    const response = await fetch(`dev/links?room=${encodeURIComponent(room)}`, { cache: 'no-store' });
    if (response.status === 404) return NOT_DEV;
    if (!response.ok) return `The node refused: ${response.status} ${(await response.text()).slice(0, 200)}`;
    const body = (await response.json()) as Partial<Record<string, unknown>>;
    const { expert, customer } = body;
    if (!isWebLink(expert) || !isWebLink(customer)) return 'The node answered without two links.';
    return { expert, customer };
  } catch {
    return 'The node does not answer. Is it running?';
  }
}

/** Only http and https become a link: anything else in an href could run as script. */
function isWebLink(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//.test(value);
}

function item(title: string, side: string, link: string): HTMLLIElement {
  const li = make('li', 'link');
  const label = make('label', 'field grow');
  const input = make('input');
  input.readOnly = true;
  input.value = link;
  input.dataset['testid'] = `${side}-link`;
  input.addEventListener('focus', () => input.select());
  label.append(make('span', '', title), input);

  const copy = make('button', 'button', 'Copy');
  copy.type = 'button';
  copy.setAttribute('aria-label', `Copy the link of the ${side}`);
  copy.addEventListener('click', () => void copyLink(input, copy));

  const open = make('a', 'button primary', 'Open');
  open.href = link;
  open.target = '_blank';
  open.rel = 'noopener noreferrer';
  open.setAttribute('aria-label', `Open the link of the ${side} in a new tab`);
  li.append(label, copy, open);
  return li;
}

/** The clipboard API exists only on https and localhost; elsewhere the old command copies the selection. */
async function copyLink(input: HTMLInputElement, button: HTMLButtonElement): Promise<void> {
  let copied: boolean;
  try {
    await navigator.clipboard.writeText(input.value);
    copied = true;
  } catch {
    input.select();
    copied = document.execCommand('copy');
    button.focus();
  }
  button.textContent = copied ? 'Copied' : 'Select and copy';
  setTimeout(() => (button.textContent = 'Copy'), 2000);
}
