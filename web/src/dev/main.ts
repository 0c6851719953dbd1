// The dev page: wires the room form to the links, and starts the webhook table on a dev node.
import { need } from '../dom';
import { showLinks } from './links';
import { watchWebhooks } from './webhooks';

const name = need('room-name', HTMLInputElement);
let watching = false;

function newName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(3));
  return `help-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Shows the links of a room; the room stays in the address, so that a reload shows the same one. */
async function open(room: string): Promise<void> {
  name.value = room;
  history.replaceState(null, '', `?room=${encodeURIComponent(room)}`);
  const mode = await showLinks(room);
  for (const id of ['room-form', 'try-hint']) need(id, HTMLElement).hidden = mode === 'not_dev';
  need('dev-badge', HTMLElement).hidden = !watching && mode !== 'dev';
  need('webhooks', HTMLElement).hidden = !watching && mode !== 'dev';
  if (mode === 'dev' && !watching) {
    watching = true;
    watchWebhooks();
  }
}

need('room-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const room = name.value.trim();
  if (room) void open(room);
});
need('new-room', HTMLButtonElement).addEventListener('click', () => void open(newName()));
void open(new URLSearchParams(location.search).get('room')?.trim() || newName());
